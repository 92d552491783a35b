import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, openCard, visit } from './support/browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

let serial = 0;
const newCustomer = () => {
  serial += 1;
  return api.call('POST', '/v1/customers', {
    customer: {
      displayName: `Edited ${serial}`,
      phones: [{ number: `+55 21 3000 10${10 + serial}`, label: 'work' }],
      emails: [{ address: `edited${serial}@example.net` }],
    },
  });
};
const read = (/** @type {string} */ id) => api.call('GET', `/v1/customers/${id}`);
const heading = (/** @type {Page} */ page, /** @type {string} */ name) => page.getByRole('heading', { level: 1, name });
const editName = (/** @type {Page} */ page) => page.getByRole('button', { name: 'Edit: Name' });
const hasFocus = (/** @type {import('playwright-core').Locator} */ locator) =>
  locator.evaluate((element) => element === document.activeElement);

test('enter saves a name in its place, and the focus returns', async () => {
  const customer = await newCustomer();
  await visit({}, async (page) => {
    await openCard(page, customer.id);
    await editName(page).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('Renamed by keys');
    await page.keyboard.press('Enter');
    await heading(page, 'Renamed by keys').waitFor();
    await until('the focus is back', () => hasFocus(editName(page)));
    assert.equal((await read(customer.id)).displayName, 'Renamed by keys');
    await page.getByRole('status').getByText('Saved: Name').waitFor({ state: 'attached' });
    await page.reload();
    await heading(page, 'Renamed by keys').waitFor();
  });
});

test('escape leaves everything as it was, and the focus returns', async () => {
  const customer = await newCustomer();
  await visit({}, async (page) => {
    await openCard(page, customer.id);
    await editName(page).click();
    await page.getByRole('textbox', { name: 'Name' }).fill('Never saved');
    await page.keyboard.press('Escape');
    await heading(page, customer.displayName).waitFor();
    await until('the focus is back', () => hasFocus(editName(page)));
    assert.equal((await read(customer.id)).etag, customer.etag);
  });
});

test('phones and e-mails are changed, added, removed and brought back', async () => {
  const customer = await newCustomer();
  await visit({ expected: /status of 400/ }, async (page) => {
    await openCard(page, customer.id);
    const contacts = page.getByRole('region', { name: 'Contact points' });
    await contacts.getByRole('button', { name: /^Edit: Phone/ }).click();
    await page.getByRole('textbox', { name: /^Phone/ }).fill('+55 21 4000 9999');
    await page.keyboard.press('Enter');
    await contacts.getByRole('link', { name: '+55 21 4000 9999' }).waitFor();

    await contacts.getByRole('button', { name: 'E-mail', exact: true }).click();
    await page.getByRole('textbox', { name: 'New e-mail' }).fill('not an address');
    await page.keyboard.press('Enter');
    await contacts.locator('.mantine-TextInput-error').waitFor();
    await page.getByRole('textbox', { name: 'New e-mail' }).fill('second@example.net');
    await page.keyboard.press('Enter');
    await contacts.getByRole('link', { name: 'second@example.net' }).waitFor();

    await contacts.getByRole('button', { name: `Remove ${customer.emails[0].address}` }).click();
    await contacts.getByText(`${customer.emails[0].address} was removed`).waitFor();
    await until('the address is gone', async () => (await read(customer.id)).emails.length === 1);
    await contacts.getByRole('button', { name: 'Undo' }).click();
    await until('the address is back', async () => (await read(customer.id)).emails.length === 2);

    const saved = await read(customer.id);
    assert.deepEqual(
      saved.phones.map((/** @type {any} */ phone) => [phone.id, phone.number, phone.label]),
      [[customer.phones[0].id, '+55 21 4000 9999', 'work']],
    );
    assert.deepEqual(
      saved.emails.map((/** @type {any} */ email) => email.address),
      ['second@example.net', customer.emails[0].address],
    );
  });
});

test('two who change the same value see both, and neither overwrites the other unseen', async () => {
  const customer = await newCustomer();
  await visit({ expected: /status of 409/ }, async (mine) => {
    await visit({}, async (theirs) => {
      await openCard(mine, customer.id);
      await openCard(theirs, customer.id);
      await editName(mine).click();
      await mine.getByRole('textbox', { name: 'Name' }).fill('Mine');

      await editName(theirs).click();
      await theirs.getByRole('textbox', { name: 'Name' }).fill('Theirs');
      await theirs.keyboard.press('Enter');
      await heading(theirs, 'Theirs').waitFor();

      await mine.getByRole('textbox', { name: 'Name' }).press('Enter');
      const conflict = mine.getByRole('group', { name: 'Somebody else changed this meanwhile.' });
      await conflict.waitFor();
      assert.deepEqual(await conflict.locator('dd').allTextContents(), ['Mine', 'Theirs']);
      assert.equal((await read(customer.id)).displayName, 'Theirs');
      await conflict.getByRole('button', { name: 'Take theirs' }).click();
      await heading(mine, 'Theirs').waitFor();
      assert.equal((await read(customer.id)).displayName, 'Theirs');

      await editName(theirs).click();
      await theirs.getByRole('textbox', { name: 'Name' }).fill('Theirs again');
      await editName(mine).click();
      await mine.getByRole('textbox', { name: 'Name' }).fill('Mine in the end');
      await theirs.keyboard.press('Enter');
      await heading(theirs, 'Theirs again').waitFor();
      await mine.getByRole('textbox', { name: 'Name' }).press('Enter');
      await conflict.waitFor();
      await until('the choice has the focus', () => hasFocus(conflict.getByRole('button', { name: 'Keep mine' })));
      await mine.keyboard.press('Enter');
      await heading(mine, 'Mine in the end').waitFor();
      assert.equal((await read(customer.id)).displayName, 'Mine in the end');
    });
  });
});

test('a change of something else meanwhile is kept and does not disturb', async () => {
  const customer = await newCustomer();
  await visit({ expected: /status of 409/ }, async (page) => {
    await openCard(page, customer.id);
    await editName(page).click();
    await api.call('PATCH', `/v1/customers/${customer.id}?updateMask=country`, {
      id: customer.id,
      etag: customer.etag,
      country: 'Chile',
    });
    await page.getByRole('textbox', { name: 'Name' }).fill('Together');
    await page.keyboard.press('Enter');
    await heading(page, 'Together').waitFor();
    const saved = await read(customer.id);
    assert.deepEqual([saved.displayName, saved.country], ['Together', 'Chile']);
  });
});
