import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';
import type { CustomerMetrics } from '~/shared/api/types';
import { type Filters, filterExpression, orderBy } from './search';

export const PAGE_SIZE = 100;

/** The pages of the list; each goes on where the one before ended. */
export function customersQuery(q: string | undefined, filters: Filters, sort: string | undefined) {
  const query = {
    query: q?.trim() || undefined,
    filter: filterExpression(filters) || undefined,
    orderBy: orderBy(sort),
  };
  return infiniteQueryOptions({
    queryKey: ['customers', 'list', query],
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/customers', {
          signal,
          params: { query: { ...query, pageSize: PAGE_SIZE, pageToken: pageParam || undefined } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
    // Coming back from a card must show the list as it was left, not load all its pages again.
    staleTime: 60_000,
    refetchOnWindowFocus: false,
  });
}

export const figuresKey = ['customer-figures'];

/** The figures of one page of customers, by customer. */
export function figuresQuery(ids: string[]) {
  return queryOptions({
    queryKey: [...figuresKey, ids],
    queryFn: async ({ signal }) => {
      const { metrics } = await body(
        api.GET('/v1/customerMetrics:batchGet', { signal, params: { query: { customerIds: ids } } }),
      );
      return new Map(metrics.map((entry): [string, CustomerMetrics] => [entry.customerId, entry]));
    },
    staleTime: 60_000,
    refetchOnWindowFocus: false,
  });
}
