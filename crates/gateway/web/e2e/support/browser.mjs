import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { Api } from './api.mjs';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('playwright-core').BrowserContext} BrowserContext */
/** @typedef {import('./seed.mjs').World} World */

if (!process.env.CLIENTELE_E2E_WORLD) throw new Error('start the browser tests with `npm run e2e`');
/** @type {World} */
export const world = JSON.parse(process.env.CLIENTELE_E2E_WORLD);
export const api = new Api(world.url, world.cookie, world.csrfToken);

export const DESKTOP = { width: 1366, height: 820 };
export const PHONE = { width: 390, height: 844 };

const AXE = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
/** @type {import('playwright-core').Browser} */
let browser;
const launch = () =>
  chromium.launch({
    executablePath: process.env.CLIENTELE_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
  });
before(async () => {
  browser = await launch();
});
after(() => browser?.close());

/**
 * @typedef {object} Visit
 * @property {'en' | 'es' | 'pt' | 'ru'} [language]
 * @property {'light' | 'dark'} [scheme]
 * @property {{ width: number, height: number }} [viewport]
 * @property {boolean} [signedIn]
 * @property {boolean} [ownBrowser] A browser started for this visit alone, not a profile of the one that all share.
 * @property {RegExp} [expected] Console errors that belong to the test, for instance of a request that is meant to fail.
 */

/**
 * Opens a fresh browser profile, does something in it, and fails if anything went wrong on the side: a content security policy
 * report, a missing text, an error in the console or an exception that nobody caught.
 * @param {Visit} options
 * @param {(page: Page, context: BrowserContext) => Promise<void>} act
 */
export async function visit(options, act) {
  const {
    language = 'en',
    scheme = 'light',
    viewport = DESKTOP,
    signedIn = true,
    ownBrowser = false,
    expected,
  } = options;
  const at = ownBrowser ? await launch() : browser;
  const context = await at.newContext({
    baseURL: world.url,
    viewport,
    locale: { en: 'en-GB', es: 'es-ES', pt: 'pt-BR', ru: 'ru-RU' }[language],
    timezoneId: 'Europe/Lisbon',
    colorScheme: scheme,
    hasTouch: viewport.width < 500,
  });
  context.setDefaultTimeout(15_000);
  if (signedIn) {
    await context.addCookies(
      world.cookie.split('; ').map((pair) => {
        const [name = '', ...value] = pair.split('=');
        return { name, value: value.join('='), url: world.url, httpOnly: true, sameSite: /** @type {const} */ ('Lax') };
      }),
    );
  }
  await context.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`content security policy: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  /** @type {string[]} */
  const errors = [];
  context.on('console', (message) => {
    if (message.type() === 'error' && !expected?.test(message.text())) errors.push(message.text());
  });
  context.on('weberror', (error) => errors.push(String(error.error())));
  const page = await context.newPage();
  try {
    await act(page, context);
    assert.deepEqual(errors, [], 'nothing goes wrong on the side');
  } catch (error) {
    await shot(page, `failed-${Date.now()}`).catch(() => undefined);
    if (errors.length > 0 && error instanceof Error) error.message += `\nin the console:\n${errors.join('\n')}`;
    throw error;
  } finally {
    await context.close();
    if (ownBrowser) await at.close();
  }
}

/** Keeps a picture of the page where CLIENTELE_E2E_SHOTS names a folder. */
export async function shot(/** @type {Page} */ page, /** @type {string} */ name) {
  const folder = process.env.CLIENTELE_E2E_SHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}

/** Fails on any violation of WCAG 2.2 A and AA or of axe's best practices. */
export async function assertAccessible(/** @type {Page} */ page) {
  // Scripts of the page itself are bound by its policy; the checker is brought in from outside.
  await page.evaluate(await readAxe());
  const violations = await page.evaluate(async () => {
    // @ts-expect-error axe is put there by the line above
    const result = await globalThis.axe.run(document, {
      runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
      resultTypes: ['violations'],
    });
    return result.violations.map(
      (/** @type {any} */ { id, nodes }) =>
        `${id}: ${nodes.map((/** @type {any} */ node) => `${node.target.join(' ')} (${node.failureSummary})`).join('; ')}`,
    );
  });
  assert.deepEqual(violations, []);
}

/** @type {Promise<string> | undefined} */
let axe;
function readAxe() {
  axe ??= import('node:fs/promises').then(({ readFile }) => readFile(AXE, 'utf8'));
  return axe;
}

/** Fails when the page is wider than the window. */
export async function assertNoSidewaysScroll(/** @type {Page} */ page) {
  const { wide, client, culprits } = await page.evaluate(() => {
    const client = document.documentElement.clientWidth;
    const main = document.querySelector('main');
    const culprits = [...document.querySelectorAll('main *')]
      .filter(
        (element) =>
          element.getBoundingClientRect().right > client + 1 &&
          !element.closest('[data-visually-hidden], .mantine-VisuallyHidden-root'),
      )
      .map((element) => `${element.tagName}.${element.className} ${Math.round(element.getBoundingClientRect().right)}`);
    return {
      wide: Math.max(document.documentElement.scrollWidth, main?.scrollWidth ?? 0),
      client,
      culprits: culprits.slice(0, 5),
    };
  });
  assert.ok(wide <= client, `the page is ${wide} px wide in a window of ${client} px: ${culprits.join(', ')}`);
}

/** The list with its rows loaded. */
export async function openList(/** @type {Page} */ page, search = '') {
  await page.goto(`/customers${search}`);
  await page.getByRole('row').nth(1).waitFor();
}

/** The card with its figures loaded. */
export async function openCard(/** @type {Page} */ page, /** @type {string} */ id, search = '') {
  await page.goto(`/customers/${id}${search}`);
  await page.locator('h2').first().waitFor();
}
