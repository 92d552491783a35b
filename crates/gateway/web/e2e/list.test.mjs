import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { assertAccessible, openCard, openList, visit, world } from './support/browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

const names = (/** @type {Page} */ page) => page.getByRole('grid').getByRole('link').allTextContents();
const rowsWith = async (/** @type {Page} */ page, /** @type {string[]} */ expected) => {
  /** @type {string[]} */
  let seen = [];
  await until(`the list shows ${expected.join(', ')}`, async () => {
    seen = (await names(page)).sort();
    return JSON.stringify(seen) === JSON.stringify([...expected].sort());
  }).catch((error) => assert.deepEqual(seen, [...expected].sort(), error.message));
};

test('the list tells how many customers there are and holds only the rows in sight', async () => {
  await visit({}, async (page) => {
    await openList(page, '?source=crowd');
    await page.getByText('245 customers').first().waitFor();
    const grid = page.getByRole('grid');
    assert.equal(await grid.getAttribute('aria-rowcount'), '246');
    const rendered = await grid.getByRole('row').count();
    assert.ok(rendered > 10 && rendered < 80, `${rendered} rows are in the document`);
  });
});

test('scrolling loads page after page up to the last customer', async () => {
  await visit({}, async (page) => {
    await openList(page, '?source=crowd&sort=display_name');
    const row = page.getByRole('row').nth(1);
    await row.focus();
    await until('the last customer is in sight', async () => {
      await page.keyboard.press('End');
      return page.getByRole('link', { name: 'Customer 245' }).isVisible();
    });
    const last = page.getByRole('row').filter({ hasText: 'Customer 245' });
    assert.equal(await last.getAttribute('aria-rowindex'), '246');
  });
});

test('search finds any part of name, phone, e-mail and external id in any script', async () => {
  await visit({}, async (page) => {
    await openList(page);
    const search = page.getByRole('searchbox');
    for (const [text, found] of /** @type {[string, string[]][]} */ ([
      ['ромаш', ['ООО «Ромашка»']],
      ['souza', ['Ana Souza']],
      ['98765', ['Ana Souza', 'Ana S.']],
      ['zoe@exam', ['Zoë Żółć']],
      ['17850', ['Ana Souza', 'ООО «Ромашка»']],
    ])) {
      await search.fill(text);
      await rowsWith(page, found);
      assert.equal(new URL(page.url()).searchParams.get('q'), text);
    }
    await search.fill('nobody has this name');
    await page.getByText('No customer matches').waitFor();
    await page.getByRole('button', { name: 'Show all customers' }).click();
    await page.getByRole('row').nth(1).waitFor();
    assert.equal(await search.inputValue(), '');
  });
});

test('filters narrow the list, show as chips and are lifted by them', async () => {
  await visit({}, async (page) => {
    await openList(page);
    await page.getByRole('button', { name: 'Filter', exact: false }).first().click();
    const form = page.getByRole('dialog', { name: 'Filter the customers' });
    await form.getByRole('textbox', { name: 'Country' }).fill('Brazil');
    await form.getByRole('checkbox', { name: 'Duplicates only' }).check();
    await form.getByRole('button', { name: 'Apply' }).click();
    await rowsWith(page, ['Ana Souza', 'Ana S.']);
    const chips = page.getByRole('list', { name: 'Conditions in force' });
    assert.equal(await chips.getByRole('listitem').count(), 2);
    await page.goBack();
    await chips.waitFor({ state: 'detached' });
    await page.goForward();
    await rowsWith(page, ['Ana Souza', 'Ana S.']);
    await chips.getByRole('button', { name: /duplicates only/ }).click();
    await chips.getByRole('button', { name: /country: Brazil/ }).click();
    await chips.waitFor({ state: 'detached' });
    assert.equal(new URL(page.url()).search, '');
  });
});

test('on a slow line the filter opens soon, and its form takes the focus when it has come', async () => {
  await visit({}, async (page) => {
    let come = () => {};
    const held = new Promise((done) => {
      come = () => done(undefined);
    });
    await page.route(/\/filter-form-[^/]*\.js/, async (route) => {
      await held;
      await route.continue();
    });
    await openList(page);
    const button = page.getByRole('button', { name: 'Filter', exact: true });
    const window = page.getByRole('dialog', { name: 'Filter the customers' });
    await button.click();
    await window.waitFor();
    assert.equal(await window.getByRole('textbox').count(), 0, 'the form is still on its way');
    // Closed meanwhile, it stays closed when the form comes.
    await button.click();
    await window.waitFor({ state: 'detached' });
    await button.click();
    await window.waitFor();
    come();
    await window.getByRole('textbox').first().waitFor();
    await until('the focus is in the form', () => window.evaluate((node) => node.contains(document.activeElement)));
  });
});

test('filters of kind, contact points, source and day of creation do what they say', async () => {
  await visit({}, async (page) => {
    await openList(page, '?kind=company&source=erp');
    await rowsWith(page, ['ООО «Ромашка»']);
    await openList(page, '?source=shop&phone=no');
    await rowsWith(page, ['Quiet One']);
    await openList(page, '?source=shop&email=yes');
    await rowsWith(page, ['Ana Souza', 'Zoë Żółć']);
    const today = new Date().toLocaleDateString('sv', { timeZone: 'Europe/Lisbon' });
    await openList(page, `?source=erp&from=${today}&until=${today}`);
    await rowsWith(page, ['ООО «Ромашка»']);
    await page.goto('/customers?until=2001-01-01');
    await page.getByText('No customer matches').waitFor();
  });
});

