import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import {
  api,
  assertAccessible,
  assertNoSidewaysScroll,
  openCard,
  openList,
  PHONE,
  shot,
  visit,
  world,
} from './support/browser.mjs';

import { correspondence } from './support/correspondence.mjs';
import { WORK_PLACES } from './support/work.mjs';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {import('./support/browser.mjs').Visit} Visit */

const LANGUAGES = /** @type {const} */ (['en', 'es', 'pt', 'ru']);
const TITLES = { en: 'Customers', es: 'Clientes', pt: 'Clientes', ru: 'Клиенты' };

/**
 * Every page and window of the client, each opened to the state in which all of it is shown.
 * @type {Record<string, { signedIn?: boolean, open: (page: Page) => Promise<void> }>}
 */
const PLACES = {
  'sign-in': {
    signedIn: false,
    open: async (page) => {
      await page.goto('/sign-in');
      await page.getByRole('heading', { level: 1 }).waitFor();
    },
  },
  list: { open: (page) => openList(page, '?source=crowd') },
  'empty list': {
    open: async (page) => {
      await page.goto('/customers?q=nobody-has-this-name&kind=company&country=Nowhere&phone=no');
      await page.locator('h1').waitFor();
      await until('the answer is there', async () => (await page.getByRole('row').count()) === 0);
    },
  },
  filter: {
    open: async (page) => {
      await openList(page, '?country=Brazil&phone=yes');
      await page.locator('main header button[aria-haspopup="dialog"]').first().click();
      await page.getByRole('dialog').waitFor();
    },
  },
  'new customer': {
    open: async (page) => {
      await openList(page, '?new=yes');
      await page.getByRole('dialog').getByRole('textbox').first().waitFor();
    },
  },
  card: {
    open: async (page) => {
      await openCard(page, world.ids.ana);
      await page.locator('svg.recharts-surface').waitFor();
    },
  },
  'card without orders': { open: (page) => openCard(page, world.ids.company) },
  history: {
    open: async (page) => {
      await openCard(page, world.ids.ana, '?show=history');
      await page.getByRole('dialog').locator('time').first().waitFor();
    },
  },
  duplicates: {
    open: async (page) => {
      await openCard(page, world.ids.ana, '?show=duplicates');
      await page.getByRole('dialog').getByRole('link').first().waitFor();
    },
  },
  'as of': {
    open: async (page) => {
      await openCard(page, world.ids.ana, `?asOf=${new Date(Date.now() - 1000).toISOString()}`);
      await page.locator('[data-past]').waitFor();
      await page.locator('svg.recharts-surface').waitFor();
    },
  },
  'writing a letter': {
    open: async (page) => {
      const { customerId } = await correspondence();
      await openCard(page, customerId);
      await page.locator('[aria-keyshortcuts="E"]').click();
      await page.locator('[contenteditable="true"]').waitFor();
    },
  },
  consents: {
    open: async (page) => {
      const { customerId } = await correspondence();
      await openCard(page, customerId, '?show=consents');
      await page.getByRole('dialog').locator('time').first().waitFor();
    },
  },
  'letter on the card': {
    open: async (page) => {
      const { customerId, letterId } = await correspondence();
      await openCard(page, customerId, `?letter=${letterId}`);
      await page.getByRole('dialog').locator('iframe').waitFor();
    },
  },
  mailbox: {
    open: async (page) => {
      await correspondence();
      await page.goto('/mailbox');
      await page.locator('time').first().waitFor();
    },
  },
  'captured letter': {
    open: async (page) => {
      const { capturedId } = await correspondence();
      await page.goto(`/mailbox?letter=${capturedId}`);
      await page.locator('iframe').waitFor();
    },
  },
  outbox: {
    open: async (page) => {
      await page.goto('/outbox');
      await page.locator('main select').waitFor();
      await until('the answer is there', async () => (await page.locator('main [class*="Skeleton"]').count()) === 0);
    },
  },
  templates: {
    open: async (page) => {
      await correspondence();
      await page.goto('/templates');
      await page.getByRole('row').nth(1).waitFor();
    },
  },
  template: {
    open: async (page) => {
      const { templateId } = await correspondence();
      await page.goto(`/templates/${templateId}`);
      await page.locator('textarea').first().waitFor();
    },
  },
  'new template': {
    open: async (page) => {
      await page.goto('/templates/new');
      await page.locator('textarea').first().waitFor();
    },
  },
  notifications: {
    open: async (page) => {
      await openList(page);
      await page.locator('header button[aria-haspopup="dialog"]').first().click();
      await page.getByRole('dialog').getByRole('heading').waitFor();
    },
  },
  ...WORK_PLACES,
  palette: {
    open: async (page) => {
      await openCard(page, world.ids.ana);
      await page.keyboard.press('Control+k');
      await page
        .getByRole('dialog')
        .getByRole('textbox')
        .or(page.getByRole('dialog').getByRole('combobox'))
        .first()
        .waitFor();
    },
  },
};

