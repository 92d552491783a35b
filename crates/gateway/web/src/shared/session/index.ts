import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api, body, setCsrfToken } from '~/shared/api/client';
import type { BrowserSession } from '~/shared/api/types';
import { forgetDrafts } from '~/shared/lib/drafts';
import { sessionLeft, sessionRenewed } from './expiry';
import { forgetLogin, rememberLogin } from './last-login';

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: async ({ signal }) => remember(await body(api.GET('/v1/session', { signal }))),
  // Read again when the reader comes back: another tab may have signed in anew, which changes the token.
  staleTime: 30_000,
});

/** Whose session the browser has now, asked past everything that is kept; undefined when it has none or cannot be asked. */
export async function readSession(): Promise<BrowserSession | undefined> {
  try {
    return await body(api.GET('/v1/session', { cache: 'no-store' }));
  } catch {
    return undefined;
  }
}

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
  return useMayAsk()(permission);
}

/** Asks whether the signed-in user may do something, for many permissions. */
export function useMayAsk(): (permission: string) => boolean {
  const permissions = useSession()?.permissions ?? [];
  return (permission) => permissions.includes(EVERYTHING) || permissions.includes(permission);
}

export function useSignIn() {
  const queryClient = useQueryClient();
  return async (login: string, password: string) => {
    const session = await postSession(login, password);
    // Whatever an earlier user saw must not be shown to this one.
    queryClient.clear();
    queryClient.setQueryData(sessionQuery.queryKey, remember(session));
    sessionRenewed({ here: true });
  };
}

/** Gets a session without touching the page: the caller sees first whose it is. */
export async function postSession(login: string, password: string): Promise<BrowserSession> {
  const session = await body(api.POST('/v1/session', { body: { login, password } }));
  rememberLogin(session.userId, login);
  return session;
}

/** Goes on with a new session of the same user: what the page holds stays, what waited goes on. */
export function useContinueSession() {
  const queryClient = useQueryClient();
  return (session: BrowserSession, { here }: { here: boolean }) => {
    queryClient.setQueryData(sessionQuery.queryKey, remember(session));
    sessionRenewed({ here });
  };
}

/** Ends the session; what is on the page is left to `useForget`. */
export async function signOut(): Promise<void> {
  await api.DELETE('/v1/session');
  setCsrfToken(undefined);
  sessionLeft();
}

/** Leaves nothing of the user behind in this tab, once no page of theirs is shown any more. */
export function useForget() {
  const queryClient = useQueryClient();
  return useCallback(() => {
    setCsrfToken(undefined);
    forgetLogin();
    forgetDrafts();
    queryClient.clear();
  }, [queryClient]);
}