test('a heading sorts the list both ways, and says so to those who listen', async () => {
  await visit({}, async (page) => {
    await openList(page, '?source=crowd');
    const heading = page.getByRole('columnheader', { name: 'Name' });
    await heading.getByRole('button').click();
    await until('the first name comes first', async () => (await names(page))[0] === 'Customer 001');
    assert.equal(await heading.getAttribute('aria-sort'), 'ascending');
    await heading.getByRole('button').click();
    await until('the last name comes first', async () => (await names(page))[0] === 'Customer 245');
    assert.equal(await heading.getAttribute('aria-sort'), 'descending');
    assert.equal(new URL(page.url()).searchParams.get('sort'), '-display_name');
  });
});

test('going back from a card and reloading keep the search, the order and the place', async () => {
  await visit({}, async (page) => {
    await openList(page, '?source=crowd&sort=display_name');
    await page.getByRole('row').nth(1).focus();
    for (let step = 0; step < 6; step++) await page.keyboard.press('PageDown');
    const focused = () => page.evaluate(() => document.activeElement?.querySelector('a')?.textContent ?? '');
    const name = await until('a row has the focus', focused);
    assert.ok(Number(name.slice(-3)) > 60, `the place is far down: ${name}`);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name }).waitFor();
    await page.goBack();
    await until('the row has the focus again', async () => (await focused()) === name);
    await page.reload();
    await until('the row has the focus after a reload', async () => (await focused()) === name);
    const { searchParams } = new URL(page.url());
    assert.equal(searchParams.get('sort'), 'display_name');
    assert.equal(searchParams.get('source'), 'crowd');
  });
});

test('the list is worked by keys: slash searches, j and k move, enter opens', async () => {
  await visit({}, async (page) => {
    await openList(page, '?source=crowd&sort=display_name');
    await page.keyboard.press('/');
    const search = page.getByRole('searchbox');
    assert.ok(await search.evaluate((input) => input === document.activeElement));
    await page.keyboard.type('customer 00');
    await rowsWith(page, [
      ...Array.from({ length: 9 }, (_, index) => `Customer 00${index + 1}`),
      'Customer 100',
      'Customer 200',
    ]);
    await page.keyboard.press('Escape');
    const focused = () => page.evaluate(() => document.activeElement?.querySelector('a')?.textContent ?? '');
    await page.keyboard.press('j');
    await until('the first row has the focus', async () => (await focused()) === 'Customer 001');
    await page.keyboard.press('j');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('k');
    await until('the second row has the focus', async () => (await focused()) === 'Customer 002');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: 'Customer 002' }).waitFor();
  });
});

test('the figures of the customers stand in the list', async () => {
  await visit({}, async (page) => {
    await openList(page, '?q=souza');
    const row = page.getByRole('row').filter({ hasText: 'Ana Souza' });
    await row.getByText(world.sales.net).waitFor();
    await row.getByRole('gridcell', { name: String(world.sales.orders), exact: true }).waitFor();
  });
});

test('a list that cannot be loaded says so, and trying again helps', async () => {
  await visit({ expected: /status of 503/ }, async (page) => {
    let down = true;
    await page.route('**/v1/customers?*', (route) =>
      down
        ? route.fulfill({
            status: 503,
            contentType: 'application/problem+json',
            body: '{"reason":"UNAVAILABLE","detail":"customers is down"}',
          })
        : route.continue(),
    );
    await page.goto('/customers');
    await page.getByRole('alert').getByText('The customers could not be loaded').waitFor();
    down = false;
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('row').nth(1).waitFor();
  });
});

test('an address that leads nowhere says so', async () => {
  await visit({}, async (page) => {
    await page.goto('/nowhere');
    await page.getByRole('heading', { name: 'No such page' }).waitFor();
    await assertAccessible(page);
    await page.getByRole('link', { name: 'To the customers' }).click();
    await page.getByRole('row').nth(1).waitFor();
  });
  await visit({ expected: /status of 404/ }, async (page) => {
    await openCard(page, '01890000-0000-7000-8000-000000000000').catch(() => undefined);
    await page.getByRole('heading', { name: 'No such customer' }).waitFor();
  });
  await visit({ expected: /status of 400/ }, async (page) => {
    await openCard(page, 'no-id-at-all').catch(() => undefined);
    await page.getByRole('heading', { name: 'No such customer' }).waitFor();
  });
});

test('whatever the width, the columns of the list fit into it', async () => {
  for (const width of [700, 1024, 1366, 1440, 1920]) {
    await visit({ language: 'ru', viewport: { width, height: 820 } }, async (page) => {
      await openList(page, '?source=crowd');
      const wider = await page
        .getByRole('grid')
        .evaluate((grid) => Number(grid.parentElement?.scrollWidth) - Number(grid.parentElement?.clientWidth));
      assert.equal(wider, 0, `the list is ${wider} px wider than its frame in a window of ${width} px`);
      const cut = await page
        .getByRole('columnheader')
        .evaluateAll((heads) =>
          heads.filter((head) => head.scrollWidth > head.clientWidth).map((head) => head.textContent),
        );
      assert.deepEqual(cut, [], `headings are cut in a window of ${width} px`);
    });
  }
});
