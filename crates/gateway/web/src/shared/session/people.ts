import { queryOptions, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { api, body } from '~/shared/api/client';
import { useMay } from '~/shared/session';

/** Colleagues and stores offered in a choice: more than these are not looked for. */
const OFFERED = 500;

/** Names of colleagues by their ids. */
export function userNamesQuery(ids: string[]) {
  return queryOptions({
    queryKey: ['users', ids],
    queryFn: async ({ signal }) => {
      const { users } = await body(api.GET('/v1/users:batchGet', { signal, params: { query: { ids } } }));
      return new Map(users.map((user) => [user.id, user.displayName]));
    },
    staleTime: 5 * 60_000,
  });
}

/** The colleagues who may be chosen. */
export const colleaguesQuery = queryOptions({
  queryKey: ['users', 'offered'],
  queryFn: async ({ signal }) => {
    const { users } = await body(api.GET('/v1/users', { signal, params: { query: { pageSize: OFFERED } } }));
    return users
      .filter(({ state }) => state === 'USER_STATE_ACTIVE')
      .map(({ id, displayName }) => ({ id, name: displayName }))
      .sort((a, b) => a.name.localeCompare(b.name));
  },
  staleTime: 60_000,
});

/** The stores that may be chosen. */
export const storesQuery = queryOptions({
  queryKey: ['stores', 'offered'],
  queryFn: async ({ signal }) => {
    const { stores } = await body(api.GET('/v1/stores', { signal, params: { query: { pageSize: OFFERED } } }));
    return stores.filter(({ active }) => active).map(({ id, name }) => ({ id, name }));
  },
  staleTime: 60_000,
});

/** The names of these colleagues, as far as the reader may know them. */
export function useUserNames(ids: readonly string[]): ReadonlyMap<string, string> {
  const mayRead = useMay('identity.user.read');
  // In one order: the same people are the same question.
  const wanted = useMemo(() => [...new Set(ids)].filter(Boolean).sort().slice(0, 100), [ids]);
  const names = useQuery({ ...userNamesQuery(wanted), enabled: mayRead && wanted.length > 0 });
  return names.data ?? NOBODY;
}

const NOBODY: ReadonlyMap<string, string> = new Map();
