import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, assertAccessible, shot, visit } from './support/browser.mjs';

test('a channel is created and changed, and says what to put into one’s pages', async () => {
  await visit({}, async (page) => {
    const name = `Site ${Date.now()}`;
    await page.goto('/channels');
    await page.getByRole('heading', { level: 1, name: 'Channels' }).waitFor();
    await page.keyboard.press('n');
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill(name);
    await dialog.getByLabel('Pages it may stand on').fill('shop.example');
    await dialog.getByRole('button', { name: 'Create' }).click();
    await dialog.getByText('These are no origins: shop.example').waitFor();
    await dialog.getByLabel('Pages it may stand on').fill('https://shop.example/cart\nhttps://www.shop.example');
    await dialog.getByRole('button', { name: 'Create' }).click();
    const panel = page.getByRole('region', { name });
    await panel.getByText('https://shop.example, https://www.shop.example').waitFor();
    const { channels } = await api.call('GET', '/v1/channels');
    const { siteKey } = channels.find((/** @type {any} */ channel) => channel.name === name);
    assert.match(
      (await panel.locator('code').textContent()) ?? '',
      new RegExp(`/widget\\.js" data-site="${siteKey}" async>`),
    );
    await assertAccessible(page);
    await shot(page, 'channels');

    await panel.getByRole('button', { name: `Change “${name}”` }).click();
    await dialog.getByLabel('Switched on').uncheck();
    await dialog.getByRole('button', { name: 'Save' }).click();
    await panel.getByText('off', { exact: true }).waitFor();
  });
});

test('what a colleague changes in a channel is told to whoever has it open, and is not overwritten unasked', async () => {
  await visit({ expected: /status of 409/ }, async (page) => {
    const name = `Site ${Date.now()}`;
    const channel = await api.call('POST', '/v1/channels', {
      channel: { name, kind: 'CHANNEL_KIND_WIDGET', allowedOrigins: ['https://shop.example'] },
    });
    await page.goto(`/channels?open=${channel.id}`);
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Greeting').fill('written here');
    await api.call('PATCH', `/v1/channels/${channel.id}?updateMask=greeting`, {
      id: channel.id,
      etag: channel.etag,
      greeting: 'written elsewhere',
    });
    const told = dialog.getByText('Somebody else changed this channel meanwhile');
    await told.waitFor();
    const answered = page.waitForResponse((response) => response.request().method() === 'PATCH');
    await dialog.getByRole('button', { name: 'Save' }).click();
    assert.equal((await answered).status(), 409);
    await told.waitFor();
    assert.equal(await dialog.getByLabel('Greeting').inputValue(), 'written here');

    await dialog.getByRole('button', { name: 'Save' }).click();
    await dialog.waitFor({ state: 'detached' });
    const { channels } = await api.call('GET', '/v1/channels');
    const saved = channels.find((/** @type {any} */ one) => one.id === channel.id);
    assert.equal(saved.greeting, 'written here');
  });
});
