import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './support/api.mjs';
import { api, openCard, openList, visit } from './support/browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

let serial = 0;
const newCustomer = () => {
  serial += 1;
  return api.call('POST', '/v1/customers', {
    customer: { displayName: `Lively ${serial}`, emails: [{ address: `lively${serial}@example.net` }] },
  });
};
const rename = (/** @type {any} */ customer, /** @type {string} */ displayName) =>
  api.call('PATCH', `/v1/customers/${customer.id}?updateMask=display_name`, { displayName, etag: customer.etag });
const live = (/** @type {Page} */ page) => page.getByRole('status').getByText('Live', { exact: true }).waitFor();
const heading = (/** @type {Page} */ page, /** @type {string} */ name) =>
  page.getByRole('heading', { level: 1, name }).waitFor();

test('what somebody else changes shows on an open card by itself, and what is being typed stays', async () => {
  const customer = await newCustomer();
  await visit({}, async (page) => {
    await openCard(page, customer.id);
    await live(page);
    await page.getByRole('button', { name: /^Edit: E-mail/ }).click();
    const input = page.getByRole('textbox', { name: /^E-mail/ });
    await input.fill('half-typed@exam');
    await rename(customer, 'Renamed elsewhere');
    await heading(page, 'Renamed elsewhere');
    assert.equal(await input.inputValue(), 'half-typed@exam');
    assert.ok(await input.evaluate((element) => element === document.activeElement));
  });
});

test('what somebody else changes shows within a second', async () => {
  let customer = await newCustomer();
  await visit({}, async (page) => {
    await openCard(page, customer.id);
    await live(page);
    /** @type {number[]} */
    const times = [];
    for (let round = 1; round <= 5; round++) {
      const name = `Renamed ${customer.id} ${round}`;
      const begun = performance.now();
      customer = await rename(customer, name);
      await heading(page, name);
      times.push(performance.now() - begun);
    }
    times.sort((a, b) => a - b);
    // The middle one: a machine that is busy may be late once.
    assert.ok((times[2] ?? 0) < 1_000, `it takes ${times.map(Math.round).join(', ')} ms`);
  });
});

test('an order that comes in shows on the open card with its figures', async () => {
  const customer = await newCustomer();
  await visit({}, async (page) => {
    await openCard(page, customer.id);
    await live(page);
    await page.getByText('No orders yet').waitFor();
    await until('orders knows the customer', async () => {
      const { results } = await api.call('POST', '/v1/orders:batchUpsert', {
        orders: [
          {
            reference: { source: 'shop', externalId: `lively-${customer.id}` },
            number: 'L-1',
            customerId: customer.id,
            status: 'completed',
            placedAt: '2026-01-05T10:00:00Z',
            currency: 'GBP',
            lines: [{ sku: 'L', name: 'Lamp', quantity: '1', unitPrice: '19.90' }],
          },
        ],
      });
      return results[0].outcome !== 'UPSERT_OUTCOME_REFUSED';
    });
    await page.getByRole('rowheader', { name: 'L-1' }).waitFor();
    await page.locator('dl dd').getByText('£19.90').first().waitFor();
  });
});

test('the tabs of a browser share one stream, and another tab takes over when the first closes', async () => {
  const customer = await newCustomer();
  await visit({}, async (first, context) => {
    const streams = new Map();
    context.on('request', (request) => {
      if (!request.url().includes('/v1/stream')) return;
      const page = request.frame().page();
      streams.set(page, (streams.get(page) ?? 0) + 1);
    });
    await openCard(first, customer.id);
    await live(first);
    const second = await context.newPage();
    await openCard(second, customer.id);
    await live(second);
    const renamed = await rename(customer, 'Seen in both');
    await Promise.all([heading(first, 'Seen in both'), heading(second, 'Seen in both')]);
    assert.ok(streams.get(first) >= 1);
    assert.equal(streams.get(second), undefined, 'only one tab has a connection');
    await first.close();
    await until('the second tab has taken over', async () => streams.get(second) === 1);
    await rename(renamed, 'Seen in the one that is left');
    await heading(second, 'Seen in the one that is left');
  });
});

test('the list follows what changes and keeps the row one is at', async () => {
  await visit({}, async (page) => {
    await openList(page, '?sort=display_name');
    await live(page);
    for (let step = 0; step < 6; step++) await page.keyboard.press('j');
    const at = () => page.evaluate(() => document.activeElement?.querySelector('[role="gridcell"]')?.textContent ?? '');
    const before = await at();
    assert.notEqual(before, '');
    const displayName = `000 ${Date.now()}`;
    await api.call('POST', '/v1/customers', { customer: { displayName } });
    await page.getByRole('link', { name: displayName }).waitFor();
    assert.equal(await at(), before);
  });
});

test('a connection that is lost says so, and what was missed follows when it is back', async () => {
  const customer = await newCustomer();
  await visit({ expected: /ERR_INTERNET_DISCONNECTED|ERR_NETWORK_CHANGED|ERR_FAILED/ }, async (page, context) => {
    await openCard(page, customer.id);
    await live(page);
    await context.setOffline(true);
    await page.getByRole('status').getByText('Reconnecting…').waitFor({ timeout: 60_000 });
    await rename(customer, 'Renamed in the meantime');
    await context.setOffline(false);
    await live(page);
    await heading(page, 'Renamed in the meantime');
  });
});

test('a page that lacks a part after a deploy is loaded anew once, at the same address', async () => {
  const customer = await newCustomer();
  await visit({ expected: /status of 404|dynamically imported module/ }, async (page) => {
    await openCard(page, customer.id);
    let loads = 0;
    page.on('load', () => {
      loads += 1;
    });
    await page.route('**/assets/history-*.js', async (route) => {
      if (loads === 0) await route.fulfill({ status: 404 });
      else await route.continue();
    });
    await page.getByRole('button', { name: 'History', exact: true }).click();
    await page.getByRole('dialog', { name: 'History of changes' }).getByText('Created').waitFor();
    assert.equal(loads, 1);
    assert.equal(new URL(page.url()).searchParams.get('show'), 'history');
  });
});

test('a part that never comes is told in its place, and the page does not load itself again and again', async () => {
  const customer = await newCustomer();
  await visit({ expected: /status of 404|dynamically imported module/ }, async (page) => {
    await openCard(page, customer.id);
    let loads = 0;
    page.on('load', () => {
      loads += 1;
    });
    await page.route('**/assets/history-*.js', (route) => route.fulfill({ status: 404 }));
    await page.getByRole('button', { name: 'History', exact: true }).click();
    await until('the page was loaded anew', async () => loads === 1);
    await page.getByRole('alert').getByText('A part of the program could not be loaded').waitFor();
    await heading(page, customer.displayName);
    assert.equal(loads, 1);
  });
});
