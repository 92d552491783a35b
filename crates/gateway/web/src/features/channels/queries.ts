import { infiniteQueryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';

/** The channels by name, page by page. */
export const channelsQuery = infiniteQueryOptions({
  queryKey: ['channels', 'list'],
  queryFn: ({ signal, pageParam }) =>
    body(
      api.GET('/v1/channels', {
        signal,
        params: { query: { pageSize: 100, ...(pageParam && { pageToken: pageParam }) } },
      }),
    ),
  initialPageParam: '',
  getNextPageParam: (page) => page.nextPageToken || undefined,
});
