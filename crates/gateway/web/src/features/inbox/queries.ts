import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';
import type { Customer } from '~/shared/api/types';
import type { InboxFilter } from './search';
import type { Thread } from './thread';

const NOBODY = '-';
const PAGE = 50;

/** The dialogs, the one with the latest message first, page by page; each page with the names of its customers. */
export function dialogsQuery(filter: InboxFilter, userId: string, withCustomers: boolean) {
  return infiniteQueryOptions({
    queryKey: ['dialogs', 'list', filter.state, filter.assignee, filter.unread, userId, withCustomers],
    queryFn: ({ signal, pageParam }) => readDialogs(filter, userId, withCustomers, pageParam, signal),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
    staleTime: 2_000,
  });
}

/** A page of dialogs with the names of its customers. */
export type DialogsPage = Awaited<ReturnType<typeof readDialogs>>;

export async function readDialogs(
  filter: InboxFilter,
  userId: string,
  withCustomers: boolean,
  pageToken = '',
  signal?: AbortSignal,
) {
  const page = await body(
    api.GET('/v1/dialogs', {
      ...(signal && { signal }),
      params: {
        query: {
          ...(filter.state !== 'all' && {
            state: filter.state === 'closed' ? ('DIALOG_STATE_CLOSED' as const) : ('DIALOG_STATE_OPEN' as const),
          }),
          ...(filter.assignee && { assigneeId: filter.assignee === 'mine' ? userId : NOBODY }),
          ...(filter.unread && { unread: true }),
          pageSize: PAGE,
          ...(pageToken && { pageToken }),
        },
      },
    }),
  );
  const ids = [...new Set(page.dialogs.map(({ customerId }) => customerId).filter(Boolean))];
  // The list stands without the names when customers cannot be asked.
  const names = withCustomers && ids.length > 0 ? await namesOf(ids, signal).catch(() => NO_NAMES) : NO_NAMES;
  return { ...page, names };
}

const NO_NAMES: ReadonlyMap<string, Customer> = new Map();

async function namesOf(ids: string[], signal?: AbortSignal): Promise<ReadonlyMap<string, Customer>> {
  const { customers } = await body(
    api.GET('/v1/customers:batchGet', { ...(signal && { signal }), params: { query: { ids } } }),
  );
  return new Map(customers.map((customer): [string, Customer] => [customer.id, customer]));
}

export function dialogQuery(id: string) {
  return queryOptions({
    queryKey: ['dialogs', 'one', id],
    queryFn: ({ signal }) => body(api.GET('/v1/dialogs/{id}', { signal, params: { path: { id } } })),
    staleTime: 2_000,
  });
}

/** The newest messages of a dialog; what comes before and after is added to them as it is read. */
export function threadQuery(dialogId: string) {
  return queryOptions({
    queryKey: ['dialogs', 'thread', dialogId],
    queryFn: async ({ signal }): Promise<Thread> => {
      const page = await readMessages(dialogId, { before: undefined }, signal);
      return { messages: page.messages, hasOlder: page.more };
    },
    // Read once; later messages are asked for by their sequence number.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 60_000,
  });
}

/** Messages before a sequence number (the newest without one), or after one; oldest first in any case. */
export function readMessages(
  dialogId: string,
  range: { before: number | undefined } | { after: number },
  signal?: AbortSignal,
) {
  return body(
    api.GET('/v1/dialogs/{dialogId}/messages', {
      ...(signal && { signal }),
      params: {
        path: { dialogId },
        query: {
          pageSize: PAGE,
          ...('after' in range ? { after: String(range.after) } : { before: String(range.before ?? 0) }),
        },
      },
    }),
  );
}

/** The customer of a dialog, with figures and segments. */
export function cardQuery(customerId: string) {
  return queryOptions({
    queryKey: ['customers', 'card', customerId],
    queryFn: ({ signal }) =>
      body(api.GET('/v1/customers/{customerId}/card', { signal, params: { path: { customerId } } })),
  });
}

/** Customers that a visitor may be. */
export function candidatesQuery(words: string) {
  return queryOptions({
    queryKey: ['customers', 'candidates', words],
    queryFn: async ({ signal }) => {
      const page = await body(api.GET('/v1/customers', { signal, params: { query: { query: words, pageSize: 6 } } }));
      return page.customers;
    },
    staleTime: 10_000,
  });
}
