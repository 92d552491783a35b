import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, assertAccessible, assertNoSidewaysScroll, PHONE, shot, visit, world } from './support/browser.mjs';
import { visitor } from './support/visitor.mjs';

/** @typedef {import('playwright-core').Page} Page */

const messages = (/** @type {Page} */ page) => page.getByRole('region', { name: 'Conversation' });

test('a visitor and a colleague write to each other, and each message is there at once', async () => {
  await visit({}, async (page) => {
    const name = `Vera ${Date.now()}`;
    const { say, heard } = await visitor({ name, email: 'vera@visitors.example' });
    await page.goto('/inbox');
    await page.getByRole('heading', { level: 1, name: 'Inbox' }).waitFor({ state: 'attached' });
    await say('hi, is it in stock?');
    // Nobody reloads: the dialog comes by itself, unread.
    const entry = page.getByRole('link', { name: new RegExp(name) });
    await entry.waitFor();
    await entry.getByText('1 unread message').waitFor({ state: 'attached' });
    await entry.press('Enter');
    await messages(page).getByText('hi, is it in stock?').waitFor();
    await until('it is read once it was seen', async () => (await entry.getByText(/unread message/).count()) === 0);

    await page.keyboard.press('r');
    await page.keyboard.type('yes, two left');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('shall I keep one?');
    await page.keyboard.press('Enter');
    await messages(page).getByRole('img', { name: 'sent' }).waitFor();
    const answer = (await heard()).at(-1);
    assert.equal(answer.text, 'yes, two left\nshall I keep one?');

    const asked = Date.now();
    await say('please do');
    await messages(page).getByText('please do').waitFor();
    assert.ok(Date.now() - asked < 3_000, 'a message shows soon after it was written');
    await until('it is said aloud', async () =>
      (await page.getByRole('status').allTextContents()).some((text) => text.includes(`${name} writes: please do`)),
    );
    await shot(page, 'inbox');
    await assertAccessible(page);

    // The writer has become responsible; the dialog is closed, and opens again by what the visitor writes.
    assert.match(
      (await page.getByLabel('Responsible colleague').locator('option:checked').textContent()) ?? '',
      /\(you\)/,
    );
    await page.getByRole('button', { name: 'Close', exact: true }).click();
    await messages(page).getByText('The dialog was closed').waitFor();
    await say('one more thing: https://shop.example/lamp?x=1.');
    await messages(page).getByText('one more thing').waitFor();
    const link = messages(page).getByRole('link', { name: 'https://shop.example/lamp?x=1', exact: true });
    assert.equal(await link.getAttribute('rel'), 'noopener noreferrer nofollow', 'the other site learns nothing of us');
    await page.getByRole('button', { name: 'Close', exact: true }).waitFor();
  });
});

test('the list is read on by itself as one comes to its end', async () => {
  const { channel } = await visitor();
  const createdAt = new Date(Date.now() - 60_000).toISOString();
  const entries = Array.from({ length: 50 }, (_, index) => ({
    reference: { source: 'before', externalId: `${channel.id}-${index}` },
    channelId: channel.id,
    customerId: world.ids.ana,
    messages: [{ fromCustomer: true, text: `old ${index}`, createdAt }],
  }));
  for (const half of [entries, entries.map((one) => ({ ...one, reference: { ...one.reference, source: 'older' } }))]) {
    await api.call('POST', '/v1/dialogs:batchImport', { entries: half });
  }
  await visit({}, async (page) => {
    await page.goto('/inbox?state=closed');
    const list = page.getByRole('region', { name: 'List of dialogs' });
    await list.getByRole('link').nth(49).waitFor();
    await list.getByRole('link').first().focus();
    for (let step = 0; step < 60; step += 1) await page.keyboard.press('j');
    await until('there are more', async () => (await list.getByRole('link').count()) >= 100);
    await page.keyboard.press('j');
    assert.ok(
      await page.evaluate(() => {
        const links = [...document.querySelectorAll('[data-dialog]')];
        return links.indexOf(/** @type {Element} */ (document.activeElement)) >= 50;
      }),
      'one goes on from where one was',
    );
  });
});

test('what is half written stays with its dialog, and shows in the list', async () => {
  await visit({}, async (page) => {
    const [first, second] = [`Drafty ${Date.now()}`, `Other ${Date.now()}`];
    await (await visitor({ name: first })).say('hello');
    await (await visitor({ name: second })).say('hello too');
    await page.goto('/inbox');
    await page.getByRole('link', { name: new RegExp(first) }).click();
    await page.getByRole('textbox', { name: `Message to ${first}` }).fill('half a sen');
    await page.getByRole('link', { name: new RegExp(second) }).click();
    await page.getByRole('textbox', { name: `Message to ${second}` }).waitFor();
    assert.equal(await page.getByRole('textbox', { name: `Message to ${second}` }).inputValue(), '');
    await page
      .getByRole('link', { name: new RegExp(first) })
      .getByText('half a sen')
      .waitFor();
    await page.reload();
    await page.getByRole('link', { name: new RegExp(first) }).click();
    assert.equal(await page.getByRole('textbox', { name: `Message to ${first}` }).inputValue(), 'half a sen');
  });
});

