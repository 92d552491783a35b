import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, assertAccessible, PHONE, shot, visit, world } from './support/browser.mjs';

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

    await step(page, /Result/)
      .getByText('not-an-address')
      .first()
      .waitFor();
    let asked = 0;
    page.on('request', (request) => {
      if (request.url().includes('/refusedRows?')) asked += 1;
    });
    await page.getByRole('button', { name: 'Take the import back' }).click();
    const dialog = page.getByRole('dialog');
    assert.match((await dialog.textContent()) ?? '', /people\.csv.*30 records it created/s);
    await dialog.getByRole('button', { name: 'Take it back' }).click();
    await figure(step(page, /Result/), 'removed').waitFor();
    await page.getByText('taken back', { exact: true }).first().waitFor();
    assert.equal(await figure(step(page, /Result/), 'removed').textContent(), '30');
    assert.equal(asked, 0, 'the rows that were refused do not change by it, and are not asked for again');
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
      .getByText(/1 fila no tiene las mismas columnas que la tabla, 3; es la línea 2/)
      .waitFor();
    const trial = step(page, /Prueba/);
    await trial.getByRole('button', { name: 'Probar sin escribir' }).press('Enter');
    await trial.getByText('columnas en la fila: 2, en la tabla: 3').waitFor();
    await trial.getByText('«sin arroba 0» no es una dirección de correo').first().waitFor();
    assert.match(
      await page.evaluate(() => document.activeElement?.closest('section')?.textContent ?? ''),
      /Prueba/,
      'the focus stays in the step whose button is gone',
    );
    const frame = trial.getByRole('region', { name: 'Filas rechazadas' });
    assert.ok((await frame.getByRole('row').count()) < 100, 'only what is in sight is in the document');
    await frame.focus();
    await until('the last row is in sight', async () => {
      await page.keyboard.press('End');
      return frame.getByText('1202').isVisible();
    });
    await trial.getByText(/Se muestran 1\.?201 de 1\.?201/).waitFor();
    await assertAccessible(page);
  });
});

test('a run goes on while one is elsewhere, and the page shows on return how far it has come', async () => {
  await visit({}, async (page) => {
    const unique = `away-${Date.now()}`;
    const rows = Array.from(
      { length: 6_000 },
      (_, index) => `${unique}-${index};Away ${index};a${index}@${unique}.example`,
    );
    await upload(page, `${unique}.csv`, ['id;name;e-mail', ...rows].join('\n'));
    const run = step(page, /^Step 5: Run/);
    await run.getByRole('button', { name: 'Import without a trial' }).click();
    const bar = run.getByRole('progressbar', { name: 'Run' });
    await bar.waitFor();

    // Away while it runs, to another page of the client and out of it altogether.
    await page.getByRole('link', { name: 'Customers' }).first().click();
    await page.getByRole('heading', { level: 1, name: 'Customers' }).waitFor();
    await page.goto('about:blank');
    const { imports } = await api.call('GET', '/v1/imports');
    const { id } = imports.find((/** @type {any} */ one) => one.fileName === `${unique}.csv`);
    const rowsDone = async () => Number((await api.call('GET', `/v1/imports/${id}`)).progress?.rows ?? 0);
    const before = await until('some rows are in', rowsDone);
    await until('it goes on with nobody looking', async () => (await rowsDone()) > before);

    await page.goto('/imports');
    await page.getByRole('link', { name: `${unique}.csv` }).click();
    const { state } = await api.call('GET', `/v1/imports/${id}`);
    assert.equal(state, 'IMPORT_STATE_RUNNING', 'it still runs when one comes back');
    await bar.waitFor();
    await run.getByText(/rows: [\d,]+ of 6,000/).waitFor();
    const result = step(page, /Result/);
    await figure(result, 'created').waitFor({ timeout: 120_000 });
    assert.equal(await figure(result, 'created').textContent(), '6,000');
  });
});

test('a file of orders is mapped, tried and imported, and the orders stand on the customers’ cards', async () => {
  await visit({}, async (page) => {
    const unique = Date.now();
    const address = `bea-${unique}@orders.example`;
    const rows = [
      `F-${unique}-1,2025-03-01 10:00,Bea ${unique},${address},LAMP,2,10.50`,
      `F-${unique}-1,2025-03-01 10:00,Bea ${unique},${address},CUP,1,3.00`,
      `F-${unique}-2,2025-03-02 11:00,Cid ${unique},cid-${unique}@orders.example,LAMP,1,10.50`,
      `F-${unique}-3,2025-03-03 12:00,Bea ${unique},${address},LAMP,a few,10.50`,
    ];
    const file = ['number,date,client,mail,code,how many,each', ...rows].join('\n');
    await upload(page, 'orders.csv', file, true);
    const columns = step(page, /Columns to fields/);
    for (const [column, field] of [
      ['number', 'order.number'],
      ['date', 'order.placed_at'],
      ['client', 'customer.name'],
      ['mail', 'customer.email'],
      ['code', 'line.sku'],
      ['how many', 'line.quantity'],
      ['each', 'line.unit_price'],
    ]) {
      await columns.getByLabel(`Field for the column “${column}”`).selectOption(field ?? '');
    }
    const reading = step(page, /How we read it/);
    await reading.getByLabel('Currency').fill('EUR');
    await reading.getByRole('button', { name: 'Apply' }).click();

    const trial = step(page, /Trial run/);
    await trial.getByRole('button', { name: 'Try it without writing' }).click();
    await trial.getByText('a few').first().waitFor();
    assert.equal(await figure(trial, 'rows refused').textContent(), '1');
    await step(page, /^Step 5: Run/)
      .getByRole('button', { name: 'Import 4 rows' })
      .click();
    const result = step(page, /Result/);
    await result.getByRole('heading', { name: 'Orders' }).waitFor();
    const created = result.locator('dl > div', { hasText: 'created' }).locator('dd');
    assert.deepEqual(await created.allTextContents(), ['2', '2'], 'orders and their customers');
    await shot(page, 'import-orders-result');
    await assertAccessible(page);

    const { customers } = await api.call('GET', `/v1/customers?query=${encodeURIComponent(address)}`);
    await page.goto(`/customers/${customers[0].id}`);
    await page.getByRole('heading', { level: 1, name: `Bea ${unique}` }).waitFor();
    await page.getByRole('rowheader', { name: `F-${unique}-1` }).waitFor();
    await page.locator('dl dd').getByText('€24.00').first().waitFor();
  });
});

