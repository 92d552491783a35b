import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';

export const notificationsKey = ['notifications'];

/** How many of the reader's notifications are not read. */
export const unreadNotificationsQuery = queryOptions({
  queryKey: [...notificationsKey, 'unread'],
  queryFn: async ({ signal }) => {
    const page = await body(api.GET('/v1/notifications', { signal, params: { query: { unread: true, pageSize: 1 } } }));
    return page.unreadCount;
  },
  staleTime: 30_000,
});

/** The reader's notifications, newest first. */
export const notificationsQuery = infiniteQueryOptions({
  queryKey: [...notificationsKey, 'list'],
  queryFn: ({ signal, pageParam }) =>
    body(
      api.GET('/v1/notifications', {
        signal,
        params: { query: { pageSize: 20, ...(pageParam && { pageToken: pageParam }) } },
      }),
    ),
  initialPageParam: '',
  getNextPageParam: (page) => page.nextPageToken || undefined,
});
