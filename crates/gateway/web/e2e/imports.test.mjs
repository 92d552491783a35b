import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { api, assertAccessible, shot, visit } from './support/browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @param {Page} page */
async function upload(page, /** @type {string} */ name, /** @type {string | Buffer} */ content, orders = false) {
  await page.goto('/imports/new');
  if (orders) await page.getByText('Orders', { exact: true }).click();
  await page
    .locator('input[type=file]')
    .setInputFiles({ name, mimeType: 'text/csv', buffer: Buffer.isBuffer(content) ? content : Buffer.from(content) });
  await page.getByRole('button', { name: 'Upload' }).click();
  await page.waitForURL(/\/imports\/[0-9a-f-]{36}$/);
  await page.getByRole('region', { name: /How we read it/ }).waitFor();
}

const step = (/** @type {Page} */ page, /** @type {RegExp} */ name) => page.getByRole('region', { name });
const figure = (/** @type {import('playwright-core').Locator} */ place, /** @type {string} */ label) =>
  place.locator('dl > div', { hasText: label }).locator('dd').first();

test('a file of customers is tried, imported, looked at and taken back', async () => {
  await visit({}, async (page) => {
    const unique = `e2e-${Date.now()}`;
    const rows = Array.from(
      { length: 30 },
      (_, index) => `${unique}-${index};Import ${index};import${index}@${unique}.example`,
    );
    rows.push(`${unique}-bad;Wrong address;not-an-address`);
    await upload(page, 'people.csv', ['id;name;e-mail', ...rows].join('\r\n'));

    const reading = step(page, /How we read it/);
    await reading.getByLabel('Between columns').waitFor();
    assert.equal(await reading.getByLabel('Between columns').inputValue(), 'IMPORT_DELIMITER_SEMICOLON');
    assert.equal(await reading.getByLabel('The first row names the columns').isChecked(), true);

    const columns = step(page, /Columns to fields/);
    await columns.getByRole('table').nth(1).getByText('Import 0').waitFor();
    assert.equal(await columns.getByLabel('Field for the column “name”').inputValue(), 'name');
    assert.equal(await columns.getByLabel('Field for the column “e-mail”').inputValue(), 'email');
    await columns.getByLabel('Field for the column “id”').selectOption('external_id');

    const source = reading.getByLabel('Source of the ids');
    await source.fill(unique);
    const trial = step(page, /Trial run/);
    assert.equal(
      await trial.getByRole('button', { name: 'Try it without writing' }).isDisabled(),
      true,
      'not applied yet',
    );
    await reading.getByRole('button', { name: 'Apply' }).click();
    await trial.getByRole('button', { name: 'Try it without writing' }).click();
    await figure(trial, 'would be new').waitFor();
    assert.equal(await figure(trial, 'would be new').textContent(), '30');
    assert.equal(await figure(trial, 'rows refused').textContent(), '1');
    await trial.getByText('not-an-address').first().waitFor();
    const before = await api.call('GET', `/v1/customers?filter=${encodeURIComponent(`source = "${unique}"`)}`);
    assert.equal(before.totalSize, '0', 'a trial run writes nothing');

    await step(page, /^Step 5: Run/)
      .getByRole('button', { name: 'Import 31 rows' })
      .click();
    const result = step(page, /Result/);
    await figure(result, 'created').waitFor();
    assert.equal(await figure(result, 'created').textContent(), '30');
    await shot(page, 'import-result');
    await assertAccessible(page);

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      result.getByRole('link', { name: 'Download all' }).click(),
    ]);
    const refused = await readFile(await download.path(), 'utf8');
    assert.match(refused, /not-an-address/);

    // Whoever comes back later finds it as it was left.
    await page.goto('/imports');
    await page.getByRole('link', { name: 'people.csv' }).first().click();
    await figure(step(page, /Result/), 'created').waitFor();

    await page.getByRole('button', { name: 'Take the import back' }).click();
    const dialog = page.getByRole('dialog');
    assert.match((await dialog.textContent()) ?? '', /people\.csv.*30 records it created/s);
    await dialog.getByRole('button', { name: 'Take it back' }).click();
    await figure(step(page, /Result/), 'removed').waitFor();
    await page.getByText('taken back', { exact: true }).first().waitFor();
    assert.equal(await figure(step(page, /Result/), 'removed').textContent(), '30');
    const after = await api.call('GET', `/v1/customers?filter=${encodeURIComponent(`source = "${unique}"`)}`);
    assert.equal(after.totalSize, '0');
  });
});

