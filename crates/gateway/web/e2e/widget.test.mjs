import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { until } from './support/api.mjs';
import { api, assertAccessible, PHONE, shot, visit, world } from './support/browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** The page of a shop, on an origin of its own, with a policy that allows no inline styles. */
let page = '';
const shop = createServer((request, response) => {
  const { searchParams: asked } = new URL(request.url ?? '/', 'http://shop');
  const language = asked.get('lang') ?? 'en';
  response.setHeader('Content-Type', 'text/html; charset=utf-8');
  if (asked.has('careless')) return void response.end(careless());
  response.setHeader(
    'Content-Security-Policy',
    `default-src 'none'; script-src ${world.url}; connect-src ${world.url}; img-src 'self'`,
  );
  response.end(`<!doctype html><html lang="${language}"><title>Shop</title><body><main><h1>Shop</h1></main>${page}`);
});
/** A page that names the script twice, reads from right to left, has no doctype, and styles whatever it finds. */
const careless = () => `<html dir="rtl" lang="en"><head><title>Shop</title><style>
  * { color: red !important; font-size: 40px !important; letter-spacing: 9px !important; text-transform: uppercase !important; }
  body > * { opacity: 0.3 !important; transform: rotate(9deg) !important; pointer-events: none !important; }
  clientele-widget { display: none !important; }
  </style>${page.replace(' async', '')}${page.replace(' async', '')}</head><body><h1>Shop</h1></body></html>`;
let origin = '';
/** @type {any} */
let channel;

before(async () => {
  await new Promise((done) => shop.listen(0, '127.0.0.1', () => done(undefined)));
  const address = shop.address();
  origin = `http://localhost:${typeof address === 'object' && address ? address.port : 0}`;
  channel = await api.call('POST', '/v1/channels', {
    channel: { name: `Shop ${Date.now()}`, allowedOrigins: [origin], greeting: 'How can we help?' },
  });
  page = `<script src="${world.url}/widget.js" data-site="${channel.siteKey}" async></script>`;
});
after(() => shop.close());

const dialog = (/** @type {Page} */ at) => at.getByRole('dialog', { name: channel.name });
const open = async (/** @type {Page} */ at) => {
  await at.getByRole('button', { name: 'Open chat' }).click();
  await dialog(at).getByText('How can we help?').waitFor();
};
/** The dialog that a visitor of this name has begun. */
const begunBy = (/** @type {string} */ name) =>
  until(`${name} is heard`, async () => {
    const { dialogs } = await api.call('GET', `/v1/dialogs?channelId=${channel.id}`);
    return dialogs.find((/** @type {any} */ one) => one.visitorName === name);
  });
const answer = (/** @type {string} */ id, /** @type {string} */ text) =>
  api.call('POST', `/v1/dialogs/${id}/messages`, { text, clientMessageId: crypto.randomUUID() });

test('a visitor writes from a page of another site, and the answer is there at once', async () => {
  await visit({ signedIn: false }, async (at) => {
    await at.goto(origin);
    await open(at);
    await dialog(at).getByLabel('Name').fill('Vera');
    await dialog(at).getByLabel('E-mail').fill('vera@example.com');
    await dialog(at).getByLabel('Your message').fill('Is <b>it</b> open?');
    await dialog(at).getByLabel('Your message').press('Enter');
    await dialog(at).getByText('Is <b>it</b> open?').waitFor();
    await dialog(at).getByText('Sent', { exact: false }).waitFor();
    assert.equal(await dialog(at).getByLabel('Name').isVisible(), false, 'who they are is asked once');
    const { id, visitorEmail } = await begunBy('Vera');
    assert.equal(visitorEmail, 'vera@example.com');
    const begun = Date.now();
    await answer(id, 'Until eight');
    await dialog(at).getByText('Until eight').waitFor();
    assert.ok(Date.now() - begun < 2000, `it took ${Date.now() - begun} ms`);
    await shot(at, 'widget');

    await at.reload();
    await dialog(at).getByText('Until eight').waitFor();
    await dialog(at).getByRole('button', { name: 'Close chat' }).click();
    await answer(id, 'Come by');
    await at.getByRole('status').getByText('There is an answer you have not read').waitFor();
    await at.getByRole('button', { name: 'Open chat' }).click();
    await dialog(at).getByText('Come by').waitFor();
    await at.getByRole('status').getByText('There is an answer').waitFor({ state: 'detached' });
  });
});

test('what is written without a connection is sent once there is one, and only once', async () => {
  await visit({ signedIn: false, expected: /ERR_INTERNET_DISCONNECTED|ERR_FAILED/ }, async (at, context) => {
    await at.goto(origin);
    await open(at);
    await dialog(at).getByLabel('Name').fill('Otto');
    await context.setOffline(true);
    await dialog(at).getByLabel('Your message').fill('From the tunnel');
    await dialog(at).getByRole('button', { name: 'Send' }).click();
    await dialog(at).getByText('Sending…').waitFor();
    await context.setOffline(false);
    await dialog(at).getByText('Sent', { exact: false }).waitFor();
    const { id } = await begunBy('Otto');
    const { messages } = await api.call('GET', `/v1/dialogs/${id}/messages`);
    const said = messages.filter((/** @type {any} */ message) => message.text === 'From the tunnel');
    assert.equal(said.length, 1);
  });
});

