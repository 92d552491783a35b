import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, assertAccessible, shot, visit } from './support/browser.mjs';

test('a segment is built by keyboard, counted before it is used, and shows who belongs to it', async () => {
  await visit({}, async (page) => {
    // A land and a customer of the test's own: other tests send seeded customers about.
    const stamp = Date.now();
    const [name, land, who] = [`People of ${stamp}`, `Land ${stamp}`, `Zoë of ${stamp}`];
    await api.call('POST', '/v1/customers', {
      customer: { displayName: who, country: land, emails: [{ address: `zoe-${stamp}@example.org` }] },
    });
    const count = page.getByRole('region', { name: 'Who would belong to it' });
    await page.goto('/segments');
    await page.getByRole('heading', { level: 1, name: 'Segments' }).waitFor();
    await page.keyboard.press('n');
    await page.getByLabel('Name').waitFor();

    // Without a name and a value there is nothing to save, and the first gap takes the focus.
    await page.getByRole('button', { name: 'Create' }).press('Enter');
    await page.getByText('A segment needs a name.').waitFor();
    await until('the focus goes to the name', () =>
      page.evaluate(() => document.activeElement?.getAttribute('aria-invalid') === 'true'),
    );
    await page.keyboard.type(name);

    await page.getByLabel('Field', { exact: true }).selectOption('customer.country');
    await page.getByLabel('Value', { exact: true }).fill(land);
    await page.getByText(`In words: Country: ${land}`).waitFor();
    await count.getByText('1 customer', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Condition', exact: true }).press('Enter');
    assert.equal(
      await page.evaluate(() => document.activeElement?.getAttribute('aria-label')),
      'Field',
      'what was added takes the focus',
    );
    await page.getByLabel('Field', { exact: true }).nth(1).selectOption('customer.has_email');
    await page.getByText(`Country: ${land} and Has an e-mail: yes`).waitFor();
    await count.getByText('1 customer', { exact: true }).waitFor();
    await shot(page, 'segment-new');
    await assertAccessible(page);

    await page.getByRole('button', { name: 'Create' }).press('Enter');
    await page.getByRole('heading', { level: 1, name }).waitFor();
    await page.getByText('up to date').waitFor();
    const member = page.getByRole('link', { name: who });
    await member.waitFor();

    // Somebody moves away: without a reload the member is gone.
    const { segments } = await api.call('GET', '/v1/segments');
    const { id } = segments.find((/** @type {any} */ segment) => segment.name === name);
    const { members } = await api.call('GET', `/v1/segments/${id}/members`);
    const customer = await api.call('GET', `/v1/customers/${members[0].customerId}`);
    const moved = await api.call('PATCH', `/v1/customers/${customer.id}?updateMask=country`, {
      id: customer.id,
      etag: customer.etag,
      country: 'Norway',
    });
    await page.getByText('Nobody belongs to it now').waitFor();
    await api.call('PATCH', `/v1/customers/${customer.id}?updateMask=country`, {
      id: customer.id,
      etag: moved.etag,
      country: land,
    });
    await member.waitFor();

    await page.getByRole('button', { name: 'Put away' }).click();
    await page.getByText('This segment is put away').waitFor();
    await page.getByRole('button', { name: 'Bring back' }).click();
    await page.getByText('This segment is put away').waitFor({ state: 'detached' });
  });
});

test('two who change the same segment both see it, and neither overwrites unasked', async () => {
  await visit({ expected: /status of 409/ }, async (page) => {
    const rule = {
      all: { rules: [{ condition: { field: 'customer.has_phone', operator: 'OPERATOR_EQUAL', flag: true } }] },
    };
    const name = `Phones ${Date.now()}`;
    const segment = await api.call('POST', '/v1/segments', { segment: { name, rule } });
    await page.goto(`/segments/${segment.id}?edit=yes`);
    await page.getByLabel('What it is for').fill('written here');
    const present = await api.call('GET', `/v1/segments/${segment.id}`);
    await api.call('PATCH', `/v1/segments/${segment.id}?updateMask=description`, {
      id: segment.id,
      etag: present.etag,
      description: 'written elsewhere',
    });
    // It is told by itself, and takes nothing away from what is being written.
    await page.getByText('Somebody else changed this segment meanwhile').waitFor();
    assert.equal(await page.getByLabel('What it is for').inputValue(), 'written here');
    const answered = page.waitForResponse((response) => response.request().method() === 'PATCH');
    await page.getByRole('button', { name: 'Save' }).click();
    assert.equal((await answered).status(), 409);
    await page.getByRole('button', { name: 'Keep mine' }).waitFor();
    assert.equal(await page.getByLabel('What it is for').inputValue(), 'written here');
    await page.getByRole('button', { name: 'Keep mine' }).click();
    // The form goes once it is saved; until then what is typed stands in it, and the name above it.
    await page.getByRole('button', { name: 'Change' }).waitFor();
    await page.getByRole('heading', { level: 1, name }).waitFor();
    await page.getByText('written here').waitFor();
    assert.equal((await api.call('GET', `/v1/segments/${segment.id}`)).description, 'written here');
  });
});
