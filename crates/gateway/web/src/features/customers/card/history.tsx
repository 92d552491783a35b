import { Button, Modal, Skeleton, Text, VisuallyHidden } from '@mantine/core';
import { IconArrowRight, IconHistoryOff } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { Card, Change } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { useFocusReturn } from '~/shared/ui/use-focus-return';
import classes from './history.module.css';
import { useActorName, useFieldName } from './names';
import { changesQuery } from './queries';

type Props = { customerId: string; people: Card['people']; onClose: () => void };

/** What changed on the customer: who, when, from where, and every field's old and new value. */
export default function History({ customerId, people, onClose }: Props) {
  const { t } = useTranslation(['card', 'common']);
  useFocusReturn();
  const changes = useInfiniteQuery(changesQuery(customerId));
  const list = (changes.data?.pages ?? []).flatMap((page) => page.changes);
  const actorName = useActorName(
    people,
    list.flatMap(({ actor }) => (actor?.kind === 'ACTOR_KIND_USER' ? actor.id : [])),
  );
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={t('history.title')}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
    >
      {changes.isPending && <Skeleton height={240} radius="md" />}
      {changes.isError && list.length === 0 && (
        <ErrorState title={t('history.failed')} error={changes.error} onRetry={() => void changes.refetch()} />
      )}
      {changes.isSuccess && list.length === 0 && <EmptyState icon={IconHistoryOff} title={t('history.none')} />}
      <ol className={classes.list}>
        {list.map((change) => (
          <Entry key={change.id} change={change} actor={actorName(change.actor)} />
        ))}
      </ol>
      {(changes.hasNextPage || changes.isFetchNextPageError) && (
        <Button variant="default" size="xs" loading={changes.isFetching} onClick={() => void changes.fetchNextPage()}>
          {t('more')}
        </Button>
      )}
    </Modal>
  );
}

function Entry({ change, actor }: { change: Change; actor: string }) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const fieldName = useFieldName();
  const origin = change.origin !== 'ORIGIN_UNSPECIFIED' ? t(`origin.${change.origin}`) : '';
  const created = change.kind === 'CHANGE_KIND_CREATED';
  return (
    <li className={classes.change}>
      <div className={classes.head}>
        <strong>{t(created ? 'history.created' : 'history.updated')}</strong>
        <span>{[actor, origin, change.integration].filter(Boolean).join(' · ')}</span>
        {change.recordedAt && <time dateTime={change.recordedAt}>{format.exact(new Date(change.recordedAt))}</time>}
      </div>
      <dl className={classes.fields}>
        {change.fields.map(({ field, oldValues, newValues }) => (
          <div key={field} className={classes.field}>
            <dt>{fieldName(field)}</dt>
            <dd>
              {!created && (
                <>
                  <Values label={t('history.old')} field={field} values={oldValues} />
                  <IconArrowRight size={14} aria-hidden className={classes.arrow} />
                </>
              )}
              <Values label={t('history.new')} field={field} values={newValues} />
            </dd>
          </div>
        ))}
      </dl>
    </li>
  );
}

function Values({ label, field, values }: { label: string; field: string; values: string[] }) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const show = (value: string) => {
    if (field === 'kind' && (value === 'person' || value === 'company')) return t(`kind.${value}`);
    if (field.endsWith('_at') && !Number.isNaN(Date.parse(value))) return format.dateTime(new Date(value));
    return value;
  };
  return (
    <span className={classes.values}>
      <VisuallyHidden>{label}: </VisuallyHidden>
      {values.length > 0 ? (
        values.map((value) => <span key={value}>{show(value)}</span>)
      ) : (
        <Text span size="sm" c="dimmed" fs="italic">
          {t('history.nothing')}
        </Text>
      )}
    </span>
  );
}