test('a visitor has one dialog in all tabs, and goes on from page to page where they were', async () => {
  await visit({ signedIn: false }, async (first, context) => {
    await first.goto(origin);
    const second = await context.newPage();
    await second.goto(origin);
    await first.bringToFront();
    await open(first);
    await dialog(first).getByLabel('Name').fill('Tabitha');
    await dialog(first).getByLabel('Your message').fill('In the first tab');
    await dialog(first).getByRole('button', { name: 'Send' }).dblclick();
    await dialog(first).getByText('Sent', { exact: false }).waitFor();
    const { id } = await begunBy('Tabitha');
    await second.bringToFront();
    await second.getByRole('button', { name: 'Open chat' }).click();
    await dialog(second).getByText('In the first tab').waitFor();
    await answer(id, 'To both of them');
    await dialog(first).getByText('To both of them').waitFor();
    await dialog(second).getByText('To both of them').waitFor();
    await dialog(second).getByLabel('Your message').fill('Half a sen');
    await second.goto(`${origin}/?page=2`);
    await dialog(second).getByText('To both of them').waitFor();
    assert.equal(await dialog(second).getByLabel('Your message').inputValue(), 'Half a sen');
    await dialog(second).getByLabel('Your message').press('Enter');
    await dialog(first).getByText('Half a sen').waitFor();
    await second.reload();
    await dialog(second).getByText('Half a sen').waitFor();
    assert.equal(await dialog(second).getByLabel('Your message').inputValue(), '', 'what was sent is no draft');
    const said = async () => {
      const { messages } = await api.call('GET', `/v1/dialogs/${id}/messages`);
      return messages.map((/** @type {any} */ message) => message.text).filter(Boolean);
    };
    await until('it has arrived', async () => (await said()).includes('Half a sen'));
    assert.deepEqual(await said(), ['In the first tab', 'To both of them', 'Half a sen'], 'each once, in one dialog');
  });
});

test('addresses can be followed, and each text is read in its own direction', async () => {
  await visit({ signedIn: false }, async (at) => {
    await at.goto(origin);
    await open(at);
    await dialog(at).getByLabel('Name').fill('Linda');
    const box = dialog(at).getByLabel('Your message');
    await box.fill('is https://shop.example/a?b=1&c=2, right?');
    await box.press('Enter');
    const link = dialog(at).getByRole('link', { name: 'https://shop.example/a?b=1&c=2', exact: true });
    await link.waitFor();
    assert.deepEqual(
      await link.evaluate((a) => [a.getAttribute('href'), a.getAttribute('target'), a.getAttribute('rel')]),
      ['https://shop.example/a?b=1&c=2', '_blank', 'noopener noreferrer nofollow'],
    );
    await box.fill('שלום!');
    await box.press('Enter');
    const direction = () =>
      dialog(at)
        .getByText('שלום!')
        .evaluate((text) => getComputedStyle(text).direction);
    // The line is another one once it is sent.
    await until('it is read from right to left', async () => (await direction()) === 'rtl');
  });
});

test('a careless page has the widget once, as it looks everywhere', async () => {
  const looks = (/** @type {Page} */ at) =>
    dialog(at)
      .getByRole('button', { name: 'Send' })
      .evaluate((button) => {
        const { color, fontSize, letterSpacing, textTransform, direction } = getComputedStyle(button);
        const { width, height } = button.getBoundingClientRect();
        return { color, fontSize, letterSpacing, textTransform, direction, width, height };
      });
  await visit({ signedIn: false }, async (at) => {
    await at.goto(origin);
    await open(at);
    const usual = await looks(at);
    await dialog(at).getByRole('button', { name: 'Close chat' }).click();
    await at.goto(`${origin}/?careless`);
    await open(at);
    assert.deepEqual(await looks(at), usual);
    assert.equal(await at.locator('clientele-widget').count(), 1);
    await shot(at, 'widget-careless');
  });
});

test('the widget is worked by keyboard and is accessible, in light and dark, large and small', async () => {
  for (const looks of [
    { scheme: /** @type {const} */ ('light') },
    { scheme: /** @type {const} */ ('dark') },
    { viewport: PHONE },
  ]) {
    await visit({ signedIn: false, ...looks }, async (at) => {
      await at.goto(origin);
      const launcher = at.getByRole('button', { name: 'Open chat' });
      await launcher.focus();
      await at.keyboard.press('Enter');
      await dialog(at).getByText('How can we help?').waitFor();
      const focused = () => at.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.id);
      assert.equal(await focused(), 'text');
      await assertAccessible(at);
      await shot(at, `widget-${looks.scheme ?? 'phone'}`);
      await at.keyboard.press('Escape');
      await launcher.waitFor();
      assert.equal(await dialog(at).count(), 0);
      assert.ok(
        await at.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.classList.contains('launcher')),
      );
    });
  }
});

test('the widget speaks the language of its page', async () => {
  for (const [language, words] of [
    ['es', 'Abrir el chat'],
    ['pt-BR', 'Abrir o chat'],
    ['ru', 'Открыть чат'],
    ['de', 'Open chat'],
  ]) {
    await visit({ signedIn: false }, async (at) => {
      await at.goto(`${origin}/?lang=${language}`);
      await at.getByRole('button', { name: words }).waitFor();
    });
  }
});

test('a page that the channel does not allow has no widget', async () => {
  await visit({ signedIn: false, expected: /clientele: the widget is refused|status of 403/ }, async (at) => {
    await at.goto(origin.replace('localhost', '127.0.0.1'));
    const launcher = at.getByRole('button', { name: 'Open chat' });
    await launcher.click();
    await launcher.waitFor({ state: 'hidden' });
  });
});
