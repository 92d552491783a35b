import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, assertAccessible, openCard, openList, shot, visit, world } from './support/browser.mjs';

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

test('the card says in which segments the customer is and why, and its log when and why they entered and left', async () => {
  const stamp = Date.now();
  const [name, land] = [`Of the land ${stamp}`, `Land ${stamp}`];
  const created = await api.call('POST', '/v1/customers', { customer: { displayName: 'Wanderer', country: land } });
  await api.call('POST', '/v1/segments', {
    segment: {
      name,
      rule: { condition: { field: 'customer.country', operator: 'OPERATOR_EQUAL', text: land } },
    },
  });
  const move = async (/** @type {string} */ country) => {
    const { etag } = await api.call('GET', `/v1/customers/${created.id}`);
    await api.call('PATCH', `/v1/customers/${created.id}?updateMask=country`, { id: created.id, etag, country });
  };
  await visit({}, async (page) => {
    await openCard(page, created.id);
    const segments = panel(page, 'Segments');
    await segments.getByRole('link', { name }).waitFor();
    await segments
      .getByRole('list', { name: `Why in ${name}` })
      .getByText(`Country: ${land}`)
      .waitFor();
    await segments.getByRole('button', { name: 'Entered and left' }).press('Enter');

    const log = page.getByRole('dialog', { name: 'Segments entered and left' });
    const entries = log.locator('ol > li');
    await log.getByRole('link', { name }).waitFor();
    assert.equal(await entries.count(), 1);
    assert.match((await entries.first().textContent()) ?? '', /^Entered/);
    // What happens while one looks shows by itself, the newest first.
    await move('Norway');
    await until('the leaving is there', async () => (await entries.count()) === 2);
    const left = (await entries.first().textContent()) ?? '';
    assert.match(left, /^Left/);
    assert.match(left, /something happened with the customer/);
    assert.match(left, new RegExp(`not Country: ${land} \\(then Norway\\)`));
    await move(land);
    await until('the entering is there', async () => (await entries.count()) === 3);
    assert.match((await entries.first().textContent()) ?? '', new RegExp(`^Entered.*Country: ${land} `));
    await shot(page, 'segment-log');
    await assertAccessible(page);
    await page.keyboard.press('Escape');
    await log.waitFor({ state: 'detached' });

    // From the timeline it is one press to why.
    const timeline = panel(page, 'Timeline');
    await timeline.getByText('Segments', { exact: true }).click();
    await timeline.getByRole('button', { name: `Left the segment “${name}”` }).press('Enter');
    await log.getByText('(then Norway)').waitFor();
    assert.match(page.url(), /show=segments/);
  });
});

test('the log of segments is read page by page', async () => {
  const created = await api.call('POST', '/v1/customers', { customer: { displayName: 'Often Seen' } });
  await visit({ expected: /ERR_FAILED/ }, async (page) => {
    const change = (/** @type {number} */ index) => ({
      id: `${index}`,
      segmentId: '01890000-0000-7000-8000-000000000001',
      segmentName: `Segment ${index}`,
      entered: index % 2 === 0,
      changedAt: new Date(Date.UTC(2026, 0, 1) - index * 60_000).toISOString(),
      reasons: [],
      cause: index % 3 === 0 ? 'MEMBERSHIP_CAUSE_TIME' : 'MEMBERSHIP_CAUSE_RULE',
    });
    let broken = true;
    await page.route('**/membershipChanges?*', async (route) => {
      const token = new URL(route.request().url()).searchParams.get('pageToken');
      if (token && broken) {
        broken = false;
        return route.abort();
      }
      const first = token ? 50 : 0;
      const changes = Array.from({ length: token ? 7 : 50 }, (_, index) => change(first + index));
      return route.fulfill({ json: { changes, nextPageToken: token ? '' : 'more' } });
    });
    await openCard(page, created.id, '?show=segments');
    const log = page.getByRole('dialog', { name: 'Segments entered and left' });
    const entries = log.locator('ol > li');
    await until('the first page is there', async () => (await entries.count()) === 50);
    await log.getByText('time passed').first().waitFor();
    await log.getByText('the rule was changed').first().waitFor();
    const more = log.getByRole('button', { name: 'Show more' });
    await more.click();
    // The connection broke off once: it is asked again.
    await until('all are there', async () => (await entries.count()) === 57);
    assert.equal(broken, false);
    await more.waitFor({ state: 'detached' });
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

test('with each of its sections away, the card says so in its place and shows all the rest', async () => {
  // What is on the page where a section is there, and what of it is gone with the section.
  const heads = ['Contact points', 'Segments', 'Messages', 'Orders', 'Timeline', 'Write', 'Sales of 12 months'];
  /** @type {Record<string, string[]>} */
  const away = {
    customer: ['Contact points', 'Write'],
    metrics: ['Sales of 12 months'],
    orders: [],
    timeline: [],
    people: [],
    consents: [],
    messages: [],
    segments: [],
  };
  /** @type {Record<string, string>} */
  const places = {
    consents: 'Contact points',
    orders: 'Orders',
    timeline: 'Timeline',
    messages: 'Messages',
    segments: 'Segments',
  };
  for (const [section, gone] of Object.entries(away)) {
    await visit({}, async (page) => {
      await page.route('**/card', async (route) => {
        const answer = await route.fetch();
        const card = await answer.json();
        // As the gateway answers it: lists are empty, the rest is left out.
        const empty = Object.entries(card[section]).flatMap(([key, value]) =>
          Array.isArray(value) ? [[key, []]] : typeof value === 'string' ? [[key, '']] : [],
        );
        const status = { state: 'SECTION_STATE_UNAVAILABLE', message: 'down', readAt: new Date().toISOString() };
        card[section] = { ...Object.fromEntries(empty), status };
        await route.fulfill({ response: answer, json: card });
      });
      await openCard(page, ids.ana);
      const notice = page.getByText('This part is not available now.');
      if (section === 'people') {
        // Names of colleagues alone: those who are named are named in general.
        await panel(page, 'Timeline').getByText('Order placed').first().waitFor();
        assert.equal(await notice.count(), 0);
      } else {
        await notice.waitFor();
        const place = places[section];
        if (place) await panel(page, place).getByText('This part is not available now.').waitFor();
        assert.equal(await notice.count(), 1, `${section} is away: it is said once`);
      }
      await page.getByRole('heading', { level: 1, name: section === 'customer' ? 'Customer' : 'Ana Souza' }).waitFor();
      for (const head of heads) {
        const shown = await panel(page, head).count();
        assert.equal(shown, gone.includes(head) ? 0 : 1, `${section} is away: ${head}`);
      }
      if (section !== 'orders') await panel(page, 'Orders').getByRole('rowheader', { name: 'A-1014' }).waitFor();
      if (section !== 'metrics') await panel(page, 'Figures').getByText(sales.net).waitFor();
      await shot(page, `card-without-${section}`);
      await assertAccessible(page);
    });
  }
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