/** Appearing is animated, and half-transparent text has no contrast: what is checked is what stays. */
const settled = (/** @type {Page} */ page) =>
  until('nothing moves any more', () =>
    page.evaluate(() => document.getAnimations().every((animation) => animation.playState !== 'running')),
  );

/** @type {[string, Visit][]} */
const LOOKS = [
  ['light', { scheme: 'light' }],
  ['dark', { scheme: 'dark' }],
  ['in russian on a light phone', { language: 'ru', viewport: PHONE }],
  ['in russian on a dark phone', { language: 'ru', scheme: 'dark', viewport: PHONE }],
];

for (const [look, options] of LOOKS) {
  for (const [place, { open, signedIn = true }] of Object.entries(PLACES)) {
    test(`${place}, ${look}: no accessibility violation, no sideways scroll, no policy report`, async () => {
      await visit({ ...options, signedIn, expected: signedIn ? undefined : /status of 401/ }, async (page) => {
        await open(page);
        await settled(page);
        await shot(page, `${place} ${look}`.replaceAll(' ', '-'));
        await assertNoSidewaysScroll(page);
        await assertAccessible(page);
      });
    });
  }
}

for (const language of LANGUAGES) {
  test(`every page is complete in ${language}`, async () => {
    // A missing text is told in the console, and that fails the visit.
    for (const [place, { open, signedIn = true }] of Object.entries(PLACES)) {
      await visit({ language, signedIn, expected: signedIn ? undefined : /status of 401/ }, async (page) => {
        await open(page);
        assert.equal(await page.locator('html').getAttribute('lang'), language, place);
        if (signedIn) await page.locator('nav').getByText(TITLES[language]).waitFor();
        // What templates of letters ask for stands on the page as it is written, with blanks.
        const shown = (await page.locator('body').innerText()).replaceAll(/{{ [a-z.]+ }}/g, '');
        assert.doesNotMatch(
          shown,
          /{{|\b(common|card|customers|channels|imports|inbox|mail|rules|segments|session):[a-z]|\b(list|orders|metrics|timeline|history|asOf)\.[a-z]+[A-Z]?/,
          place,
        );
      });
    }
  });
}

test('the language is changed at once, remembered, and money and dates follow it', async () => {
  await visit({}, async (page) => {
    await openCard(page, world.ids.ana);
    await page.getByRole('button', { name: 'Language' }).click();
    await page.getByRole('menuitemradio', { name: 'Русский' }).click();
    await page.getByRole('heading', { name: 'Контакты' }).waitFor();
    const total = (await page.locator('dl dd').first().textContent()) ?? '';
    assert.match(total, /\d,\d\d\s£$/);
    await page.reload();
    await page.getByRole('heading', { name: 'Контакты' }).waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), 'ru');
  });
});

