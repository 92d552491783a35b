import { Button, Checkbox, Skeleton } from '@mantine/core';
import { IconPlus, IconUsersGroup } from '@tabler/icons-react';
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat } from '~/shared/lib/use-format';
import { useLiveRefresh } from '~/shared/realtime';
import { useMay } from '~/shared/session';
import { useCommands } from '~/shared/ui/commands';
import { DataTable } from '~/shared/ui/data-table';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { useShortcuts } from '~/shared/ui/shortcuts';
import { When } from '~/shared/ui/when';
import { segmentsQuery } from './queries';
import type { SegmentsSearch } from './search';
import { SegmentState } from './segment-state';
import classes from './segments.module.css';

const LIVE = ['segments'];

type Props = { search: SegmentsSearch; onSearch: (search: SegmentsSearch) => void };

/** All segments with how many belong to them now. */
export function SegmentList({ search, onSearch }: Props) {
  const { t } = useTranslation(['segments', 'common']);
  const format = useFormat();
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const mayWrite = useMay('campaigns.segment.write');
  const list = useInfiniteQuery(segmentsQuery(search.all === 'yes'));
  const segments = (list.data?.pages ?? []).flatMap((page) => page.segments);
  useLiveRefresh(LIVE, () => void queryClient.invalidateQueries({ queryKey: ['segments', 'list'] }));

  const create = useMemo(() => () => void navigate({ to: '/segments/new' }), [navigate]);
  useCommands(
    useMemo(
      () =>
        mayWrite
          ? [
              {
                id: 'segment.new',
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

  return (
    <div className={classes.page}>
      <header className={classes.head}>
        <PageHeading>{t('title')}</PageHeading>
        <div className={classes.tools}>
          <Checkbox
            label={t('showAway')}
            checked={search.all === 'yes'}
            onChange={(event) => onSearch(event.currentTarget.checked ? { all: 'yes' } : {})}
          />
          {mayWrite && (
            <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={create} aria-keyshortcuts="N">
              {t('new.button')}
            </Button>
          )}
        </div>
      </header>
      {list.isPending ? (
        <Skeleton height={220} radius="md" />
      ) : list.isError && segments.length === 0 ? (
        <ErrorState title={t('failed')} error={list.error} onRetry={() => void list.refetch()} />
      ) : segments.length === 0 ? (
        <EmptyState
          icon={IconUsersGroup}
          title={t('empty')}
          text={t('emptyText')}
          action={mayWrite ? <Button onClick={create}>{t('new.title')}</Button> : undefined}
        />
      ) : (
        <div className={classes.card}>
          <DataTable label={t('title')}>
            <thead>
              <tr>
                <th scope="col">{t('field.name')}</th>
                <th scope="col" data-numeric>
                  {t('members.title')}
                </th>
                <th scope="col">{t('field.state')}</th>
                <th scope="col" data-wide>
                  {t('field.changed')}
                </th>
              </tr>
            </thead>
            <tbody>
              {segments.map((segment) => (
                <tr key={segment.id}>
                  <th scope="row">
                    <Link to="/segments/$segmentId" params={{ segmentId: segment.id }} className={classes.name}>
                      {segment.name}
                    </Link>
                    {segment.description && <div className={classes.description}>{segment.description}</div>}
                  </th>
                  <td data-numeric>{format.number(BigInt(segment.memberCount))}</td>
                  <td>
                    <SegmentState segment={segment} />
                  </td>
                  <td data-wide>{segment.updatedAt && <When at={segment.updatedAt} />}</td>
                </tr>
              ))}
            </tbody>
          </DataTable>
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
        </div>
      )}
    </div>
  );
}