test('what is missing before a run is named, and the page says which dates it cannot tell', async () => {
  await visit({}, async (page) => {
    await upload(page, 'sales of 2020.csv', 'order no,date,total\n1,03/04/2020,10.00\n2,05/06/2020,12.50\n', true);
    await step(page, /How we read it/)
      .getByText('can be read day first or month first')
      .waitFor();
    const columns = step(page, /Columns to fields/);
    await columns.getByText('Before it can be run:').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Import without a trial' }).isDisabled(), true);
    await shot(page, 'import-missing');
  });
});

test('a file that is no table is refused in words, and another can be chosen in its place', async () => {
  await visit({ expected: /status of 4\d\d/ }, async (page) => {
    await page.goto('/imports/new');
    await page.locator('input[type=file]').setInputFiles({
      name: 'picture.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0, 0, 13, 0, 1, 2]),
    });
    await page.getByRole('button', { name: 'Upload' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByRole('button', { name: 'Try again' }).waitFor();
    await page.locator('input[type=file]').setInputFiles({
      name: 'mended.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from('name,email\nAna,ana@mended.example\n'),
    });
    await step(page, /Columns to fields/)
      .getByLabel('Field for the column “name”')
      .waitFor();
  });
});

test('a file that is empty or too many at once is not even sent', async () => {
  await visit({}, async (page) => {
    await page.goto('/imports/new');
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'nothing.csv', mimeType: 'text/csv', buffer: Buffer.alloc(0) });
    await page.getByText('“nothing.csv” is empty.').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Upload' }).isDisabled(), true);
  });
});

test('why a row is refused is said in the reader’s language, beside a table that the keyboard reaches', async () => {
  await visit({ language: 'es' }, async (page) => {
    const rows = Array.from({ length: 1_200 }, (_, index) => `${index};Fila ${index};sin arroba ${index}`);
    await page.goto('/imports/new');
    await page.locator('input[type=file]').setInputFiles({
      name: 'rechazos.csv',
      mimeType: 'text/csv',
      buffer: Buffer.from(['id;name;e-mail', '0;corta', ...rows].join('\n')),
    });
    await page.getByRole('button', { name: 'Subir', exact: true }).click();
    await page.waitForURL(/\/imports\/[0-9a-f-]{36}$/);
    await step(page, /Cómo lo leemos/)
      .getByText(/1 fila tiene más o menos columnas que 3; la primera es la línea 2/)
      .waitFor();
    const trial = step(page, /Prueba/);
    await trial.getByRole('button', { name: 'Probar sin escribir' }).press('Enter');
    await trial.getByText('la fila tiene 2 columnas y la tabla 3').waitFor();
    await trial.getByText('«sin arroba 0» no es una dirección de correo').first().waitFor();
    assert.match(
      await page.evaluate(() => document.activeElement?.closest('section')?.textContent ?? ''),
      /Prueba/,
      'the focus stays in the step whose button is gone',
    );
    const frame = trial.getByRole('region', { name: 'Filas rechazadas' });
    assert.ok((await frame.getByRole('row').count()) < 100, 'only what is in sight is in the document');
    await frame.focus();
    while (!(await trial.getByText(/Se ven 1201 de 1201|Se ven 1\.201 de 1\.201/).isVisible())) {
      await page.keyboard.press('End');
    }
    await frame.getByText('1202').waitFor();
    await assertAccessible(page);
  });
});
