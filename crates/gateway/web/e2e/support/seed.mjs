import { Api, until } from './api.mjs';

const DAY_MS = 86_400_000;
const PRODUCTS = [
  'Tea pot',
  'Lunch box',
  'Night light',
  'Cake stand',
  'Jam jar',
  'Door mat',
  'Wall clock',
  'Toy train',
];

/**
 * @typedef {object} World What the tests know of the data.
 * @property {string} url
 * @property {string} login
 * @property {string} password
 * @property {string} cookie
 * @property {string} csrfToken
 * @property {number} customers How many customers there are at first.
 * @property {Record<'ana' | 'company' | 'twin' | 'other' | 'plain', string>} ids
 * @property {Sales} sales What Ana bought in GBP.
 */

/**
 * @typedef {object} Sales
 * @property {number} orders
 * @property {string} gross
 * @property {string} refunds
 * @property {string} net
 * @property {string} average
 * @property {string} days
 * @property {{ orders: number }} lastYear Within the twelve months the card shows.
 * @property {string[]} june
 * @property {string[]} favourites
 */

/** The orders of one customer: 14, a known number of days apart, each with lines whose amounts are known. */
function ordersOf(/** @type {string} */ customerId) {
  const first = Date.UTC(2024, 0, 10, 9, 30);
  return Array.from({ length: 14 }, (_, index) => ({
    reference: { source: 'shop', externalId: `ana-${index + 1}` },
    number: `A-${1001 + index}`,
    customerId,
    status: 'completed',
    placedAt: new Date(first + index * 21 * DAY_MS).toISOString(),
    currency: 'GBP',
    lines: PRODUCTS.slice(0, 1 + (index % PRODUCTS.length)).map((name, line) => ({
      sku: `SKU-${line + 1}`,
      name,
      quantity: String(index + 1),
      unitPrice: (1.95 + line).toFixed(2),
    })),
  }));
}

/** The figures by hand, in whole pence: what the card must show. */
function salesOf(/** @type {ReturnType<typeof ordersOf>} */ orders, /** @type {number} */ refunds) {
  const pence = (/** @type {string} */ price) => Math.round(Number(price) * 100);
  const totals = orders.map(({ lines }) =>
    lines.reduce((sum, { quantity, unitPrice }) => sum + Number(quantity) * pence(unitPrice), 0),
  );
  const gross = totals.reduce((sum, total) => sum + total, 0);
  const pounds = (/** @type {number} */ minor) =>
    new Intl.NumberFormat('en-GB', { style: 'currency', currency: 'GBP' }).format(minor / 100);
  const issued = new Date(lastMoment(orders));
  const firstMonth = Date.UTC(issued.getUTCFullYear(), issued.getUTCMonth() - 11, 1);
  const june = orders.flatMap(({ placedAt }, index) => (placedAt.startsWith('2024-06') ? [totals[index] ?? 0] : []));
  const units = new Map();
  for (const { lines } of orders)
    for (const { name, quantity } of lines) units.set(name, (units.get(name) ?? 0) + Number(quantity));
  return {
    orders: orders.length,
    gross: pounds(gross),
    refunds: pounds(refunds),
    net: pounds(gross - refunds),
    average: pounds(roundHalfToEven(gross, orders.length)),
    days: '21 days',
    lastYear: { orders: orders.filter(({ placedAt }) => Date.parse(placedAt) >= firstMonth).length },
    // The month of the credit note: orders, refunds, net.
    june: [String(june.length), pounds(refunds), pounds(june.reduce((sum, total) => sum + total, 0) - refunds)],
    favourites: [...units]
      .sort((a, b) => b[1] - a[1])
      .slice(0, 7)
      .map(([name]) => name),
  };
}

function lastMoment(/** @type {{ placedAt: string }[]} */ orders) {
  return Math.max(...orders.map(({ placedAt }) => Date.parse(placedAt)));
}

function roundHalfToEven(/** @type {number} */ sum, /** @type {number} */ count) {
  const quotient = Math.floor(sum / count);
  const twice = 2 * (sum - quotient * count);
  return twice > count || (twice === count && quotient % 2 === 1) ? quotient + 1 : quotient;
}

