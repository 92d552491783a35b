import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { api, body, setCsrfToken } from '~/shared/api/client';
import type { BrowserSession } from '~/shared/api/types';

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }) => remember(await body(api.GET('/v1/session', { signal }))),
  // Read again when the reader comes back: another tab may have signed in anew, which changes the token.
  staleTime: 30_000,
});

function remember(session: BrowserSession): BrowserSession {
  setCsrfToken(session.csrfToken);
  return session;
}

/** Who is signed in; used below the route that makes sure of it. */
export function useSession(): BrowserSession | undefined {
  return useQuery(sessionQuery).data;
}

/** The permission of those who may do everything. */
const EVERYTHING = '*';

/** Whether the signed-in user may do something (`context.object.action`). */
export function useMay(permission: string): boolean {
  const permissions = useSession()?.permissions ?? [];
  return permissions.includes(EVERYTHING) || permissions.includes(permission);
}

export function useSignIn() {
  const queryClient = useQueryClient();
  return async (login: string, password: string) => {
    const session = await body(api.POST('/v1/session', { body: { login, password } }));
    // Whatever an earlier user saw must not be shown to this one.
    queryClient.clear();
    queryClient.setQueryData(sessionQuery.queryKey, remember(session));
  };
}

export function useSignOut() {
  const queryClient = useQueryClient();
  return async () => {
    await api.DELETE('/v1/session');
    setCsrfToken(undefined);
    queryClient.clear();
  };
}
