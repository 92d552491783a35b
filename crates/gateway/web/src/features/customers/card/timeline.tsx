import { Button, SegmentedControl, Text } from '@mantine/core';
import {
  IconCreditCardRefund,
  IconHistoryOff,
  IconPencil,
  IconShoppingCart,
  IconStatusChange,
  IconUserPlus,
} from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Card, TimelineEntry, TimelineKind } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { EmptyState } from '~/shared/ui/empty-state';
import { useErrorText } from '~/shared/ui/error-state';
import { When } from '~/shared/ui/when';
import { useActorName, useFieldName } from './names';
import paged from './paged.module.css';
import { timelineQuery } from './queries';
import classes from './timeline.module.css';

const ICONS: Record<TimelineKind, typeof IconPencil> = {
  TIMELINE_KIND_UNSPECIFIED: IconPencil,
  TIMELINE_KIND_CUSTOMER_CREATED: IconUserPlus,
  TIMELINE_KIND_CUSTOMER_UPDATED: IconPencil,
  TIMELINE_KIND_ORDER_PLACED: IconShoppingCart,
  TIMELINE_KIND_ORDER_STATUS_CHANGED: IconStatusChange,
  TIMELINE_KIND_CREDIT_NOTE_ISSUED: IconCreditCardRefund,
};

const FILTERS = {
  all: [],
  orders: ['TIMELINE_KIND_ORDER_PLACED', 'TIMELINE_KIND_ORDER_STATUS_CHANGED'],
  refunds: ['TIMELINE_KIND_CREDIT_NOTE_ISSUED'],
  changes: ['TIMELINE_KIND_CUSTOMER_CREATED', 'TIMELINE_KIND_CUSTOMER_UPDATED'],
} as const satisfies Record<string, readonly TimelineKind[]>;
type Filter = keyof typeof FILTERS;

type Props = { customerId: string; section: Card['timeline']; people: Card['people'] };

/** What happened with the customer, newest first: what came with the card, then page by page. */
export function Timeline({ customerId, section, people }: Props) {
  const { t } = useTranslation('card');
  const textOf = useErrorText();
  const [filter, setFilter] = useState<Filter>('all');
  const [wanted, setWanted] = useState(false);
  const all = filter === 'all';
  const firstToken = all ? (section?.nextPageToken ?? '') : '';
  const further = useInfiniteQuery({
    ...timelineQuery(customerId, firstToken, [...FILTERS[filter]]),
    enabled: all ? wanted && firstToken !== '' : true,
  });
  const loaded = (further.data?.pages ?? []).flatMap((page) => page.entries);
  const entries = all ? [...(section?.entries ?? []), ...(firstToken ? loaded : [])] : loaded;
  const hasMore = all ? firstToken !== '' && (further.data === undefined || further.hasNextPage) : further.hasNextPage;
  const more = () => {
    if (!all || wanted) void (further.isError && !further.data ? further.refetch() : further.fetchNextPage());
    else setWanted(true);
  };

  return (
    <>
      <SegmentedControl
        size="xs"
        aria-label={t('timeline.filter')}
        value={filter}
        onChange={(value) => setFilter(value as Filter)}
        data={(Object.keys(FILTERS) as Filter[]).map((value) => ({ value, label: t(`timeline.${value}`) }))}
        className={classes.filter}
      />
      {entries.length === 0 && !further.isFetching && <EmptyState icon={IconHistoryOff} title={t('timeline.none')} />}
      <Days entries={entries} people={people} />
      <div className={paged.foot}>
        {further.isError && (
          <Text size="xs" c="var(--mantine-color-error)" role="alert">
            {textOf(further.error)}
          </Text>
        )}
        {(hasMore || (further.isError && !all)) && (
          <Button size="compact-sm" variant="default" loading={further.isFetching} onClick={more}>
            {t('more')}
          </Button>
        )}
      </div>
    </>
  );
}

function Days({ entries, people }: { entries: TimelineEntry[]; people: Card['people'] }) {
  const format = useFormat();
  const days = new Map<string, TimelineEntry[]>();
  for (const entry of entries) {
    const day = entry.occurredAt ? format.day(new Date(entry.occurredAt)) : '';
    days.set(day, [...(days.get(day) ?? []), entry]);
  }
  return [...days].map(([day, ofDay]) => (
    <section key={day} className={classes.day} aria-label={day}>
      <h3 className={classes.date}>{day}</h3>
      <ul className={classes.entries}>
        {ofDay.map((entry) => (
          <Entry key={entry.id} entry={entry} people={people} />
        ))}
      </ul>
    </section>
  ));
}

function Entry({ entry, people }: { entry: TimelineEntry; people: Card['people'] }) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const actorName = useActorName(people);
  const fieldName = useFieldName();
  const { kind } = entry;
  const Icon = ICONS[kind];
  const fields = entry.changedFields.map(fieldName).join(', ');
  const texts: Record<TimelineKind, () => string> = {
    TIMELINE_KIND_UNSPECIFIED: () => t('timeline.something'),
    TIMELINE_KIND_CUSTOMER_CREATED: () => t('timeline.created'),
    TIMELINE_KIND_CUSTOMER_UPDATED: () => (fields ? t('timeline.updatedFields', { fields }) : t('timeline.updated')),
    TIMELINE_KIND_ORDER_PLACED: () => t('timeline.orderPlaced'),
    TIMELINE_KIND_ORDER_STATUS_CHANGED: () => t('timeline.orderStatus', { status: entry.status }),
    TIMELINE_KIND_CREDIT_NOTE_ISSUED: () => t('timeline.refund'),
  };
  const by = [actorName(entry.actor), entry.origin !== 'ORIGIN_UNSPECIFIED' ? t(`origin.${entry.origin}`) : '']
    .filter(Boolean)
    .join(' · ');
  return (
    <li className={classes.entry}>
      <Icon size={16} stroke={1.7} aria-hidden className={classes.icon} />
      <span className={classes.text}>
        {texts[kind]()}
        {by && <span className={classes.by}>{by}</span>}
      </span>
      {entry.amount && (
        <span className={classes.amount}>
          {kind === 'TIMELINE_KIND_CREDIT_NOTE_ISSUED' && '−'}
          {format.money(entry.amount)}
        </span>
      )}
      {entry.occurredAt && <When at={entry.occurredAt} show="time" className={classes.when} />}
    </li>
  );
}
