import '@mantine/core/styles/Chip.layer.css';
import { Button, Chip, Text, UnstyledButton } from '@mantine/core';
import {
  IconCircleMinus,
  IconCirclePlus,
  IconCreditCardRefund,
  IconHistoryOff,
  IconMail,
  IconMessages,
  IconPencil,
  IconShoppingCart,
  IconStatusChange,
  IconUserCheck,
  IconUserOff,
  IconUserPlus,
} from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Card, TimelineEntry, TimelineKind } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { useMay } from '~/shared/session';
import { EmptyState } from '~/shared/ui/empty-state';
import { useErrorText } from '~/shared/ui/error-state';
import { When } from '~/shared/ui/when';
import { useActorName, useFieldName } from './names';
import paged from './paged.module.css';
import { olderTimelineQuery, timelineOfKindsQuery } from './queries';
import classes from './timeline.module.css';

const ICONS: Record<TimelineKind, typeof IconPencil> = {
  TIMELINE_KIND_UNSPECIFIED: IconPencil,
  TIMELINE_KIND_CUSTOMER_CREATED: IconUserPlus,
  TIMELINE_KIND_CUSTOMER_UPDATED: IconPencil,
  TIMELINE_KIND_ORDER_PLACED: IconShoppingCart,
  TIMELINE_KIND_ORDER_STATUS_CHANGED: IconStatusChange,
  TIMELINE_KIND_CREDIT_NOTE_ISSUED: IconCreditCardRefund,
  TIMELINE_KIND_EMAIL_SETTLED: IconMail,
  TIMELINE_KIND_DIALOG_OPENED: IconMessages,
  TIMELINE_KIND_SEGMENT_ENTERED: IconCirclePlus,
  TIMELINE_KIND_SEGMENT_LEFT: IconCircleMinus,
  TIMELINE_KIND_CONSENT_GRANTED: IconUserCheck,
  TIMELINE_KIND_CONSENT_WITHDRAWN: IconUserOff,
};

const FILTERS = {
  all: [],
  orders: ['TIMELINE_KIND_ORDER_PLACED', 'TIMELINE_KIND_ORDER_STATUS_CHANGED'],
  refunds: ['TIMELINE_KIND_CREDIT_NOTE_ISSUED'],
  letters: ['TIMELINE_KIND_EMAIL_SETTLED'],
  dialogs: ['TIMELINE_KIND_DIALOG_OPENED'],
  segments: ['TIMELINE_KIND_SEGMENT_ENTERED', 'TIMELINE_KIND_SEGMENT_LEFT'],
  consents: ['TIMELINE_KIND_CONSENT_GRANTED', 'TIMELINE_KIND_CONSENT_WITHDRAWN'],
  changes: ['TIMELINE_KIND_CUSTOMER_CREATED', 'TIMELINE_KIND_CUSTOMER_UPDATED'],
} as const satisfies Record<string, readonly TimelineKind[]>;
type Filter = keyof typeof FILTERS;

const LETTER_STATES = ['SEND_STATE_SENT', 'SEND_STATE_FAILED', 'SEND_STATE_SUPPRESSED', 'SEND_STATE_UNKNOWN'] as const;
const CHANNELS = ['CONSENT_CHANNEL_EMAIL', 'CONSENT_CHANNEL_SMS', 'CONSENT_CHANNEL_CALL'] as const;

type Props = {
  customerId: string;
  section: Card['timeline'];
  people: Card['people'];
  onLetter: (id: string) => void;
  /** Opens why the customer entered and left segments. */
  onSegments: () => void;
};

