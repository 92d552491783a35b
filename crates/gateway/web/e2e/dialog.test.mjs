import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { api, shot, visit, world } from './support/browser.mjs';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').Locator} Locator */

/** A plain page of a shop that has the widget. */
const shop = createServer((_, response) => {
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  response.end(
    `<!doctype html><html lang="en"><title>Shop</title><body><h1>Shop</h1><script src="${world.url}/widget.js" data-site="${siteKey}" async></script>`,
  );
});
let siteKey = '';
let origin = '';
const name = `Shop ${Date.now()}`;

before(async () => {
  await new Promise((done) => shop.listen(0, '127.0.0.1', () => done(undefined)));
  const address = shop.address();
  origin = `http://localhost:${typeof address === 'object' && address ? address.port : 0}`;
  ({ siteKey } = await api.call('POST', '/v1/channels', { channel: { name, allowedOrigins: [origin] } }));
});
after(() => shop.close());

/** How long it takes, in milliseconds, from the key that sends a text to where it stands on the other's page. */
async function heard(/** @type {Locator} */ box, /** @type {Locator} */ there, /** @type {string} */ text) {
  await box.fill(text);
  const said = Date.now();
  await Promise.all([box.press('Enter'), there.getByText(text, { exact: true }).waitFor()]);
  return Date.now() - said;
}

const median = (/** @type {number[]} */ times) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;

test('a visitor and a manager, each in a browser of their own, see within a second what the other writes', async () => {
  await visit({}, async (inbox) => {
    await inbox.goto('/inbox');
    await inbox.getByRole('status').getByText('Live', { exact: true }).waitFor();
    await visit({ signedIn: false, ownBrowser: true }, async (site) => {
      await site.goto(origin);
      await site.getByRole('button', { name: 'Open chat' }).click();
      const widget = site.getByRole('dialog', { name });
      await widget.getByLabel('Name').fill(name);
      const asking = widget.getByLabel('Your message');
      await asking.fill('Is anybody there?');
      await asking.press('Enter');
      // Nobody reloads anything from here on.
      await inbox.getByRole('link', { name: new RegExp(name) }).click();
      const thread = inbox.getByRole('region', { name: 'Conversation' });
      await thread.getByText('Is anybody there?').waitFor();
      const answering = inbox.getByRole('textbox', { name: new RegExp(name) });

      /** @type {{ toManager: number[], toVisitor: number[] }} */
      const times = { toManager: [], toVisitor: [] };
      for (let round = 1; round <= 5; round += 1) {
        times.toVisitor.push(await heard(answering, widget, `Answer ${round}`));
        times.toManager.push(await heard(asking, thread, `Question ${round}`));
      }
      const told = JSON.stringify(times);
      assert.ok(median(times.toManager) < 1000 && median(times.toVisitor) < 1000, `in milliseconds: ${told}`);

      // Both show the same, in the same order, each message once.
      const texts = ['Is anybody there?'];
      for (let round = 1; round <= 5; round += 1) texts.push(`Answer ${round}`, `Question ${round}`);
      for (const place of [widget.getByRole('log'), thread]) {
        const said = (await place.innerText()).match(/Is anybody there\?|(Answer|Question) \d/g);
        assert.deepEqual(said, texts);
      }
      await shot(site, 'dialog-visitor');
      await shot(inbox, 'dialog-manager');

      // The visitor is asked once who they are, and found again when they come back.
      await site.reload();
      await widget.getByText('Question 5').waitFor();
      assert.ok((await heard(answering, widget, 'Welcome back')) < 5000);
    });
  });
});