test('the colours are changed at once and are there before the first paint of the next visit', async () => {
  await visit({ scheme: 'light' }, async (page) => {
    await openList(page);
    const scheme = () => page.locator('html').getAttribute('data-mantine-color-scheme');
    assert.equal(await scheme(), 'light');
    await page.getByRole('button', { name: 'Colours' }).click();
    await page.getByRole('menuitemradio', { name: 'Dark' }).click();
    await until('the page is dark', async () => (await scheme()) === 'dark');
    // Without the client's own script only theme.js can have set it.
    await page.route('**/assets/*.js', (route) => route.abort());
    await page.goto('/customers', { waitUntil: 'commit' });
    await until('the page is dark without the client', async () => (await scheme()) === 'dark');
    await page.unroute('**/assets/*.js');
  }).catch((error) => {
    // The scripts that were held back are reported as failed; nothing else may be.
    const reported = String(error.message)
      .match(/in the console:\n([\s\S]*)/)?.[1]
      ?.split('\n') ?? [String(error)];
    if (reported.some((line) => line && !/ERR_FAILED/.test(line))) throw error;
  });
});

test('everything from the sign-in to a saved change can be done with the keyboard alone', async () => {
  await api.call('POST', '/v1/customers', { customer: { displayName: 'Silent One' } });
  await visit({ signedIn: false, expected: /status of 401/ }, async (page) => {
    await page.goto('/');
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await page.keyboard.type(world.login);
    await page.keyboard.press('Tab');
    await page.keyboard.type(world.password);
    await page.keyboard.press('Enter');
    await page.getByRole('row').nth(1).waitFor();

    await page.keyboard.press('/');
    await page.keyboard.type('silent');
    await until('the one customer is found', async () => (await page.getByRole('row').count()) === 2);
    await page.keyboard.press('Escape');
    await page.keyboard.press('j');
    await until('the row has the focus', () =>
      page.evaluate(() => document.activeElement?.matches('[data-index]') ?? false),
    );
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Silent One' }).waitFor();

    const label = () =>
      page.evaluate(
        () => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '',
      );
    const tabTo = async (/** @type {string} */ wanted) => {
      for (let step = 0; step < 40; step++) {
        if ((await label()) === wanted) return;
        await page.keyboard.press('Tab');
      }
      assert.fail(`tab never reaches ${wanted}, it stands on ${await label()}`);
    };
    await tabTo('Edit: Name');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Control+a');
    await page.keyboard.type('Silent Two');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Silent Two' }).waitFor();
    await tabTo('E-mail');
    await page.keyboard.press('Enter');
    await page.keyboard.type('silent@example.com');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'silent@example.com' }).waitFor();
  });
});

test('single-key shortcuts can be switched off', async () => {
  await visit({}, async (page) => {
    await openList(page);
    await page.getByRole('button', { name: /^Account of/ }).click();
    await page.getByRole('menuitemcheckbox', { name: 'Single-key shortcuts' }).click();
    await page.keyboard.press('Escape');
    await page.locator('h1').focus();
    await page.keyboard.press('n');
    await page.keyboard.press('/');
    assert.equal(await page.getByRole('dialog').count(), 0);
    assert.ok(!(await page.getByRole('searchbox').evaluate((input) => input === document.activeElement)));
    await page.keyboard.press('Control+k');
    await page.getByRole('dialog').waitFor();
  });
});

test('the layout stands still while the list loads', async () => {
  await visit({}, async (page) => {
    await page.addInitScript(() => {
      Object.assign(globalThis, { shifts: 0 });
      new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) {
          // @ts-expect-error the type of a layout shift is not among those of the library
          if (!entry.hadRecentInput) globalThis.shifts += entry.value;
        }
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await openList(page, '?source=crowd');
    await page.getByText('245 customers').first().waitFor();
    await settled(page);
    // @ts-expect-error put there above
    const shifts = await page.evaluate(() => globalThis.shifts);
    assert.ok(shifts <= 0.02, `the layout shifts by ${shifts}`);
  });
});