test('a message that does not arrive says so, survives a reload and is sent once', async () => {
  await visit({ expected: /ERR_FAILED|Failed to load/ }, async (page, context) => {
    const name = `Lost ${Date.now()}`;
    const { say, heard } = await visitor({ name });
    await say('are you there?');
    await page.goto('/inbox');
    await page.getByRole('link', { name: new RegExp(name) }).click();
    await messages(page).getByText('are you there?').waitFor();
    // The request arrives, its answer does not: the worst case, as nobody can know.
    await context.route('**/v1/dialogs/*/messages', async (route) => {
      if (route.request().method() !== 'POST') return route.continue();
      await route.fetch();
      return route.abort();
    });
    const box = page.getByRole('textbox', { name: `Message to ${name}` });
    await box.fill('yes, here');
    await box.press('Enter');
    await until('it was written', async () =>
      (await heard()).some((/** @type {any} */ one) => one.text === 'yes, here'),
    );
    await messages(page)
      .getByRole('listitem')
      .filter({ hasText: 'yes, here' })
      .getByRole('img', { name: 'sent' })
      .waitFor();
    await until('nothing is said to have failed', async () => (await messages(page).getByRole('alert').count()) === 0);
    assert.equal(await messages(page).getByText('yes, here').count(), 1);
    await context.unroute('**/v1/dialogs/*/messages');

    await context.route('**/v1/dialogs/*/messages', (route) =>
      route.request().method() === 'POST' ? route.abort() : route.continue(),
    );
    await box.fill('this one is lost');
    await box.press('Enter');
    await messages(page).getByRole('alert').getByText('The server could not be reached').waitFor();
    assert.equal(await messages(page).getByText('Failed to fetch').count(), 0, 'what the browser says helps nobody');
    await page.reload();
    await messages(page).getByText('not sent').waitFor();
    await context.unroute('**/v1/dialogs/*/messages');
    await messages(page).getByRole('button', { name: 'Send again' }).click();
    await until('it arrived', async () => (await heard()).at(-1).text === 'this one is lost');
    await messages(page).getByRole('alert').waitFor({ state: 'detached' });
    const texts = (await heard()).map((/** @type {any} */ one) => one.text);
    assert.deepEqual(texts, ['are you there?', 'yes, here', 'this one is lost'], 'each once, in order');
  });
});

test('who reads older messages is not torn away by new ones', async () => {
  await visit({ viewport: { width: 1366, height: 560 } }, async (page) => {
    const name = `Long ${Date.now()}`;
    const { say } = await visitor({ name });
    const { dialogs } = await (async () => {
      await say('number 1');
      return until('the dialog is there', async () => {
        const list = await api.call('GET', '/v1/dialogs?pageSize=200');
        return list.dialogs.some((/** @type {any} */ dialog) => dialog.visitorName === name) && list;
      });
    })();
    const { id } = dialogs.find((/** @type {any} */ dialog) => dialog.visitorName === name);
    for (let number = 2; number <= 90; number += 1) {
      await api.call('POST', `/v1/dialogs/${id}/messages`, { text: `number ${number}`, clientMessageId: randomUUID() });
    }
    await page.goto(`/inbox?dialog=${id}`);
    const place = messages(page);
    await place.getByText('number 90', { exact: true }).waitFor();
    assert.equal(await place.getByText('number 1', { exact: true }).count(), 0, 'only the newest are read at first');
    const atEnd = () => place.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 64);
    assert.equal(await atEnd(), true);
    await place.evaluate((box) => {
      box.scrollTop = 0;
    });
    await place.getByText('number 1', { exact: true }).waitFor({ state: 'attached' });
    assert.ok(
      await place.evaluate((box) => box.scrollTop > 200),
      'what was read stays in place when older ones come in',
    );
    await say('number 91');
    await page.getByRole('button', { name: 'New messages' }).waitFor();
    assert.equal(await atEnd(), false);
    await page.getByRole('button', { name: 'New messages' }).click();
    assert.equal(await atEnd(), true);
  });
});

test('a visitor is saved as a customer, and another is recognised', async () => {
  await visit({}, async (page) => {
    const name = `Novo ${Date.now()}`;
    await (await visitor({ name, email: `novo${Date.now()}@visitors.example` })).say('bom dia');
    await page.goto('/inbox');
    await page.getByRole('link', { name: new RegExp(name) }).click();
    const panel = page.getByRole('complementary', { name: 'Customer' });
    await panel.getByRole('form', { name: 'Save as customer' }).getByRole('button', { name: 'Save' }).click();
    await messages(page).getByText('The visitor was recognised as a customer').waitFor();
    await panel.getByRole('link', { name: 'Open the card' }).click();
    await page.getByRole('heading', { level: 1, name }).waitFor();

    const known = `Known ${Date.now()}`;
    await (await visitor({ name: known, email: 'ana.souza@example.com' })).say('it is me');
    await page.goto('/inbox');
    await page.getByRole('link', { name: new RegExp(known) }).click();
    await panel.getByRole('button', { name: 'This is them: Ana Souza' }).click();
    await panel.getByRole('link', { name: 'Ana Souza' }).waitFor();
    await panel.getByText(world.sales.net).waitFor();
  });
});

test('on a phone the inbox shows one column at a time', async () => {
  await visit({ viewport: PHONE }, async (page) => {
    const name = `Phone ${Date.now()}`;
    await (await visitor({ name })).say('hello from the road');
    await page.goto('/inbox');
    await page.getByRole('link', { name: new RegExp(name) }).click();
    await messages(page).getByText('hello from the road').waitFor();
    assert.equal(await page.getByRole('region', { name: 'List of dialogs' }).isVisible(), false);
    await assertNoSidewaysScroll(page);
    await assertAccessible(page);
    await shot(page, 'inbox-phone');
    await page.getByRole('button', { name: 'Customer' }).click();
    await page.getByRole('complementary', { name: 'Customer' }).waitFor();
    await assertNoSidewaysScroll(page);
    await page.getByRole('button', { name: 'Back to the messages' }).click();
    await page.getByRole('button', { name: 'Back to the dialogs' }).click();
    await page.getByRole('link', { name: new RegExp(name) }).waitFor();
  });
});
