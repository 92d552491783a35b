import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';
import type { TimelineKind } from '~/shared/api/types';

/** The whole card in one request. */
export function cardQuery(customerId: string) {
  return queryOptions({
    queryKey: ['customers', 'card', customerId],
    queryFn: ({ signal }) =>
      body(api.GET('/v1/customers/{customerId}/card', { signal, params: { path: { customerId } } })),
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
    queryKey: ['customers', 'orders', customerId, firstToken],
    queryFn: ({ signal, pageParam }) =>
      body(api.GET('/v1/orders', { signal, params: { query: { customerId, pageSize: 50, pageToken: pageParam } } })),
    initialPageParam: firstToken,
    getNextPageParam: (page) => page.nextPageToken || undefined,
    staleTime: 60_000,
  });
}

/** The timeline: what follows the entries on the card, or from the start where kinds are chosen. */
export function timelineQuery(customerId: string, firstToken: string, kinds: TimelineKind[]) {
  return infiniteQueryOptions({
    queryKey: ['customers', 'timeline', customerId, firstToken, kinds],
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/customers/{customerId}/timeline', {
          signal,
          params: {
            path: { customerId },
            query: { pageSize: 50, ...(kinds.length > 0 && { kinds }), ...(pageParam && { pageToken: pageParam }) },
          },
        }),
      ),
    initialPageParam: firstToken,
    getNextPageParam: (page) => page.nextPageToken || undefined,
    staleTime: 60_000,
  });
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
