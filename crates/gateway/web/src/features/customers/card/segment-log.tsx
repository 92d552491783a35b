import { Button, Modal, Skeleton } from '@mantine/core';
import { IconCircleCheck, IconCircleMinus, IconCirclePlus, IconCircleX, IconHistoryOff } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { MembershipChange } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { useReasonText } from '~/shared/rules/reason';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { Mark } from '~/shared/ui/mark';
import { useFocusReturn } from '~/shared/ui/use-focus-return';
import { membershipChangesQuery } from './queries';
import classes from './segment-log.module.css';

type Props = { customerId: string; onClose: () => void };

/** When the customer entered and left segments, what set it off, and why, with the values of then. */
export default function SegmentLog({ customerId, onClose }: Props) {
  const { t } = useTranslation(['card', 'common']);
  useFocusReturn();
  const log = useInfiniteQuery(membershipChangesQuery(customerId));
  const changes = (log.data?.pages ?? []).flatMap((page) => page.changes);
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={t('segments.logTitle')}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
    >
      {log.isPending && <Skeleton height={160} radius="md" />}
      {log.isError && changes.length === 0 && (
        <ErrorState title={t('segments.logFailed')} error={log.error} onRetry={() => void log.refetch()} />
      )}
      {log.isSuccess && changes.length === 0 && <EmptyState icon={IconHistoryOff} title={t('segments.never')} />}
      <ol className={classes.list}>
        {changes.map((change) => (
          <Entry key={change.id} change={change} />
        ))}
      </ol>
      {(log.hasNextPage || log.isFetchNextPageError) && (
        <Button variant="default" size="xs" loading={log.isFetching} onClick={() => void log.fetchNextPage()}>
          {t('more')}
        </Button>
      )}
    </Modal>
  );
}

function Entry({ change }: { change: MembershipChange }) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const reasonText = useReasonText('then');
  const { segmentId, segmentName, entered, changedAt, cause, reasons } = change;
  return (
    <li className={classes.change}>
      <div className={classes.head}>
        <Mark tone={entered ? 'done' : 'idle'} icon={entered ? IconCirclePlus : IconCircleMinus}>
          {t(entered ? 'segments.entered' : 'segments.left')}
        </Mark>
        <Link to="/segments/$segmentId" params={{ segmentId }}>
          {segmentName}
        </Link>
      </div>
      <div className={classes.by}>
        {cause !== 'MEMBERSHIP_CAUSE_UNSPECIFIED' && t(`segments.cause.${cause}`)}
        {changedAt && (
          <>
            {' · '}
            <time dateTime={changedAt}>{format.exact(new Date(changedAt))}</time>
          </>
        )}
      </div>
      {reasons.length > 0 && (
        <ul className={classes.reasons} aria-label={t('segments.whyThen', { name: segmentName })}>
          {reasons.map((reason, index) => {
            const Icon = reason.holds ? IconCircleCheck : IconCircleX;
            return (
              // biome-ignore lint/suspicious/noArrayIndexKey: the reasons stand in the rule's order, and one may stand twice
              <li key={index}>
                <Icon
                  size={13}
                  stroke={2}
                  aria-hidden
                  className={classes.icon}
                  data-holds={reason.holds || undefined}
                />
                {reasonText(reason)}
              </li>
            );
          })}
        </ul>
      )}
    </li>
  );
}
