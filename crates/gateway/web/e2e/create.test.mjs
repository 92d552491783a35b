import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, openList, visit } from './support/browser.mjs';

test('a new customer is created with phones and e-mails, and their card opens', async () => {
  await visit({}, async (page) => {
    await openList(page);
    await page.keyboard.press('n');
    const dialog = page.getByRole('dialog', { name: 'New customer' });
    await dialog.getByText('Company', { exact: true }).click();
    await dialog.getByRole('textbox', { name: 'Name' }).fill('Café Łódź');
    await dialog.getByRole('textbox', { name: 'Phone' }).fill('+48 42 555 01 01');
    await dialog.getByRole('button', { name: 'Another phone' }).click();
    await dialog.getByRole('textbox', { name: 'Phone 2' }).fill('+48 42 555 01 02');
    await dialog.getByRole('textbox', { name: 'E-mail' }).fill('cafe@example.pl');
    await dialog.getByRole('textbox', { name: 'Country' }).fill('Poland');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await page.getByRole('heading', { level: 1, name: 'Café Łódź' }).waitFor();
    const id = page.url().split('/').at(-1);
    const customer = await api.call('GET', `/v1/customers/${id}`);
    assert.equal(customer.kind, 'CUSTOMER_KIND_COMPANY');
    assert.deepEqual(
      customer.phones.map((/** @type {any} */ phone) => phone.number),
      ['+48 42 555 01 01', '+48 42 555 01 02'],
    );
    assert.deepEqual(
      customer.emails.map((/** @type {any} */ email) => email.address),
      ['cafe@example.pl'],
    );
    assert.equal(customer.country, 'Poland');
  });
});

test('what is refused is said at its field, and nothing is created', async () => {
  await visit({ expected: /status of 400/ }, async (page) => {
    await openList(page);
    await page.getByRole('button', { name: 'Customer', exact: true }).click();
    const dialog = page.getByRole('dialog', { name: 'New customer' });
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.getByText('A customer needs a name.').waitFor();
    await dialog.getByRole('textbox', { name: 'Name' }).fill('Bad Input');
    await dialog.getByRole('button', { name: 'Another e-mail' }).click();
    const second = dialog.getByRole('textbox', { name: 'E-mail 2' });
    await second.fill('not an address');
    await dialog.getByRole('button', { name: 'Create' }).click();
    // The first line is empty and not sent; the error must find its way to the second all the same.
    await dialog.locator('.mantine-TextInput-error').waitFor();
    assert.equal(await second.getAttribute('aria-invalid'), 'true');
    assert.ok(
      await second.evaluate((input) =>
        input
          .getAttribute('aria-describedby')
          ?.split(' ')
          .some((id) => document.getElementById(id)?.textContent),
      ),
    );
    const { customers } = await api.call('GET', '/v1/customers?query=Bad%20Input');
    assert.equal(customers.length, 0);
  });
});

test('the dialog closes with escape, and the focus returns', async () => {
  await visit({}, async (page) => {
    await openList(page);
    const button = page.getByRole('button', { name: 'Customer', exact: true });
    await button.click();
    const dialog = page.getByRole('dialog', { name: 'New customer' });
    await dialog.waitFor();
    assert.match(page.url(), /new=yes/);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.doesNotMatch(page.url(), /new=yes/);
    assert.ok(await button.evaluate((element) => element === document.activeElement));
  });
});
