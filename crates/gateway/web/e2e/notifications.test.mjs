import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, assertNoSidewaysScroll, openList, PHONE, visit, world } from './support/browser.mjs';

/** An import that has been tried; its end is told to whoever began it. */
async function triedImport() {
  const { id } = await api.call('POST', '/v1/imports', { kind: 'IMPORT_KIND_CUSTOMERS', fileName: 'told.csv' });
  const response = await fetch(`${world.url}/v1/imports/${id}/file`, {
    method: 'PUT',
    headers: { Cookie: world.cookie, 'X-CSRF-Token': world.csrfToken, 'Content-Type': 'text/csv' },
    body: `name,email\nTold One,told1-${id}@example.net\nTold Two,told2-${id}@example.net\n`,
  });
  assert.ok(response.ok, await response.text());
  await until('the file has been read', async () => {
    const { state } = await api.call('GET', `/v1/imports/${id}`);
    return state === 'IMPORT_STATE_READY';
  });
  await api.call('POST', `/v1/imports/${id}:start`, { trial: true });
  return id;
}

test('the end of an import is told by the bell at once, and leads to the import', async () => {
  await api.call('POST', '/v1/notifications:markRead', { all: true });
  await visit({}, async (page) => {
    await openList(page);
    await page.getByRole('status').getByText('Live', { exact: true }).waitFor();
    const id = await triedImport();
    await page.getByRole('button', { name: 'Notifications: 1 new' }).click();
    const list = page.getByRole('dialog', { name: 'Notifications' });
    const entry = list.getByRole('listitem').first();
    await entry.getByText('2 created').waitFor();
    await entry.getByRole('link', { name: 'Trial run finished' }).click();
    await page.waitForURL(new RegExp(`/imports/${id}$`));
    await page.getByRole('button', { name: 'Notifications', exact: true }).waitFor();
  });
});

test('notifications are marked as read one by one and all at once', async () => {
  await api.call('POST', '/v1/notifications:markRead', { all: true });
  await triedImport();
  await triedImport();
  await visit({}, async (page) => {
    await openList(page);
    await page.getByRole('button', { name: 'Notifications: 2 new' }).click();
    const list = page.getByRole('dialog', { name: 'Notifications' });
    await list
      .getByRole('button', { name: /^Mark as read/ })
      .first()
      .click();
    await page.getByRole('button', { name: 'Notifications: 1 new' }).waitFor();
    await list.getByRole('button', { name: 'Mark all as read' }).click();
    await page.getByRole('button', { name: 'Notifications', exact: true }).waitFor();
    await page.keyboard.press('Escape');
    await list.waitFor({ state: 'detached' });
    assert.equal((await api.call('GET', '/v1/notifications?unread=true')).unreadCount, 0);
  });
});

test('on a phone the notifications stay within the window, also where words are long', async () => {
  await visit({ viewport: PHONE, language: 'es' }, async (page) => {
    await openList(page);
    await page.getByRole('button', { name: /^Notificaciones/ }).click();
    const list = page.getByRole('dialog', { name: 'Notificaciones' });
    await list.getByRole('button', { name: 'Marcar todo como leído' }).waitFor();
    const { left, right } = await list.evaluate((box) => box.getBoundingClientRect());
    assert.ok(left >= 0 && right <= PHONE.width, `from ${left} to ${right}`);
    await assertNoSidewaysScroll(page);
    for (const name of await page.getByRole('navigation', { name: 'Principal' }).getByRole('link').all()) {
      const lines = () => name.evaluate((link) => link.getBoundingClientRect().height);
      if (await name.isVisible()) assert.ok((await lines()) < 50, 'a name in the bar stands on one line');
    }
  });
});
