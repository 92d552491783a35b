import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';
import type { SendState } from '~/shared/api/types';
import { isHeld } from './outbox/release';

export const mailboxKey = ['mailbox'];

/** The captured letters, newest first. */
export const mailboxQuery = infiniteQueryOptions({
  queryKey: [...mailboxKey, 'list'],
  queryFn: ({ signal, pageParam }) =>
    body(
      api.GET('/v1/mailbox', {
        signal,
        params: { query: { pageSize: 50, ...(pageParam && { pageToken: pageParam }) } },
      }),
    ),
  initialPageParam: '',
  getNextPageParam: (page) => page.nextPageToken || undefined,
});

/** One captured letter as it would have gone out; it does not change. */
export function capturedQuery(id: string) {
  return queryOptions({
    queryKey: ['mailbox-letter', id],
    queryFn: ({ signal }) => body(api.GET('/v1/mailbox/{id}', { signal, params: { path: { id } } })),
    staleTime: Number.POSITIVE_INFINITY,
  });
}

export const outboxKey = ['outbox'];

/** The letters in these states, the newest first. */
export function outboxQuery(states: readonly SendState[]) {
  return infiniteQueryOptions({
    queryKey: [...outboxKey, 'list', states],
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/emails', {
          signal,
          params: { query: { states: [...states], pageSize: 50, ...(pageParam && { pageToken: pageParam }) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });
}

/** Whether any letter is held since a restore. */
export const anyHeldQuery = queryOptions({
  queryKey: [...outboxKey, 'any-held'],
  queryFn: async ({ signal }) => {
    // Letters without a fate are few but after a restore, and then those are the newest of them.
    const query = { states: ['SEND_STATE_UNKNOWN' as const], pageSize: 200 };
    const page = await body(api.GET('/v1/emails', { signal, params: { query } }));
    return page.emails.some(isHeld);
  },
});

export const templatesKey = ['email-templates'];

/** The templates by name, those put away too where they are asked for. */
export function allTemplatesQuery(includeInactive: boolean) {
  return infiniteQueryOptions({
    queryKey: [...templatesKey, 'list', includeInactive],
    queryFn: ({ signal, pageParam }) =>
      body(
        api.GET('/v1/emailTemplates', {
          signal,
          params: { query: { pageSize: 100, includeInactive, ...(pageParam && { pageToken: pageParam }) } },
        }),
      ),
    initialPageParam: '',
    getNextPageParam: (page) => page.nextPageToken || undefined,
  });
}

export function templateQuery(id: string) {
  return queryOptions({
    queryKey: [...templatesKey, 'one', id],
    queryFn: ({ signal }) => body(api.GET('/v1/emailTemplates/{id}', { signal, params: { path: { id } } })),
    refetchOnWindowFocus: false,
  });
}
