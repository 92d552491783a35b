import { useQuery } from '@tanstack/react-query';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import type { Actor, Card } from '~/shared/api/types';
import { useMay, useSession } from '~/shared/session';
import { usersQuery } from './queries';

const FIELDS = [
  'display_name',
  'phones',
  'emails',
  'country',
  'manager_id',
  'store_id',
  'references',
  'kind',
  'registered_at',
  'created_at',
  'updated_at',
] as const;

/** The name of a field as people call it; an unknown one as the server calls it. */
export function useFieldName(): (field: string) => string {
  const { t } = useTranslation('card');
  return useCallback(
    (field) => {
      const snake = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
      const known = FIELDS.find((name) => name === snake);
      return known ? t(`field.${known}`) : field;
    },
    [t],
  );
}

/** Who did something: the reader, a colleague by name, a program, one of our services. */
export function useActorName(people: Card['people'], ids: string[] = []): (actor: Actor | undefined) => string {
  const { t } = useTranslation('card');
  const session = useSession();
  const mayRead = useMay('identity.user.read');
  const known = new Map((people?.people ?? []).map(({ userId, displayName }) => [userId, displayName]));
  const unknown = [...new Set(ids)].filter((id) => id && id !== session?.userId && !known.has(id)).sort();
  const users = useQuery({ ...usersQuery(unknown), enabled: mayRead && unknown.length > 0 });
  return (actor) => {
    switch (actor?.kind) {
      case 'ACTOR_KIND_USER': {
        const { id } = actor;
        if (id === session?.userId) return t('actor.you');
        return known.get(id) || users.data?.get(id) || t('actor.user');
      }
      case 'ACTOR_KIND_API_KEY':
        return t('actor.apiKey');
      case 'ACTOR_KIND_SERVICE':
        return t('actor.service', { name: actor.id });
      default:
        return '';
    }
  };
}
