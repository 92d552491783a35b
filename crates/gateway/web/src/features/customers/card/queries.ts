import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';
import type { Card, SendEmailRequest, TimelineKind } from '~/shared/api/types';

const GAP_MS = 5_000;

/** Whether a service was down or late when the card was read. */
function hasGap(card: Card): boolean {
  const { customer, metrics, orders, timeline, people, consents, messages, segments } = card;
  return [customer, metrics, orders, timeline, people, consents, messages, segments].some(
    (section) =>
      section?.status?.state === 'SECTION_STATE_UNAVAILABLE' || section?.status?.state === 'SECTION_STATE_LATE',
  );
}

/** The whole card in one request. */
export function cardQuery(customerId: string) {
  return queryOptions({
    queryKey: ['customers', 'card', customerId],
    queryFn: ({ signal }) =>
      body(api.GET('/v1/customers/{customerId}/card', { signal, params: { path: { customerId } } })),
    // Nothing was heard of changes while the card was not shown.
    staleTime: 0,
    // A service that is back does not say so: as long as a part is missing, the card asks again.
    refetchInterval: ({ state }) => (state.data && hasGap(state.data) ? GAP_MS : false),
  });
}

/** The customer as of a past moment, which no longer changes. */
export function customerAsOfQuery(id: string, asOf: string) {
  return queryOptions({
    queryKey: ['customers', 'as-of', id, asOf],
    queryFn: ({ signal }) => readCustomer(id, { asOf, signal }),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export function readCustomer(id: string, { asOf, signal }: { asOf?: string; signal?: AbortSignal } = {}) {
  return body(
    api.GET('/v1/customers/{id}', {
      ...(signal && { signal }),
      params: { path: { id }, query: { ...(asOf && { asOf }), allPhones: true } },
    }),
  );
}

/** The orders that follow those on the card. */
export function furtherOrdersQuery(customerId: string, firstToken: string) {
  return infiniteQueryOptions({
    queryKey: ['customers', 'orders-older', customerId, firstToken],
    queryFn: ({ signal, pageParam }) =>
      body(api.GET('/v1/orders', { signal, params: { query: { customerId, pageSize: 50, pageToken: pageParam } } })),
    initialPageParam: firstToken,
    getNextPageParam: (page) => page.nextPageToken || undefined,
    staleTime: 60_000,
  });
}

/** The timeline's entries of chosen kinds, from the newest. */
export function timelineOfKindsQuery(customerId: string, kinds: readonly TimelineKind[]) {
  return infiniteQueryOptions({
    queryKey: [...timelineKey(customerId), kinds],
    queryFn: ({ signal, pageParam }) => readTimeline(customerId, pageParam, kinds, signal),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });
}

/** What follows the entries on the card; what is past does not change. */
export function olderTimelineQuery(customerId: string, firstToken: string) {
  return infiniteQueryOptions({
    queryKey: ['customers', 'timeline-older', customerId, firstToken],
    queryFn: ({ signal, pageParam }) => readTimeline(customerId, pageParam, [], signal),
    initialPageParam: firstToken,
    getNextPageParam: (page) => page.nextPageToken || undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export const timelineKey = (customerId: string) => ['customers', 'timeline', customerId];

function readTimeline(customerId: string, pageToken: string, kinds: readonly TimelineKind[], signal: AbortSignal) {
  return body(
    api.GET('/v1/customers/{customerId}/timeline', {
      signal,
      params: {
        path: { customerId },
        query: { pageSize: 50, ...(kinds.length > 0 && { kinds: [...kinds] }), ...(pageToken && { pageToken }) },
      },
    }),
  );
}

export function changesQuery(customerId: string) {
  return infiniteQueryOptions({
    queryKey: ['customers', 'changes', customerId],
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/customers/{customerId}/changes', {
          signal,
          params: { path: { customerId }, query: { pageSize: 50, ...(pageParam && { pageToken: pageParam }) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });
}

export function duplicatesQuery(customerId: string) {
  return infiniteQueryOptions({
    queryKey: ['customers', 'duplicates', customerId],
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/customers/{customerId}/duplicates', {
          signal,
          params: { path: { customerId }, query: { pageSize: 50, ...(pageParam && { pageToken: pageParam }) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });
}

/** Names of the order statuses by their codes; a dictionary that hardly changes. */
export const statusesQuery = queryOptions({
  queryKey: ['order-statuses'],
  queryFn: async ({ signal }) => {
    const { statuses } = await body(api.GET('/v1/orderStatuses', { signal }));
    return new Map(statuses.map((status) => [status.code, status.name]));
  },
  staleTime: 5 * 60_000,
});

/** Names of colleagues by their ids. */
export function usersQuery(ids: string[]) {
  return queryOptions({
    queryKey: ['users', ids],
    queryFn: async ({ signal }) => {
      const { users } = await body(api.GET('/v1/users:batchGet', { signal, params: { query: { ids } } }));
      return new Map(users.map((user) => [user.id, user.displayName]));
    },
    staleTime: 5 * 60_000,
  });
}

export const consentEntriesKey = (customerId: string) => ['customers', 'consent-entries', customerId];

/** The ledger of what the customer agreed to, newest first. */
export function consentEntriesQuery(customerId: string) {
  return infiniteQueryOptions({
    queryKey: consentEntriesKey(customerId),
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/customers/{customerId}/consentEntries', {
          signal,
          params: { path: { customerId }, query: { pageSize: 50, ...(pageParam && { pageToken: pageParam }) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });
}

export const membershipChangesKey = (customerId: string) => ['customers', 'membership-changes', customerId];

/** When and why the customer entered and left segments, newest first. */
export function membershipChangesQuery(customerId: string) {
  return infiniteQueryOptions({
    queryKey: membershipChangesKey(customerId),
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/customers/{customerId}/membershipChanges', {
          signal,
          params: { path: { customerId }, query: { pageSize: 50, ...(pageParam && { pageToken: pageParam }) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });
}

/** The letters that follow those on the card. */
export function olderLettersQuery(customerId: string) {
  return infiniteQueryOptions({
    queryKey: lettersKey(customerId),
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/emails', {
          signal,
          params: { query: { customerId, pageSize: 50, ...(pageParam && { pageToken: pageParam }) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });
}

export const lettersKey = (customerId: string) => ['customers', 'letters', customerId];

/** One letter with its texts. */
export function letterQuery(id: string) {
  return queryOptions({
    queryKey: ['emails', id],
    queryFn: ({ signal }) => body(api.GET('/v1/emails/{id}', { signal, params: { path: { id } } })),
  });
}

/** The templates that are offered. */
export const templatesQuery = queryOptions({
  queryKey: ['email-templates', 'offered'],
  queryFn: async ({ signal }) => {
    const page = await body(api.GET('/v1/emailTemplates', { signal, params: { query: { pageSize: 200 } } }));
    return page.templates;
  },
  staleTime: 60_000,
});

export function templateQuery(id: string) {
  return queryOptions({
    queryKey: ['email-templates', 'one', id],
    queryFn: ({ signal }) => body(api.GET('/v1/emailTemplates/{id}', { signal, params: { path: { id } } })),
    staleTime: 60_000,
  });
}

/** The letter as it would go out; the request is given as JSON, by which it is also known. */
export function previewQuery(request: string) {
  return queryOptions({
    queryKey: ['email-preview', request],
    queryFn: ({ signal }) =>
      body(api.POST('/v1/emails:preview', { signal, body: { email: JSON.parse(request) as SendEmailRequest } })),
    retry: false,
    gcTime: 30_000,
  });
}
