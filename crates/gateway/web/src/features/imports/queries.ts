import { infiniteQueryOptions, type QueryClient, queryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';
import type { Import } from '~/shared/api/types';
import { isWorking } from './progress';

const LOOK_AGAIN_MS = 1_000;

export function importsQuery() {
  return infiniteQueryOptions({
    queryKey: ['imports', 'list'],
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/imports', {
          signal,
          params: { query: { pageSize: 50, ...(pageParam && { pageToken: pageParam }) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
    refetchInterval: (query) =>
      query.state.data?.pages.some((page) => page.imports.some(isWorking)) ? 2 * LOOK_AGAIN_MS : false,
  });
}

/** One import; looked at again every second while something is done with it. */
export function importQuery(id: string) {
  return queryOptions({
    queryKey: ['imports', 'one', id],
    queryFn: ({ signal }) => body(api.GET('/v1/imports/{id}', { signal, params: { path: { id } } })),
    refetchInterval: (query) => (query.state.data && isWorking(query.state.data) ? LOOK_AGAIN_MS : false),
  });
}

/** Shows an import as the server has just answered it. A question that was asked before would answer what was then. */
export function showImport(queryClient: QueryClient, imported: Import): void {
  const { queryKey } = importQuery(imported.id);
  void queryClient.cancelQueries({ queryKey });
  queryClient.setQueryData(queryKey, imported);
}

/** The first rows as they are understood; another reading of the file is another question. */
export function previewQuery(id: string, etag: string) {
  return queryOptions({
    queryKey: ['imports', 'preview', id, etag],
    queryFn: ({ signal }) =>
      body(api.GET('/v1/imports/{id}:preview', { signal, params: { path: { id }, query: { rows: 10 } } })),
    staleTime: 60_000,
  });
}

/** The refused rows of the last run or trial, page by page; `run` tells one run from the next. */
export function refusedQuery(importId: string, run: string) {
  return infiniteQueryOptions({
    queryKey: ['imports', 'refused', importId, run],
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/imports/{importId}/refusedRows', {
          signal,
          // The first rows come soon; whoever goes on reading goes through many.
          params: {
            path: { importId },
            query: pageParam ? { pageSize: 500, pageToken: pageParam } : { pageSize: 100 },
          },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
    staleTime: 60_000,
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
