import { Alert, Button, Skeleton, Text } from '@mantine/core';
import { IconArchive, IconArrowBackUp, IconPencil, IconUsersGroup } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body, idempotencyKey } from '~/shared/api/client';
import { ApiError } from '~/shared/api/problem';
import type { Segment } from '~/shared/api/types';
import { useCustomerName } from '~/shared/lib/use-customer-name';
import { useFormat } from '~/shared/lib/use-format';
import { useLiveRefresh } from '~/shared/realtime';
import { useRuleSentence } from '~/shared/rules/sentence';
import { useMay } from '~/shared/session';
import { useCommands } from '~/shared/ui/commands';
import { DataTable } from '~/shared/ui/data-table';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState, useErrorText } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { PageHeading } from '~/shared/ui/page-heading';
import { Panel } from '~/shared/ui/panel';
import { lazyPart } from '~/shared/ui/part';
import { When } from '~/shared/ui/when';
import { membersQuery, segmentQuery } from './queries';
import type { SegmentSearch } from './search';
import { SegmentState } from './segment-state';
import classes from './segments.module.css';
import { useRuleNames } from './use-rule-names';

const SegmentEditor = lazyPart(() => import('./segment-editor'), {
  waiting: <Skeleton m="md" height={320} radius="md" />,
});
const LIVE = ['segments'];

type Props = {
  segmentId: string;
  search: SegmentSearch;
  onSearch: (search: SegmentSearch, options: { replace: boolean }) => void;
};

/** One segment: its rule in words, how many belong to it, and who. */
export function SegmentPage({ segmentId, search, onSearch }: Props) {
  const { t } = useTranslation('segments');
  const queryClient = useQueryClient();
  const mayWrite = useMay('campaigns.segment.write');
  const found = useQuery(segmentQuery(segmentId));
  const segment = found.data;
  useLiveRefresh(
    LIVE,
    () => {
      void queryClient.invalidateQueries({ queryKey: ['segments', 'one', segmentId] });
      void queryClient.invalidateQueries({ queryKey: ['segments', 'members', segmentId] });
    },
    1_000,
  );
  const editing = search.edit === 'yes' && mayWrite;

  useCommands(
    useMemo(
      () =>
        mayWrite
          ? [
              {
                id: 'segment.edit',
                group: t('title'),
                label: t('edit.title'),
                icon: IconPencil,
                run: () => onSearch({ edit: 'yes' }, { replace: false }),
              },
            ]
          : [],
      [mayWrite, t, onSearch],
    ),
  );

  const back = (
    <Link to="/segments" className={classes.back}>
      ‹ {t('title')}
    </Link>
  );
  if (found.isPending) return <Skeleton m="md" height={320} radius="md" />;
  if (!segment) {
    const missing = found.error instanceof ApiError && found.error.isMissing;
    return (
      <div className={classes.page}>
        {back}
        <PageHeading>{t(missing ? 'missing' : 'title')}</PageHeading>
        <ErrorState
          title={t(missing ? 'missing' : 'oneFailed')}
          error={found.error}
          onRetry={() => void found.refetch()}
        />
      </div>
    );
  }
  if (editing) {
    return (
      <SegmentEditor
        segment={segment}
        onCancel={() => onSearch({}, { replace: true })}
        onSaved={() => onSearch({}, { replace: true })}
      />
    );
  }
  return (
    <div className={classes.page}>
      {back}
      <header className={classes.head}>
        <PageHeading>{segment.name}</PageHeading>
        <SegmentState segment={segment} />
        {mayWrite && (
          <div className={classes.tools}>
            <Button
              size="xs"
              variant="default"
              leftSection={<IconPencil size={15} aria-hidden />}
              onClick={() => onSearch({ edit: 'yes' }, { replace: false })}
            >
              {t('edit.button')}
            </Button>
            <PutAway segment={segment} />
          </div>
        )}
      </header>
      {segment.description && (
        <Text size="sm" c="dimmed">
          {segment.description}
        </Text>
      )}
      {!segment.active && (
        <Alert variant="outline" color="gray" icon={<IconArchive size={18} aria-hidden />}>
          {t('awayText')}
        </Alert>
      )}
      <Panel title={t('rule.title')}>
        <RuleSentence segment={segment} />
      </Panel>
      <Members segment={segment} />
    </div>
  );
}

