import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import type { Rule } from '~/shared/api/types';
import { idsIn, type Names } from '~/shared/rules/sentence';
import { useMay } from '~/shared/session';
import { storesQuery, useUserNames } from '~/shared/session/people';

/** The names of the stores and colleagues that a rule speaks of, as far as the reader may know them. */
export function useRuleNames(rule: Rule | undefined): Names {
  const managers = useMemo(() => idsIn(rule, 'customer.manager_id'), [rule]);
  const users = useUserNames(managers);
  const mayStores = useMay('identity.store.read');
  const stores = useQuery({ ...storesQuery, enabled: mayStores && idsIn(rule, 'customer.store_id').length > 0 });
  return useMemo(
    () => new Map([...users, ...(stores.data ?? []).map(({ id, name }): [string, string] => [id, name])]),
    [users, stores.data],
  );
}
