import { queryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';

/** How many open dialogs wait for an answer nobody has read; exact up to 10,000. */
export const unreadDialogsQuery = queryOptions({
  queryKey: ['dialogs', 'unread-count'],
  queryFn: async ({ signal }) => {
    const page = await body(
      api.GET('/v1/dialogs', {
        signal,
        params: { query: { state: 'DIALOG_STATE_OPEN', unread: true, pageSize: 1 } },
      }),
    );
    return Number(page.totalSize);
  },
  staleTime: 10_000,
});