/** What happened with the customer, newest first: what came with the card, then page by page. */
export default function Timeline({ customerId, section, people, onLetter, onSegments }: Props) {
  const { t } = useTranslation('card');
  const textOf = useErrorText();
  const [filter, setFilter] = useState<Filter>('all');
  const all = filter === 'all';
  // The card is read again while one looks at older entries: these go on from where the card ended when they were asked for.
  const [base, setBase] = useState<{ token: string; entries: TimelineEntry[] }>();
  const older = useInfiniteQuery({ ...olderTimelineQuery(customerId, base?.token ?? ''), enabled: base !== undefined });
  const ofKinds = useInfiniteQuery({ ...timelineOfKindsQuery(customerId, FILTERS[filter]), enabled: !all });
  const further = all ? older : ofKinds;
  const loaded = (further.data?.pages ?? []).flatMap((page) => page.entries);
  const entries = all ? unique([...(section?.entries ?? []), ...(base?.entries ?? []), ...loaded]) : loaded;
  const firstToken = section?.nextPageToken ?? '';
  const hasMore = !all || base ? further.hasNextPage : firstToken !== '';
  const more = () => {
    if (all && !base) setBase({ token: firstToken, entries: section?.entries ?? [] });
    else void (further.isError && !further.data ? further.refetch() : further.fetchNextPage());
  };

  return (
    <>
      <Chip.Group value={filter} onChange={(value) => setFilter(value as Filter)}>
        <div role="radiogroup" aria-label={t('timeline.filter')} className={classes.filters}>
          {(Object.keys(FILTERS) as Filter[]).map((value) => (
            <Chip key={value} value={value} size="xs">
              {t(`timeline.${value}`)}
            </Chip>
          ))}
        </div>
      </Chip.Group>
      {entries.length === 0 && !further.isFetching && <EmptyState icon={IconHistoryOff} title={t('timeline.none')} />}
      <Days entries={entries} people={people} onLetter={onLetter} onSegments={onSegments} />
      <div className={paged.foot}>
        {further.isError && (
          <Text size="xs" c="var(--mantine-color-error)" role="alert">
            {textOf(further.error)}
          </Text>
        )}
        {(hasMore || further.isError) && (
          <Button size="compact-sm" variant="default" loading={further.isFetching} onClick={more}>
            {t('more')}
          </Button>
        )}
      </div>
    </>
  );
}

/** Each entry once, in the order of the first time it is met. */
function unique(entries: TimelineEntry[]): TimelineEntry[] {
  const known = new Set<string>();
  return entries.filter(({ id }) => !known.has(id) && known.add(id));
}

type DaysProps = { entries: TimelineEntry[] } & Pick<Props, 'people' | 'onLetter' | 'onSegments'>;

function Days({ entries, ...rest }: DaysProps) {
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
          <Entry key={entry.id} entry={entry} {...rest} />
        ))}
      </ul>
    </section>
  ));
}

type EntryProps = { entry: TimelineEntry } & Pick<Props, 'people' | 'onLetter' | 'onSegments'>;

function Entry({ entry, people, onLetter, onSegments }: EntryProps) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const actorName = useActorName(people);
  const fieldName = useFieldName();
  const mayLetters = useMay('messaging.email.read');
  const mayDialogs = useMay('messaging.dialog.read');
  const maySegments = useMay('campaigns.segment.read');
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
    TIMELINE_KIND_EMAIL_SETTLED: () => {
      const state = LETTER_STATES.find((name) => name === entry.status);
      return t(state ? `timeline.letter.${state}` : 'timeline.letter.SEND_STATE_SENT');
    },
    TIMELINE_KIND_DIALOG_OPENED: () => t('timeline.dialog'),
    TIMELINE_KIND_SEGMENT_ENTERED: () => t('timeline.entered', { name: entry.label }),
    TIMELINE_KIND_SEGMENT_LEFT: () => t('timeline.left', { name: entry.label }),
    TIMELINE_KIND_CONSENT_GRANTED: () => t('timeline.granted', { channel: channelName(entry.status) }),
    TIMELINE_KIND_CONSENT_WITHDRAWN: () => t('timeline.withdrawn', { channel: channelName(entry.status) }),
  };
  const channelName = (status: string) => {
    const channel = CHANNELS.find((name) => name === status);
    return channel ? t(`consents.channel.${channel}`) : status;
  };
  const text = texts[kind]();
  const by = [actorName(entry.actor), entry.origin !== 'ORIGIN_UNSPECIFIED' ? t(`origin.${entry.origin}`) : '']
    .filter(Boolean)
    .join(' · ');
  return (
    <li className={classes.entry}>
      <Icon size={16} stroke={1.7} aria-hidden className={classes.icon} />
      <span className={classes.text}>
        {kind === 'TIMELINE_KIND_EMAIL_SETTLED' && mayLetters ? (
          <UnstyledButton className={classes.open} onClick={() => onLetter(entry.subjectId)} aria-haspopup="dialog">
            {text}
          </UnstyledButton>
        ) : kind === 'TIMELINE_KIND_DIALOG_OPENED' && mayDialogs ? (
          <Link to="/inbox" search={{ dialog: entry.subjectId }}>
            {text}
          </Link>
        ) : (kind === 'TIMELINE_KIND_SEGMENT_ENTERED' || kind === 'TIMELINE_KIND_SEGMENT_LEFT') && maySegments ? (
          <UnstyledButton className={classes.open} onClick={onSegments} aria-haspopup="dialog">
            {text}
          </UnstyledButton>
        ) : (
          text
        )}
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
