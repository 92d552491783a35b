import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';
import type { Customer, RuleInput } from '~/shared/api/types';

const MEMBERS = 100;

/** The segments by name, page by page. */
export function segmentsQuery(includeInactive: boolean) {
  return infiniteQueryOptions({
    queryKey: ['segments', 'list', includeInactive],
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/segments', {
          signal,
          params: { query: { includeInactive, pageSize: 100, ...(pageParam && { pageToken: pageParam }) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });
}

export function segmentQuery(id: string) {
  return queryOptions({
    queryKey: ['segments', 'one', id],
    queryFn: ({ signal }) => body(api.GET('/v1/segments/{id}', { signal, params: { path: { id } } })),
  });
}

/** The fields that rules may ask for; they change with releases only. */
export const fieldsQuery = queryOptions({
  queryKey: ['segment-fields'],
  queryFn: async ({ signal }) => (await body(api.GET('/v1/segmentFields', { signal }))).fields,
  staleTime: 10 * 60_000,
});

/** How many customers a rule would hold. */
export function countQuery(rule: RuleInput) {
  return queryOptions({
    queryKey: ['segments', 'count', rule],
    queryFn: ({ signal }) => body(api.POST('/v1/segments:count', { signal, body: { rule } })),
    staleTime: 30_000,
    retry: false,
  });
}

/** The members page by page, each with the customer's record as far as the reader may see it. */
export function membersQuery(segmentId: string, withCustomers: boolean) {
  return infiniteQueryOptions({
    queryKey: ['segments', 'members', segmentId, withCustomers],
    queryFn: async ({ signal, pageParam }) => {
      const page = await body(
        api.GET('/v1/segments/{segmentId}/members', {
          signal,
          params: { path: { segmentId }, query: { pageSize: MEMBERS, ...(pageParam && { pageToken: pageParam }) } },
        }),
      );
      const ids = page.members.map(({ customerId }) => customerId);
      const known =
        withCustomers && ids.length > 0
          ? await body(api.GET('/v1/customers:batchGet', { signal, params: { query: { ids } } }))
          : { customers: [] };
      const customers = new Map(known.customers.map((customer): [string, Customer] => [customer.id, customer]));
      return {
        members: page.members.map((member) => ({ ...member, customer: customers.get(member.customerId) })),
        nextPageToken: page.nextPageToken,
      };
    },
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
    staleTime: 30_000,
  });
}
