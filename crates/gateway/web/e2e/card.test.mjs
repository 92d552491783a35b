import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, openCard, openList, visit, world } from './support/browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

const { ids, sales } = world;
const panel = (/** @type {Page} */ page, /** @type {string} */ name) => page.getByRole('region', { name, exact: true });

test('the card shows the figures of what was sold, to the penny', async () => {
  await visit({}, async (page) => {
    await openCard(page, ids.ana);
    const figures = panel(page, 'Figures');
    /** @type {Record<string, string>} */
    const blocks = Object.fromEntries(
      await figures
        .locator('dl > div')
        .evaluateAll((all) =>
          all.map((block) => [block.querySelector('dt')?.textContent, block.querySelector('dd')?.textContent]),
        ),
    );
    assert.deepEqual(blocks, {
      Total: sales.net,
      'Average order': sales.average,
      Orders: String(sales.orders),
      'Between purchases': sales.days,
    });
    await figures.getByText(`${sales.gross} less ${sales.refunds} refunded`).waitFor();
    await figures.getByText('as of').waitFor();
    const favourites = panel(page, 'Top products').getByRole('rowheader');
    assert.deepEqual(await favourites.allTextContents(), sales.favourites);
  });
});

test('the chart of twelve months has a table for those who cannot see it', async () => {
  await visit({}, async (page) => {
    await openCard(page, ids.ana);
    const months = panel(page, 'Sales of 12 months');
    await months.locator('svg.recharts-surface').waitFor();
    const table = months.getByRole('table', { name: 'Sales of 12 months' });
    assert.equal(await table.getByRole('rowheader').count(), 12);
    await months.getByText('Table', { exact: true }).click();
    await months.locator('svg.recharts-surface').waitFor({ state: 'detached' });
    const rows = await table
      .locator('tbody tr')
      .evaluateAll((all) => all.map((row) => [...row.children].map((cell) => cell.textContent)));
    assert.equal(rows.length, 12);
    assert.equal(
      rows.reduce((sum, [, orders]) => sum + Number(orders), 0),
      sales.lastYear.orders,
    );
    const shown = rows.find(([month]) => month === 'June 2024');
    assert.deepEqual(shown, ['June 2024', ...sales.june]);
  });
});

test('orders come page by page up to the first', async () => {
  await visit({}, async (page) => {
    await openCard(page, ids.ana);
    const orders = panel(page, 'Orders');
    await orders.getByRole('rowheader', { name: 'A-1014' }).waitFor();
    const count = () => orders.getByRole('rowheader').count();
    for (let shown = await count(); shown < sales.orders; shown = await count()) {
      await orders.getByRole('button', { name: 'Show more' }).click();
      await until('the next orders are there', async () => (await count()) > shown);
    }
    await orders.getByRole('button', { name: 'Show more' }).waitFor({ state: 'detached' });
    const numbers = await orders.getByRole('rowheader').allTextContents();
    assert.deepEqual(
      numbers,
      Array.from({ length: 14 }, (_, index) => `A-${1014 - index}`),
    );
    await orders.getByText('14 of 14 orders').waitFor();
  });
});

test('the timeline holds orders, refunds and changes, and can be narrowed', async () => {
  await visit({}, async (page) => {
    await openCard(page, ids.ana);
    const timeline = panel(page, 'Timeline');
    await timeline.getByText('Customer created').waitFor();
    await timeline.getByText('Refunds', { exact: true }).click();
    await timeline.getByText('Money given back').waitFor();
    await timeline.getByText(`−${sales.refunds}`).waitFor();
    assert.equal(await timeline.getByText('Order placed').count(), 0);
    await timeline.getByText('Orders', { exact: true }).click();
    await until(
      'fourteen orders are in the timeline',
      async () => (await timeline.getByText('Order placed').count()) === sales.orders,
    );
  });
});

test('a customer without purchases has an honest empty place for figures', async () => {
  await visit({}, async (page) => {
    await openCard(page, ids.plain);
    await panel(page, 'Figures').getByText('No purchases yet').waitFor();
    await panel(page, 'Orders').getByText('No orders yet').waitFor();
    await panel(page, 'Contact points').getByText('No phone and no e-mail yet.').waitFor();
  });
});

test('the mark of a duplicate opens who shares what, and leads to their card', async () => {
  await visit({}, async (page) => {
    await openCard(page, ids.ana);
    await page.getByRole('button', { name: '1 possible duplicate' }).click();
    const dialog = page.getByRole('dialog', { name: 'Possible duplicates' });
    await dialog.getByText('+5511987654321').waitFor();
    await dialog.getByRole('link', { name: 'Ana S.' }).click();
    await page.getByRole('heading', { level: 1, name: 'Ana S.' }).waitFor();
  });
});

