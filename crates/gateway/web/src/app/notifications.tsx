import { ActionIcon, Button, Skeleton } from '@mantine/core';
import {
  IconArrowBackUp,
  IconBellOff,
  IconCheck,
  IconCircleCheck,
  IconCircleX,
  IconListCheck,
} from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body } from '~/shared/api/client';
import type { Notification } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { notificationsKey, notificationsQuery, unreadNotificationsQuery } from '~/shared/notifications/queries';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { When } from '~/shared/ui/when';
import classes from './bell.module.css';

const KINDS = {
  NOTIFICATION_KIND_IMPORT_FINISHED: { text: 'bell.importFinished', icon: IconCircleCheck, tone: 'done' },
  NOTIFICATION_KIND_IMPORT_FAILED: { text: 'bell.importFailed', icon: IconCircleX, tone: 'broken' },
  NOTIFICATION_KIND_IMPORT_UNDONE: { text: 'bell.importUndone', icon: IconArrowBackUp, tone: 'idle' },
  NOTIFICATION_KIND_IMPORT_CHECKED: { text: 'bell.importChecked', icon: IconListCheck, tone: 'accent' },
} as const;

/** The figures a notification may carry, in the order in which they are said. */
const COUNTS = [
  'created',
  'updated',
  'unchanged',
  'orders_created',
  'orders_updated',
  'refused',
  'removed',
  'restored',
  'kept',
] as const;

/** The list under the bell. */
export default function Notifications({ unread, onClose }: { unread: number; onClose: () => void }) {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const list = useInfiniteQuery(notificationsQuery);
  const heading = useRef<HTMLHeadingElement>(null);
  const mark = useMutation({
    mutationFn: (which: { ids: string[] } | { all: true }) =>
      body(api.POST('/v1/notifications:markRead', { body: which })),
    onSuccess: ({ unreadCount }) => {
      // The button that was pressed goes away or can no longer be pressed: the focus must not go with it.
      heading.current?.focus();
      queryClient.setQueryData(unreadNotificationsQuery.queryKey, unreadCount);
      void queryClient.invalidateQueries({ queryKey: notificationsKey });
    },
  });
  const entries = (list.data?.pages ?? []).flatMap((page) => page.notifications);

  return (
    <>
      <div className={classes.head}>
        <h2 ref={heading} tabIndex={-1} className={classes.title}>
          {t('bell.title')}
        </h2>
        <Button
          size="compact-sm"
          variant="subtle"
          disabled={unread === 0}
          loading={mark.isPending}
          onClick={() => mark.mutate({ all: true })}
        >
          {t('bell.readAll')}
        </Button>
      </div>
      {list.isPending && <Skeleton height={120} m="md" />}
      {list.isError && entries.length === 0 && (
        <ErrorState title={t('bell.failed')} error={list.error} onRetry={() => void list.refetch()} />
      )}
      {mark.isError && <ErrorState title={t('bell.markFailed')} error={mark.error} />}
      {list.isSuccess && entries.length === 0 && (
        <EmptyState icon={IconBellOff} title={t('bell.none')} text={t('bell.noneText')} />
      )}
      {entries.length > 0 && (
        <ul className={classes.list}>
          {entries.map((entry) => (
            <Entry
              key={entry.id}
              entry={entry}
              onRead={() => mark.mutate({ ids: [entry.id] })}
              onOpen={() => {
                if (!entry.readAt) mark.mutate({ ids: [entry.id] });
                onClose();
              }}
            />
          ))}
          {list.hasNextPage && (
            <li className={classes.foot}>
              <Button
                size="compact-sm"
                variant="default"
                loading={list.isFetchingNextPage}
                onClick={() => void list.fetchNextPage()}
              >
                {t('action.more')}
              </Button>
            </li>
          )}
        </ul>
      )}
    </>
  );
}

type EntryProps = { entry: Notification; onRead: () => void; onOpen: () => void };

function Entry({ entry, onRead, onOpen }: EntryProps) {
  const { t } = useTranslation();
  const format = useFormat();
  const kind = entry.kind === 'NOTIFICATION_KIND_UNSPECIFIED' ? undefined : KINDS[entry.kind];
  const text = t(kind?.text ?? 'bell.something');
  const Icon = kind?.icon ?? IconListCheck;
  const counts = COUNTS.flatMap((name) => {
    const value = Number(entry.counts[name] ?? 0);
    return value > 0 ? [t(`bell.count.${name}`, { count: value, shown: format.number(value) })] : [];
  });
  return (
    <li className={classes.entry} data-unread={entry.readAt ? undefined : true}>
      <Icon size={18} stroke={1.7} aria-hidden className={classes.icon} data-tone={kind?.tone} />
      <div className={classes.text}>
        {kind ? (
          <Link
            to="/imports/$importId"
            params={{ importId: entry.subjectId }}
            className={classes.link}
            onClick={onOpen}
          >
            {text}
          </Link>
        ) : (
          text
        )}
        {counts.length > 0 && <span className={classes.counts}>{counts.join(' · ')}</span>}
        {entry.createdAt && (
          <span className={classes.when}>
            <When at={entry.createdAt} />
          </span>
        )}
      </div>
      {!entry.readAt && (
        <ActionIcon variant="subtle" color="gray" size={24} aria-label={t('bell.read', { text })} onClick={onRead}>
          <IconCheck size={15} aria-hidden />
        </ActionIcon>
      )}
    </li>
  );
}
