import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, openCard, visit, world } from './support/browser.mjs';

const REFUSED = /status of 401|status of 429/;

test('a stranger is led to the sign-in page and from there back to the place', async () => {
  await visit({ signedIn: false, expected: REFUSED }, async (page) => {
    await page.goto('/customers?q=souza&sort=display_name');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.getByLabel('E-mail').fill(world.login);
    await page.getByLabel('Password', { exact: true }).fill(world.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Customers' }).waitFor();
    assert.equal(new URL(page.url()).search, '?q=souza&sort=display_name');
    await page.getByRole('link', { name: 'Ana Souza' }).waitFor();
  });
});

test('a wrong password is refused without telling what was wrong', async () => {
  await visit({ signedIn: false, expected: REFUSED }, async (page) => {
    await page.goto('/sign-in');
    await page.getByLabel('E-mail').fill('nobody@example.com');
    await page.getByLabel('Password', { exact: true }).fill('not the password');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('Wrong e-mail or password.').waitFor();
    assert.match(page.url(), /sign-in/);
  });
});

test('signing out ends the session on the server', async () => {
  await visit({ signedIn: false, expected: REFUSED }, async (page) => {
    await page.goto('/sign-in');
    await page.getByLabel('E-mail').fill(world.login);
    await page.getByLabel('Password', { exact: true }).fill(world.password);
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('heading', { name: 'Customers' }).waitFor();
    await page.getByRole('button', { name: /^Account of/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.goto('/customers');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  });
});

const signIn = async (/** @type {import('playwright-core').Page} */ page) => {
  await page.getByLabel('E-mail').fill(world.login);
  await page.getByLabel('Password', { exact: true }).fill(world.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
};
const over = (/** @type {import('playwright-core').Page} */ page) =>
  page.getByRole('dialog', { name: 'The session has ended' });

test('a session that ends at work is asked for over the page, and what waited goes on', async () => {
  await visit({ signedIn: false, expected: REFUSED }, async (page, context) => {
    await page.goto('/customers');
    await signIn(page);
    await page.getByRole('row').nth(1).waitFor();
    await context.clearCookies();
    await page.getByRole('searchbox').fill('romashka');
    await over(page).waitFor();
    assert.equal(await over(page).getByLabel('E-mail').inputValue(), world.login);
    await page.keyboard.press('Escape');
    await over(page).getByLabel('Password', { exact: true }).fill(world.password);
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'ООО «Ромашка»' }).waitFor();
    assert.equal(await page.getByRole('searchbox').inputValue(), 'romashka');
    assert.equal(await over(page).count(), 0);
  });
});

test('what was typed when the session ended is still there, and is saved by pressing again', async () => {
  const customer = await api.call('POST', '/v1/customers', { customer: { displayName: 'Interrupted' } });
  await visit({ signedIn: false, expected: REFUSED }, async (page, context) => {
    await page.goto(`/customers/${customer.id}`);
    await signIn(page);
    await page.getByRole('button', { name: 'Edit: Name' }).click();
    const name = page.getByRole('textbox', { name: 'Name' });
    await name.fill('Interrupted, then saved');
    await context.clearCookies();
    await page.keyboard.press('Enter');
    await over(page).waitFor();
    await over(page).getByLabel('Password', { exact: true }).fill(world.password);
    await over(page).getByRole('button', { name: 'Sign in' }).click();
    await over(page).waitFor({ state: 'detached' });
    assert.equal(await name.inputValue(), 'Interrupted, then saved');
    assert.equal(await page.getByText(/sign in again/i).count(), 0, 'whoever has signed in is not told to');
    await name.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Interrupted, then saved' }).waitFor();
  });
});

test('another user who signs in over the page is told that it begins anew', async () => {
  const login = `other-${Date.now()}@example.com`;
  const { groups } = await api.call('GET', '/v1/groups');
  await api.call('POST', '/v1/users', {
    user: { login, displayName: 'Other Person', groupIds: [groups[0].id] },
    password: 'a password of the other',
  });
  await visit({ signedIn: false, expected: REFUSED }, async (page, context) => {
    await page.goto('/customers');
    await signIn(page);
    await page.getByRole('row').nth(1).waitFor();
    await context.clearCookies();
    await page.getByRole('searchbox').fill('ana');
    await over(page).getByLabel('E-mail').fill(login);
    await over(page).getByLabel('Password', { exact: true }).fill('a password of the other');
    await over(page).getByRole('button', { name: 'Sign in' }).click();
    const other = page.getByRole('dialog', { name: 'Another user' });
    await other.getByText('You have signed in as Other Person').waitFor();
    await other.getByRole('button', { name: 'Load the page anew' }).click();
    await page.getByRole('button', { name: 'Account of Other Person' }).waitFor();
  });
});

test('signing in again in one tab lets the other tabs go on', async () => {
  await visit({ signedIn: false, expected: REFUSED }, async (page, context) => {
    await page.goto('/customers');
    await signIn(page);
    await page.getByRole('row').nth(1).waitFor();
    const second = await context.newPage();
    await second.goto('/customers');
    await second.getByRole('row').nth(1).waitFor();
    await context.clearCookies();
    await page.getByRole('searchbox').fill('romashka');
    await second.getByRole('searchbox').fill('romashka');
    await over(second).waitFor();
    await over(page).getByLabel('Password', { exact: true }).fill(world.password);
    await over(page).getByRole('button', { name: 'Sign in' }).click();
    await over(second).waitFor({ state: 'detached' });
    await second.getByRole('link', { name: 'ООО «Ромашка»' }).waitFor();
  });
});

test('signing out in one tab leaves nothing of it in the others', async () => {
  await visit({ signedIn: false, expected: REFUSED }, async (page, context) => {
    await page.goto('/customers');
    await signIn(page);
    await page.getByRole('row').nth(1).waitFor();
    const second = await context.newPage();
    await openCard(second, world.ids.ana);
    await second.keyboard.press('e');
    await second.getByRole('textbox', { name: 'Subject' }).fill('Between us');
    await page.getByRole('button', { name: /^Account of/ }).click();
    await page.getByRole('menuitem', { name: 'Sign out' }).click();
    await second.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.equal(await second.getByText('Ana Souza').count(), 0);
    const kept = () =>
      second.evaluate(() => JSON.stringify([...Object.values(sessionStorage), ...Object.values(localStorage)]));
    await until('nothing is kept', async () => !(await kept()).includes('Between us'));
  });
});

// Last, because it slows down the sign-ins of this address for a while.
test('too many wrong passwords are slowed down, and the page says when to try again', async () => {
  await visit({ signedIn: false, expected: REFUSED }, async (page) => {
    await page.goto('/sign-in');
    await page.getByLabel('E-mail').fill('throttled@example.com');
    const throttled = page.getByRole('alert').getByText(/Too many attempts\. Try again in \d+ second/);
    const button = page.getByRole('button', { name: 'Sign in' });
    for (let attempt = 0; attempt < 30 && !(await throttled.isVisible()); attempt++) {
      await page.getByLabel('Password', { exact: true }).fill(`wrong ${attempt}`);
      const answer = page.waitForResponse('**/v1/session');
      await button.click();
      if ((await answer).status() === 429) await throttled.waitFor();
      else await page.getByRole('alert').waitFor();
    }
    await throttled.waitFor();
    assert.ok(await button.isDisabled());
  });
});