test('an upload shows how far it is, is stopped, and is sent again after it was lost', async () => {
  await visit({ expected: /ERR_CONNECTION_RESET/ }, async (page, context) => {
    const megabyte = 1 << 20;
    const line = `${'n'.repeat(30)};${'x'.repeat(90)}\n`;
    const content = `name;note\n${line.repeat(Math.ceil((3 * megabyte) / line.length))}`;
    const network = await context.newCDPSession(page);
    await network.send('Network.enable');
    const speed = (/** @type {number} */ uploadThroughput) =>
      network.send('Network.emulateNetworkConditions', {
        offline: false,
        latency: 0,
        downloadThroughput: -1,
        uploadThroughput,
      });
    await page.goto('/imports/new');
    await page
      .locator('input[type=file]')
      .setInputFiles({ name: 'long.csv', mimeType: 'text/csv', buffer: Buffer.from(content) });
    await speed(megabyte / 2);
    await page.getByRole('button', { name: 'Upload' }).click();
    const bar = page.getByRole('progressbar', { name: 'Upload of long.csv' });
    await bar.waitFor();
    const share = async () => Number(await bar.getAttribute('aria-valuenow'));
    /** @type {number[]} */
    const seen = [];
    await until('the bar moves', async () => {
      const now = await share();
      if (now > 0 && now < 100 && now !== seen.at(-1)) seen.push(now);
      return seen.length >= 3;
    });
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
    await page
      .getByText(/^[\d.]+ \w+ of 3 MB$/)
      .first()
      .waitFor();
    await shot(page, 'import-uploading');

    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText('The upload was stopped.').waitFor();
    const { imports } = await api.call('GET', '/v1/imports?pageSize=1');
    assert.equal(imports[0].state, 'IMPORT_STATE_AWAITING_FILE');

    // Again; this time the connection breaks off.
    await page.route('**/file', (route) => route.abort('connectionreset'));
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('The upload failed.').waitFor();
    await page.getByRole('alert').waitFor();
    await shot(page, 'import-upload-failed');
    await page.unroute('**/file');
    await speed(-1);
    await page.getByRole('button', { name: 'Try again' }).click();
    await step(page, /Columns to fields/)
      .getByLabel('Field for the column “name”')
      .waitFor();
    const { sizeBytes } = await api.call('GET', `/v1/imports/${imports[0].id}`);
    assert.equal(sizeBytes, String(Buffer.byteLength(content)));
  });
});

test('what is done is folded under its own name, and a long refused row is opened, on a phone as well', async () => {
  await visit({ viewport: PHONE }, async (page) => {
    const long = 'a very long note that nobody wanted to shorten '.repeat(12).trim();
    const { id } = await api.call('POST', '/v1/imports', { kind: 'IMPORT_KIND_CUSTOMERS', fileName: 'notes.csv' });
    const sent = await fetch(`${world.url}/v1/imports/${id}/file`, {
      method: 'PUT',
      headers: { Cookie: world.cookie, 'X-CSRF-Token': world.csrfToken, 'Content-Type': 'text/csv' },
      body: `name;e-mail;note\nFine;fine@${id}.example;short\nBad;nowhere;${long}\n`,
    });
    assert.ok(sent.ok);
    await api.call('POST', `/v1/imports/${id}:start`, { trial: false });
    await page.goto(`/imports/${id}`);
    const result = step(page, /Result/);
    const table = result.getByRole('table');
    await table.getByRole('columnheader', { name: 'Reason' }).waitFor();
    const values = table.getByRole('cell', { name: /a very long note/ });
    const height = async () => (await values.boundingBox())?.height ?? 0;
    const before = await height();
    await values.getByRole('button', { name: 'Show the whole row' }).press('Enter');
    await until('the row is whole', async () => (await height()) > 1.5 * before);
    await values.getByRole('button', { name: 'Show less' }).press('Enter');
    await until('the row is short again', async () => (await height()) === before);

    const columns = step(page, /Columns to fields/);
    await columns.getByText('Show: Columns to fields').press('Enter');
    await columns.getByText('Hide: Columns to fields').waitFor();
    await columns.getByText('note', { exact: true }).first().waitFor();
    await shot(page, 'import-phone');
    await assertAccessible(page);
  });
});
