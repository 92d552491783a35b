import assert from 'node:assert/strict';
import { test } from 'node:test';
import { visit, world } from './support/browser.mjs';

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

test('a session that ends at work leads to the sign-in page and back', async () => {
  await visit({ signedIn: false, expected: REFUSED }, async (page, context) => {
    const signIn = async () => {
      await page.getByLabel('E-mail').fill(world.login);
      await page.getByLabel('Password', { exact: true }).fill(world.password);
      await page.getByRole('button', { name: 'Sign in' }).click();
    };
    await page.goto('/customers');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await signIn();
    await page.getByRole('row').nth(1).waitFor();
    await context.clearCookies();
    await page.getByRole('searchbox').fill('romashka');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await signIn();
    await page.getByRole('link', { name: 'ООО «Ромашка»' }).waitFor();
    assert.equal(new URL(page.url()).searchParams.get('q'), 'romashka');
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
