import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, openCard, visit } from './support/browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

let serial = Date.now() % 1_000_000;
const newCustomer = () => {
  serial += 1;
  return api.call('POST', '/v1/customers', {
    customer: {
      displayName: `Reader ${serial}`,
      phones: [{ number: '+351 21 000 0010' }],
      emails: [{ address: `reader${serial}@example.net` }],
    },
  });
};
const allow = (/** @type {any} */ customer) =>
  api.call('POST', `/v1/customers/${customer.id}/consents`, {
    channel: 'CONSENT_CHANNEL_EMAIL',
    contactPointId: customer.emails[0].id,
    granted: true,
    evidence: 'asked for it on the phone',
  });
const letters = (/** @type {Page} */ page) => page.getByRole('list', { name: 'Letters' });

test('consents are off at birth, given by a box, told of who and when, and taken back by the toast', async () => {
  const customer = await newCustomer();
  const address = customer.emails[0].address;
  const held = async () => {
    const { states } = await api.call('GET', `/v1/customers/${customer.id}/consents`);
    return states
      .filter((/** @type {any} */ state) => state.marketing || state.service)
      .map((/** @type {any} */ state) => state.channel);
  };
  await visit({}, async (page) => {
    await openCard(page, customer.id);
    const contacts = page.getByRole('region', { name: 'Contact points' });
    const email = contacts.getByRole('checkbox', { name: `E-mail, ${address}` });
    await email.waitFor();
    for (const box of await contacts.getByRole('checkbox').all()) assert.ok(!(await box.isChecked()));
    assert.equal(await contacts.getByRole('checkbox').count(), 3);
    await email.check();
    await page.getByText(`E-mail to ${address} is allowed`).waitFor();
    assert.deepEqual(await held(), ['CONSENT_CHANNEL_EMAIL']);
    await email.focus();
    await page.keyboard.press('Tab');
    await page
      .getByRole('tooltip')
      .getByText(/given .* · you · web client/)
      .waitFor();
    await page.getByRole('button', { name: 'Undo' }).click();
    await page.getByText('It is as it was').waitFor();
    assert.ok(!(await email.isChecked()));
    assert.deepEqual(await held(), []);
    await contacts.getByRole('button', { name: 'Consents' }).click();
    const log = page.getByRole('dialog', { name: 'Consents' });
    await log.getByText('Withdrawn').waitFor();
    await log.getByText('Given').waitFor();
  });
});