function RuleSentence({ segment }: { segment: Segment }) {
  const sentence = useRuleSentence(useRuleNames(segment.rule));
  return <p className={classes.sentence}>{sentence(segment.rule)}</p>;
}

/** Puts the segment away, or back into use: nothing is lost, so nothing is asked first. */
function PutAway({ segment }: { segment: Segment }) {
  const { t } = useTranslation('segments');
  const queryClient = useQueryClient();
  const textOf = useErrorText();
  const change = useMutation({
    mutationFn: () =>
      body(
        api.PATCH('/v1/segments/{id}', {
          params: { path: { id: segment.id }, query: { updateMask: 'active' } },
          headers: { 'Idempotency-Key': idempotencyKey() },
          body: { id: segment.id, etag: segment.etag, active: !segment.active },
        }),
      ),
    onSuccess: (changed) => {
      queryClient.setQueryData(segmentQuery(segment.id).queryKey, changed);
      announce(t(changed.active ? 'broughtBack' : 'putAway', { name: changed.name }));
    },
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['segments'] }),
  });
  const Icon = segment.active ? IconArchive : IconArrowBackUp;
  return (
    <>
      <Button
        size="xs"
        variant="default"
        leftSection={<Icon size={15} aria-hidden />}
        loading={change.isPending}
        onClick={() => change.mutate()}
      >
        {t(segment.active ? 'action.putAway' : 'action.bringBack')}
      </Button>
      {change.isError && (
        <Text size="xs" c="var(--mantine-color-error)" role="alert">
          {textOf(change.error)}
        </Text>
      )}
    </>
  );
}

function Members({ segment }: { segment: Segment }) {
  const { t } = useTranslation('segments');
  const format = useFormat();
  const nameOf = useCustomerName();
  const mayRead = useMay('customers.customer.read');
  const pages = useInfiniteQuery(membersQuery(segment.id, mayRead));
  const members = (pages.data?.pages ?? []).flatMap((page) => page.members);
  const count = Number(segment.memberCount);
  return (
    <Panel
      title={t('members.title')}
      aside={<span>{t('members.count', { count, shown: format.number(BigInt(segment.memberCount)) })}</span>}
    >
      {pages.isPending && <Skeleton height={160} radius="md" />}
      {pages.isError && members.length === 0 && (
        <ErrorState title={t('members.failed')} error={pages.error} onRetry={() => void pages.refetch()} />
      )}
      {pages.isSuccess && members.length === 0 && <EmptyState icon={IconUsersGroup} title={t('members.none')} />}
      {members.length > 0 && (
        <DataTable label={t('members.title')}>
          <thead>
            <tr>
              <th scope="col">{t('members.customer')}</th>
              <th scope="col">{t('members.since')}</th>
              <th scope="col" data-wide>
                {t('members.next')}
              </th>
            </tr>
          </thead>
          <tbody>
            {members.map((member) => (
              <tr key={member.customerId}>
                <th scope="row">
                  <Link to="/customers/$customerId" params={{ customerId: member.customerId }}>
                    {nameOf(member.customer)}
                  </Link>
                </th>
                <td>{member.enteredAt && <When at={member.enteredAt} />}</td>
                <td data-wide>{member.nextChangeAt ? <When at={member.nextChangeAt} /> : t('members.onEvents')}</td>
              </tr>
            ))}
          </tbody>
        </DataTable>
      )}
      {(pages.hasNextPage || pages.isFetchNextPageError) && (
        <Button
          className={classes.foot}
          size="compact-sm"
          variant="default"
          loading={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          {t('more')}
        </Button>
      )}
    </Panel>
  );
}