test('the history tells who changed what, when, from where, and from which value to which', async () => {
  const created = await api.call('POST', '/v1/customers', {
    customer: { displayName: 'Historia Prima', country: 'Spain' },
  });
  await api.call('PATCH', `/v1/customers/${created.id}?updateMask=displayName`, {
    id: created.id,
    etag: created.etag,
    displayName: 'Historia Secunda',
  });
  await visit({}, async (page) => {
    await openCard(page, created.id);
    await page.keyboard.press('h');
    const dialog = page.getByRole('dialog', { name: 'History of changes' });
    const changes = dialog.locator('ol > li');
    await until('both changes are there', async () => (await changes.count()) === 2);
    const newest = changes.first();
    await newest.getByText('Changed').waitFor();
    await newest.getByText('you').waitFor();
    assert.match(
      (await newest.locator('dd').first().textContent()) ?? '',
      /before: Historia Prima.*after: Historia Secunda/,
    );
    assert.match((await newest.locator('time').getAttribute('datetime')) ?? '', /^\d{4}-\d\d-\d\dT/);
    assert.match((await changes.nth(1).textContent()) ?? '', /Created.*Historia Prima/);
    assert.match(page.url(), /show=history/);
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
  });
});

test('the customer can be seen as of a past moment, tinted and named, and cannot be edited there', async () => {
  const created = await api.call('POST', '/v1/customers', {
    customer: { displayName: 'Olim', emails: [{ address: 'olim@example.com' }] },
  });
  await api.call('PATCH', `/v1/customers/${created.id}?updateMask=displayName`, {
    id: created.id,
    etag: created.etag,
    displayName: 'Nunc',
  });
  await visit({}, async (page) => {
    await openCard(page, created.id, `?asOf=${encodeURIComponent(created.createdAt)}`);
    await page.getByRole('heading', { level: 1, name: 'Olim' }).waitFor();
    await page.getByText(/^The customer as of /).waitFor();
    assert.equal(await page.getByRole('button', { name: /^Edit/ }).count(), 0);
    await page.getByRole('button', { name: 'Back to now' }).first().click();
    await page.getByRole('heading', { level: 1, name: 'Nunc' }).waitFor();
    await page.getByRole('button', { name: 'As of…' }).click();
    const form = page.getByRole('dialog', { name: 'Look at a past moment' });
    await form.getByLabel('Moment').fill('2099-01-01T00:00:00');
    await form.getByRole('button', { name: 'Show' }).click();
    await form.getByText('Choose a moment in the past.').waitFor();
  });
  await visit({ expected: /status of 404/ }, async (page) => {
    await openCard(page, created.id);
    await page.getByRole('button', { name: 'As of…' }).click();
    const form = page.getByRole('dialog', { name: 'Look at a past moment' });
    await form.getByLabel('Moment').fill('2001-02-03T04:05:06');
    await form.getByRole('button', { name: 'Show' }).click();
    await page.getByText('The customer did not exist at that moment').waitFor();
    await page.getByText('The customer as of 3 Feb 2001, 04:05:06').waitFor();
  });
});

test('a section that cannot be had says so in its place, the rest works, and trying again helps', async () => {
  await visit({}, async (page) => {
    let state = 'SECTION_STATE_UNAVAILABLE';
    await page.route('**/card', async (route) => {
      const answer = await route.fetch();
      const card = await answer.json();
      if (state !== 'SECTION_STATE_OK') {
        card.metrics = { status: { state, message: 'down', readAt: new Date().toISOString() } };
        card.orders = {
          status: { state: 'SECTION_STATE_FORBIDDEN', message: 'no' },
          orders: [],
          nextPageToken: '',
          totalSize: '0',
        };
      }
      await route.fulfill({ response: answer, json: card });
    });
    await openCard(page, ids.ana);
    await page.getByText('This part is not available now.').waitFor();
    await panel(page, 'Orders').getByText('You may not see this part.').waitFor();
    await page.getByRole('heading', { level: 1, name: 'Ana Souza' }).waitFor();
    await panel(page, 'Timeline').getByText('Order placed').first().waitFor();
    state = 'SECTION_STATE_LATE';
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('This part did not answer in time.').waitFor();
    state = 'SECTION_STATE_OK';
    await page.getByRole('button', { name: 'Try again' }).click();
    await panel(page, 'Figures').getByText(sales.net).waitFor();
    await panel(page, 'Orders').getByRole('rowheader', { name: 'A-1014' }).waitFor();
  });
});

test('relative times tell the exact one on focus', async () => {
  await visit({}, async (page) => {
    await openCard(page, ids.ana);
    const moment = panel(page, 'General').locator('time').first();
    await moment.focus();
    await page
      .getByRole('tooltip')
      .getByText(/\d{4}, \d\d:\d\d:\d\d/)
      .waitFor();
  });
});

test('the palette finds customers, pages and every action of the page', async () => {
  await visit({}, async (page) => {
    await openList(page);
    await page.keyboard.press('Control+k');
    const input = page.getByPlaceholder('A customer, a page, an action…');
    await input.fill('souza');
    await page
      .getByRole('option', { name: /Ana Souza/ })
      .or(page.getByRole('button', { name: /Ana Souza/ }))
      .first()
      .click();
    await page.getByRole('heading', { level: 1, name: 'Ana Souza' }).waitFor();
    await page.keyboard.press('Control+k');
    await input.fill('history');
    await page.keyboard.press('Enter');
    await page.getByRole('dialog', { name: 'History of changes' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog', { name: 'History of changes' }).waitFor({ state: 'detached' });
    await page.keyboard.press('Control+k');
    await input.fill('Русский');
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Клиенты' }).first().waitFor();
  });
});