/**
 * Fills the product with customers and orders over its API, and waits until the figures have followed.
 * @param {{ url: string, login: string, password: string }} product
 * @returns {Promise<World>}
 */
export async function seed(product) {
  const api = await Api.signIn(product);
  const named = [
    {
      reference: { source: 'shop', externalId: '17850' },
      customer: {
        kind: 'CUSTOMER_KIND_PERSON',
        displayName: 'Ana Souza',
        country: 'Brazil',
        phones: [
          { number: '+55 11 98765-4321', label: 'mobile' },
          { number: '+55 11 3003-1000', label: 'work' },
        ],
        emails: [{ address: 'ana.souza@example.com' }],
      },
    },
    {
      reference: { source: 'erp', externalId: '17850' },
      customer: {
        kind: 'CUSTOMER_KIND_COMPANY',
        displayName: 'ООО «Ромашка»',
        country: 'Россия',
        emails: [{ address: 'info@romashka.example' }],
      },
    },
    {
      reference: { source: 'shop', externalId: 'twin' },
      customer: { displayName: 'Ana S.', country: 'Brazil', phones: [{ number: '+55 11 98765-4321' }] },
    },
    {
      reference: { source: 'shop', externalId: 'other' },
      customer: {
        displayName: 'Zoë Żółć',
        country: 'Poland',
        phones: [{ number: '+48 22 555 01 02' }],
        emails: [{ address: 'zoe@example.com' }],
      },
    },
    { reference: { source: 'shop', externalId: 'plain' }, customer: { displayName: 'Quiet One', country: 'Portugal' } },
  ];
  const crowd = Array.from({ length: 245 }, (_, index) => ({
    reference: { source: 'crowd', externalId: String(index + 1) },
    customer: {
      displayName: `Customer ${String(index + 1).padStart(3, '0')}`,
      country: index % 2 === 0 ? 'Spain' : 'United Kingdom',
      emails: [{ address: `customer${index + 1}@example.org` }],
    },
  }));
  const { results } = await api.call('POST', '/v1/customers:batchUpsert', { entries: [...named, ...crowd] });
  const refused = results.filter((/** @type {any} */ result) => result.outcome === 'UPSERT_OUTCOME_REFUSED');
  if (refused.length > 0) throw new Error(`customers were refused: ${JSON.stringify(refused)}`);
  const [ana, company, twin, other, plain] = results.map((/** @type {any} */ result) => result.customerId);

  const orders = ordersOf(ana);
  const refund = { quantity: '1', unitPrice: '12.34' };
  const upserted = await until('orders knows the customer', async () => {
    const answer = await api.call('POST', '/v1/orders:batchUpsert', { orders });
    return answer.results.every((/** @type {any} */ result) => result.outcome !== 'UPSERT_OUTCOME_REFUSED') && answer;
  });
  if (upserted.results.length !== orders.length) throw new Error('not every order has a result');
  const credited = await api.call('POST', '/v1/creditNotes:batchUpsert', {
    creditNotes: [
      {
        reference: { source: 'shop', externalId: 'ana-credit' },
        customerId: ana,
        issuedAt: new Date(Date.UTC(2024, 5, 30, 12)).toISOString(),
        currency: 'GBP',
        lines: [{ sku: 'SKU-1', name: PRODUCTS[0], ...refund }],
      },
    ],
  });
  if (credited.results[0].outcome === 'UPSERT_OUTCOME_REFUSED')
    throw new Error(`the credit note was refused: ${JSON.stringify(credited)}`);
  await until('the figures follow the orders', async () => {
    const { metrics } = await api.call('GET', `/v1/customers/${ana}/card`);
    const figures = metrics?.metrics?.currencies[0]?.figures;
    return figures?.orders === String(orders.length) && figures.refunds?.minor === '1234';
  });
  return {
    ...product,
    cookie: api.cookie,
    csrfToken: api.csrfToken,
    customers: named.length + crowd.length,
    ids: { ana, company, twin, other, plain },
    sales: salesOf(orders, 1234),
  };
}
