import { until } from './api.mjs';
import { api, world } from './browser.mjs';
import { visitor } from './visitor.mjs';

/** @typedef {import('playwright-core').Page} Page */
/** @typedef {{ dialogId: string, customerDialogId: string, channelId: string, segmentId: string, readyId: string, doneId: string }} Work */

/** @type {Promise<Work> | undefined} */
let made;

/** What a day of work leaves: dialogs, a channel, a segment, an import that is ready and one that is done; the same for all who ask. */
function work() {
  made ??= make();
  return made;
}

/** @returns {Promise<Work>} */
async function make() {
  const stranger = await visitor({ name: 'Stranger at the Door', email: 'stranger@visitors.example' });
  await stranger.say('is it in stock? https://shop.example/a/very/long/path/that/does/not/break/anywhere/by/itself');
  const known = await visitor({ name: 'Known by Name' });
  await known.say('hello again');
  const dialogOf = (/** @type {string} */ channelId) =>
    until(
      'the dialog is there',
      async () => (await api.call('GET', `/v1/dialogs?channelId=${channelId}`)).dialogs[0]?.id,
    );
  const [dialogId, customerDialogId] = await Promise.all([dialogOf(stranger.channel.id), dialogOf(known.channel.id)]);
  await api.call('POST', `/v1/dialogs/${customerDialogId}:linkCustomer`, { customerId: world.ids.ana });

  const has = (/** @type {string} */ field, /** @type {boolean} */ flag) => ({
    condition: { field, operator: 'OPERATOR_EQUAL', flag },
  });
  const segment = await api.call('POST', '/v1/segments', {
    segment: {
      name: `Within reach ${Date.now()}`,
      description: 'Those whom we can write to or call',
      rule: {
        all: {
          rules: [
            { any: { rules: [has('customer.has_phone', true), { not: has('customer.has_email', false) }] } },
            {
              condition: {
                field: 'metrics.net',
                operator: 'OPERATOR_AT_LEAST',
                money: { minor: '100', currency: 'GBP' },
              },
            },
            { condition: { field: 'metrics.last_purchase_at', operator: 'OPERATOR_MORE_DAYS_AGO', number: '90' } },
          ],
        },
      },
    },
  });
  await until(
    'the members are found',
    async () => (await api.call('GET', `/v1/segments/${segment.id}`)).build?.complete,
  );

  const [readyId, doneId] = [await imported(false), await imported(true)];
  return { dialogId, customerDialogId, channelId: stranger.channel.id, segmentId: segment.id, readyId, doneId };
}

/** An import of customers with a row that is refused: tried, or run to its end. */
async function imported(/** @type {boolean} */ run) {
  const { id } = await api.call('POST', '/v1/imports', {
    kind: 'IMPORT_KIND_CUSTOMERS',
    fileName: run ? 'customers of the old shop.csv' : 'customers of the new shop.csv',
  });
  const uploaded = await fetch(`${world.url}/v1/imports/${id}/file`, {
    method: 'PUT',
    headers: { Cookie: world.cookie, 'X-CSRF-Token': world.csrfToken, 'Content-Type': 'text/csv' },
    body: `name;e-mail;registered\nOld Shop One;one@${id}.example;03/04/2020\nOld Shop Two;nowhere;05/06/2020\n`,
  });
  if (!uploaded.ok) throw new Error(`upload: ${uploaded.status} ${await uploaded.text()}`);
  await api.call('POST', `/v1/imports/${id}:start`, { trial: !run });
  const state = run ? 'IMPORT_STATE_DONE' : 'IMPORT_STATE_READY';
  await until('the import has ended', async () => (await api.call('GET', `/v1/imports/${id}`)).state === state);
  return id;
}

/**
 * The pages of daily work, each opened to the state in which all of it is shown.
 * @type {Record<string, { open: (page: Page) => Promise<void> }>}
 */
export const WORK_PLACES = {
  inbox: {
    open: async (page) => {
      await work();
      await page.goto('/inbox?state=all');
      await page.locator('[data-dialog]').first().waitFor();
    },
  },
  'dialog with a visitor': {
    open: async (page) => {
      const { dialogId } = await work();
      await page.goto(`/inbox?dialog=${dialogId}`);
      await page.locator('[data-composer]').waitFor();
      await page.locator('main ol li').first().waitFor();
    },
  },
  'visitor of a dialog': {
    open: async (page) => {
      const { dialogId } = await work();
      await page.goto(`/inbox?dialog=${dialogId}&panel=customer`);
      await page.locator('aside form').waitFor();
    },
  },
  'customer of a dialog': {
    open: async (page) => {
      const { customerDialogId } = await work();
      await page.goto(`/inbox?dialog=${customerDialogId}&panel=customer`);
      await page.locator('aside dl').first().waitFor();
    },
  },
  segments: {
    open: async (page) => {
      await work();
      await page.goto('/segments?all=yes');
      await page.getByRole('row').nth(1).waitFor();
    },
  },
  segment: {
    open: async (page) => {
      const { segmentId } = await work();
      await page.goto(`/segments/${segmentId}`);
      await page.getByRole('row').nth(1).waitFor();
    },
  },
  'segment being changed': {
    open: async (page) => {
      const { segmentId } = await work();
      await page.goto(`/segments/${segmentId}?edit=yes`);
      await page.locator('form time').waitFor();
    },
  },
  imports: {
    open: async (page) => {
      await work();
      await page.goto('/imports');
      await page.getByRole('row').nth(1).waitFor();
    },
  },
  'new import': {
    open: async (page) => {
      await page.goto('/imports/new');
      await page.locator('input[type=file]').waitFor();
    },
  },
  'import that was tried': {
    open: async (page) => {
      const { readyId } = await work();
      await page.goto(`/imports/${readyId}`);
      await page.getByRole('table').nth(2).waitFor();
    },
  },
  'import that is done': {
    open: async (page) => {
      const { doneId } = await work();
      await page.goto(`/imports/${doneId}`);
      // The rows that were refused; what was read and tried before is folded.
      await page.locator('[role=table]').waitFor();
    },
  },
  channels: {
    open: async (page) => {
      await work();
      await page.goto('/channels');
      await page.locator('main code').first().waitFor();
    },
  },
  'channel being changed': {
    open: async (page) => {
      const { channelId } = await work();
      await page.goto(`/channels?open=${channelId}`);
      await page.getByRole('dialog').getByRole('textbox').first().waitFor();
    },
  },
};