test('a letter goes only to an address that agreed, is seen before it goes, and its true state shows by itself', async () => {
  const customer = await newCustomer();
  const address = customer.emails[0].address;
  await visit({}, async (page) => {
    await openCard(page, customer.id);
    await page.getByRole('region', { name: 'Write' }).getByRole('button', { name: 'E-mail' }).click();
    const choice = page.getByRole('radio', { name: new RegExp(address) });
    await choice.waitFor();
    assert.ok(await choice.isDisabled());
    await page.getByText('No consent for service letters: Never agreed to anything').waitFor();
    assert.ok(await page.getByRole('button', { name: 'Send' }).isDisabled());

    await allow(customer);
    await until('the consent shows', () => choice.isEnabled());
    await page.getByRole('textbox', { name: 'Subject' }).fill('Your order, {{ customer.name }}');
    const text = page.getByRole('textbox', { name: 'Text of the letter' });
    await text.click();
    await page.keyboard.press('Control+b');
    await page.keyboard.type('Important');
    await page.keyboard.press('Control+b');
    await page.keyboard.type(' things & more');
    await page.getByRole('button', { name: 'Preview' }).click();
    const preview = page.getByRole('region', { name: 'Preview' }).first();
    await preview.getByText(`Your order, ${customer.displayName}`).waitFor();
    await preview.frameLocator('iframe').getByText('Important', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Send' }).click();
    const letter = letters(page).getByRole('listitem').filter({ hasText: 'Your order' });
    await letter.getByText('sent', { exact: true }).waitFor();
    await page.getByRole('region', { name: 'Write' }).getByRole('button', { name: 'E-mail' }).waitFor();

    await letter.getByRole('button', { name: /Your order/ }).click();
    const opened = page.getByRole('dialog', { name: /Your order/ });
    await opened.frameLocator('iframe').getByText('Important', { exact: true }).waitFor();
    await opened.getByText('Plain text').click();
    await opened.getByText(/Important.* things & more/).waitFor();
    await page.keyboard.press('Escape');

    await page.goto('/mailbox');
    await page.getByRole('button', { name: new RegExp(address) }).click();
    const reading = page.getByRole('region', { name: 'The letter' });
    await reading.frameLocator('iframe').getByText('Important', { exact: true }).waitFor();
    await reading.getByText('Source').click();
    await reading.getByText(/^Subject: /m).waitFor();
    await reading.getByRole('link', { name: 'The customer’s card' }).click();
    await page.getByRole('heading', { level: 1, name: customer.displayName }).waitFor();
  });
  const { emails } = await api.call('GET', `/v1/emails?customerId=${customer.id}`);
  assert.deepEqual(
    emails.map((/** @type {any} */ email) => email.state),
    ['SEND_STATE_SENT'],
  );
});

test('a template asks for what it cannot know, and is written with what it knows', async () => {
  const customer = await newCustomer();
  await allow(customer);
  await visit({}, async (page) => {
    await page.goto('/templates');
    await page.getByRole('link', { name: 'New template' }).first().click();
    await page.getByRole('textbox', { name: 'Name' }).fill(`Voucher ${customer.id}`);
    await page.getByRole('textbox', { name: 'Subject' }).fill('A voucher for {{ customer.name }}');
    await page.getByRole('textbox', { name: 'HTML' }).fill('<p>Use <b>{{ code }}</b> until {{ until }}</p>');
    await page.getByRole('button', { name: 'Save' }).click();
    await page.getByText('Asks for: code, until').waitFor();

    await openCard(page, customer.id);
    await page.keyboard.press('e');
    await page.getByLabel('Template').selectOption({ label: `Voucher ${customer.id}` });
    await page.getByRole('textbox', { name: 'code' }).fill('WINTER <7>');
    await page.getByRole('textbox', { name: 'until' }).fill('Friday');
    const preview = page.getByRole('region', { name: 'Preview' }).first();
    await preview.getByText(`A voucher for ${customer.displayName}`).waitFor();
    await preview.frameLocator('iframe').getByText('WINTER <7>').waitFor();
    await page.getByRole('button', { name: 'Send' }).click();
    await letters(page).getByText('sent', { exact: true }).waitFor();
  });
});

test('a letter that is being written outlives a reload', async () => {
  const customer = await newCustomer();
  await allow(customer);
  await visit({}, async (page) => {
    await openCard(page, customer.id);
    await page.keyboard.press('e');
    await page.getByRole('textbox', { name: 'Subject' }).fill('Half a letter');
    await page.getByRole('textbox', { name: 'Text of the letter' }).click();
    await page.keyboard.type('Dear reader');
    await page.reload();
    assert.equal(await page.getByRole('textbox', { name: 'Subject' }).inputValue(), 'Half a letter');
    await page.getByRole('textbox', { name: 'Text of the letter' }).getByText('Dear reader').waitFor();
    await page.getByRole('button', { name: 'Discard' }).click();
    await page.reload();
    await page.getByRole('region', { name: 'Write' }).getByRole('button', { name: 'E-mail' }).waitFor();
    assert.equal(await page.getByRole('textbox', { name: 'Subject' }).count(), 0);
  });
});

test('a letter whose answer is lost is sent once however often one presses', async () => {
  const customer = await newCustomer();
  await allow(customer);
  await visit({ expected: /ERR_FAILED/ }, async (page) => {
    await openCard(page, customer.id);
    await page.keyboard.press('e');
    await page.getByRole('textbox', { name: 'Subject' }).fill('Only once');
    await page.getByRole('textbox', { name: 'Text of the letter' }).click();
    await page.keyboard.type('Please');
    // The server takes it, and the answer never arrives.
    await page.route('**/v1/emails', async (route) => {
      await route.fetch();
      await route.abort();
    });
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('alert').getByText('The server could not be reached').waitFor();
    await page.unroute('**/v1/emails');
    await page.getByRole('button', { name: 'Send' }).click();
    await letters(page).getByText('sent', { exact: true }).waitFor();
  });
  const { emails } = await api.call('GET', `/v1/emails?customerId=${customer.id}`);
  assert.equal(emails.length, 1);
});
