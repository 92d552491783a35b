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
