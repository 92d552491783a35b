import { Button, Skeleton, Text } from '@mantine/core';
import { IconCircleCheck, IconCircleOff, IconMessageCircle, IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Channel } from '~/shared/api/types';
import { useLiveRefresh } from '~/shared/realtime';
import { useMay } from '~/shared/session';
import { storesQuery } from '~/shared/session/people';
import { useCommands } from '~/shared/ui/commands';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { Mark } from '~/shared/ui/mark';
import { PageHeading } from '~/shared/ui/page-heading';
import { Panel } from '~/shared/ui/panel';
import { lazyPart } from '~/shared/ui/part';
import { useShortcuts } from '~/shared/ui/shortcuts';
import classes from './channels.module.css';
import { channelsQuery } from './queries';
import type { ChannelsSearch } from './search';
import { Snippet } from './snippet';

const ChannelForm = lazyPart(() => import('./channel-form'));
const LIVE = ['channels'];

type Props = { search: ChannelsSearch; onSearch: (search: ChannelsSearch, options: { replace: boolean }) => void };

/** The channels through which customers write, and what makes each of them work. */
export function ChannelList({ search, onSearch }: Props) {
  const { t } = useTranslation('channels');
  const queryClient = useQueryClient();
  const mayWrite = useMay('messaging.channel.write');
  const list = useInfiniteQuery(channelsQuery);
  const channels = (list.data?.pages ?? []).flatMap((page) => page.channels);
  useLiveRefresh(LIVE, () => void queryClient.invalidateQueries({ queryKey: ['channels'] }));

  const create = useCallback(() => onSearch({ open: 'new' }, { replace: false }), [onSearch]);
  const close = useCallback(() => onSearch({}, { replace: true }), [onSearch]);
  useCommands(
    useMemo(
      () =>
        mayWrite
          ? [
              {
                id: 'channel.new',
                group: t('title'),
                label: t('new.title'),
                shortcut: 'N',
                icon: IconPlus,
                run: create,
              },
            ]
          : [],
      [mayWrite, t, create],
    ),
  );
  useShortcuts({ n: () => mayWrite && create() });

  const opened = channels.find(({ id }) => id === search.open);
  return (
    <div className={classes.page}>
      <header className={classes.head}>
        <PageHeading>{t('title')}</PageHeading>
        {mayWrite && (
          <Button
            className={classes.new}
            leftSection={<IconPlus size={16} aria-hidden />}
            onClick={create}
            aria-keyshortcuts="N"
          >
            {t('new.button')}
          </Button>
        )}
      </header>
      {list.isPending ? (
        <Skeleton height={220} radius="md" />
      ) : list.isError && channels.length === 0 ? (
        <ErrorState title={t('failed')} error={list.error} onRetry={() => void list.refetch()} />
      ) : channels.length === 0 ? (
        <EmptyState
          icon={IconMessageCircle}
          title={t('empty')}
          text={t('emptyText')}
          action={mayWrite ? <Button onClick={create}>{t('new.title')}</Button> : undefined}
        />
      ) : (
        channels.map((channel) => (
          <ChannelPanel
            key={channel.id}
            channel={channel}
            onEdit={mayWrite ? () => onSearch({ open: channel.id }, { replace: false }) : undefined}
          />
        ))
      )}
      {list.hasNextPage && (
        <Button
          size="compact-sm"
          variant="default"
          loading={list.isFetchingNextPage}
          onClick={() => void list.fetchNextPage()}
        >
          {t('more')}
        </Button>
      )}
      {mayWrite && (search.open === 'new' || opened) && (
        <ChannelForm key={search.open} channel={search.open === 'new' ? undefined : opened} onClose={close} />
      )}
    </div>
  );
}

function ChannelPanel({ channel, onEdit }: { channel: Channel; onEdit: (() => void) | undefined }) {
  const { t } = useTranslation('channels');
  const mayStores = useMay('identity.store.read');
  const stores = useQuery({ ...storesQuery, enabled: mayStores && channel.storeId !== '' });
  const store = stores.data?.find(({ id }) => id === channel.storeId)?.name;
  return (
    <Panel
      title={channel.name}
      aside={
        <>
          <Mark tone={channel.active ? 'done' : 'idle'} icon={channel.active ? IconCircleCheck : IconCircleOff}>
            {t(channel.active ? 'state.on' : 'state.off')}
          </Mark>
          {onEdit && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={onEdit}
              aria-label={t('edit.of', { name: channel.name })}
            >
              {t('edit.button')}
            </Button>
          )}
        </>
      }
    >
      <dl className={classes.facts}>
        <dt>{t('field.kind')}</dt>
        <dd>{t('kind.widget')}</dd>
        <dt>{t('field.origins')}</dt>
        <dd>{channel.allowedOrigins.length > 0 ? channel.allowedOrigins.join(', ') : t('anyOrigin')}</dd>
        {store && (
          <>
            <dt>{t('field.store')}</dt>
            <dd>{store}</dd>
          </>
        )}
        <dt>{t('field.greeting')}</dt>
        <dd>{channel.greeting || t('noGreeting')}</dd>
      </dl>
      <Text size="sm" fw={600} mt="sm">
        {t('snippet.title')}
      </Text>
      <Text size="xs" c="dimmed" mb={4}>
        {t('snippet.text')}
      </Text>
      <Snippet siteKey={channel.siteKey} />
    </Panel>
  );
}
