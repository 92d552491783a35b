import { Button, Skeleton } from '@mantine/core';
import { IconHistory, IconListSearch, IconMail } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import type { Card, Customer } from '~/shared/api/types';
import { readDraft } from '~/shared/lib/drafts';
import { useMay, useSession } from '~/shared/session';
import { useCommands } from '~/shared/ui/commands';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { Panel } from '~/shared/ui/panel';
import { lazyPart } from '~/shared/ui/part';
import { useShortcuts } from '~/shared/ui/shortcuts';
import { When } from '~/shared/ui/when';
import { lastList } from '../last-list';
import { parseListSearch } from '../list/search';
import { AsOfBanner, AsOfButton } from './as-of';
import { type SendLetter, useOutbox } from './compose/use-outbox';
import { Contacts } from './contacts';
import classes from './customer-card.module.css';
import { Facts } from './facts';
import { CardHeader } from './header';
import { figuresIn, Metrics, Months } from './metrics';
import { Orders } from './orders';
import { customerAsOfQuery } from './queries';
import type { CardSearch } from './search';
import { Section } from './section';
import { useCard } from './use-card';

const Composer = lazyPart(() => import('./compose/composer'), { waiting: <Skeleton height={360} radius="md" /> });
const Messages = lazyPart(() => import('./messages'), { waiting: <Skeleton height={96} radius="md" /> });
const Segments = lazyPart(() => import('./segments'), { waiting: <Skeleton height={48} radius="md" /> });
const Favourites = lazyPart(() => import('./favourites'), { waiting: <Skeleton height={180} radius="md" /> });
const Timeline = lazyPart(() => import('./timeline'), { waiting: <Skeleton height={320} radius="md" /> });
const History = lazyPart(() => import('./history'));
const ConsentLog = lazyPart(() => import('./consents/consent-log'));
const SegmentLog = lazyPart(() => import('./segment-log'));
const LetterWindow = lazyPart(() => import('./letter-window'));
const Duplicates = lazyPart(() => import('./duplicates'));

type Props = {
  customerId: string;
  search: CardSearch;
  onSearch: (search: CardSearch, options: { replace: boolean }) => void;
};

export function CustomerCard({ customerId, search, onSearch }: Props) {
  const { t } = useTranslation('card');
  const { card, error, loading, refetching, refetch, save, take } = useCard(customerId);
  const mayWrite = useMay('customers.customer.write');
  const mayConsent = useMay('customers.consent.write');
  const maySend = useMay('messaging.email.send');
  const { asOf } = search;
  const past = useQuery({ ...customerAsOfQuery(customerId, asOf ?? ''), enabled: asOf !== undefined });

  const show = useCallback(
    (window: CardSearch['show']) => onSearch({ ...search, show: window }, { replace: window === undefined }),
    [search, onSearch],
  );
  const setAsOf = useCallback(
    (moment: string | undefined) => onSearch({ ...search, asOf: moment }, { replace: false }),
    [search, onSearch],
  );
  const outbox = useOutbox(customerId);
  const [writing, setWriting] = useWriting(customerId, asOf === undefined);
  useCommands(
    useMemo(
      () => [
        {
          id: 'card.history',
          group: t('title'),
          label: t('history.title'),
          shortcut: 'H',
          icon: IconHistory,
          run: () => show('history'),
        },
        {
          id: 'card.duplicates',
          group: t('title'),
          label: t('duplicates.title'),
          icon: IconListSearch,
          run: () => show('duplicates'),
        },
        ...(maySend && !asOf
          ? [
              {
                id: 'card.email',
                group: t('title'),
                label: t('write.email'),
                shortcut: 'E',
                icon: IconMail,
                run: () => setWriting(true),
              },
            ]
          : []),
        ...(asOf
          ? [
              {
                id: 'card.now',
                group: t('title'),
                label: t('asOf.now'),
                icon: IconHistory,
                run: () => setAsOf(undefined),
              },
            ]
          : []),
      ],
      [t, show, asOf, setAsOf, maySend, setWriting],
    ),
  );
  const openLetter = useCallback(
    (letter: string | undefined) => onSearch({ ...search, letter }, { replace: letter === undefined }),
    [search, onSearch],
  );
  useShortcuts({
    h: () => show('history'),
    e: (event) => {
      if (!maySend || asOf) return;
      event.preventDefault();
      setWriting(true);
    },
  });

  if (loading) return <CardSkeleton />;
  if (!card) {
    const missing = error instanceof ApiError && error.isMissing;
    return (
      <div className={classes.page}>
        <PageHeading>{t(missing ? 'missing' : 'title')}</PageHeading>
        <ErrorState title={t(missing ? 'missingText' : 'failed')} error={error} onRetry={refetch} />
        <Link to="/customers" search={lastList(parseListSearch)} className={classes.backAlone}>
          {t('back')}
        </Link>
      </div>
    );
  }

  const present = card.customer?.customer;
  const customer = asOf ? past.data : present;
  const chosen = figuresIn(card.metrics?.metrics, search.currency);
  const retry = { onRetry: refetch, retrying: refetching };
  const editing = { editable: mayWrite && !asOf, onSave: save, onTake: take };
  const consentsKnown = card.consents?.status?.state === 'SECTION_STATE_OK' && !asOf;
  const consents = consentsKnown
    ? {
        states: card.consents?.states ?? [],
        people: card.people,
        editable: mayConsent,
        onLog: () => show('consents'),
      }
    : undefined;
  return (
    <div className={classes.page}>
      <div className={classes.bar}>
        <Link to="/customers" search={lastList(parseListSearch)} className={classes.back}>
          ‹ {t('back')}
        </Link>
        <div className={classes.tools}>
          <AsOfButton asOf={asOf} onChange={setAsOf} />
          <Button
            size="xs"
            variant="default"
            leftSection={<IconHistory size={15} aria-hidden />}
            onClick={() => show('history')}
            aria-keyshortcuts="H"
          >
            {t('history.button')}
          </Button>
        </div>
      </div>
      {asOf && <AsOfBanner asOf={asOf} onNow={() => setAsOf(undefined)} />}
      {asOf && past.isError ? (
        <>
          <PageHeading>{present?.displayName || t('title')}</PageHeading>
          <ErrorState
            title={t(past.error instanceof ApiError && past.error.status === 404 ? 'asOf.notYet' : 'asOf.failed')}
            error={past.error}
            onRetry={() => void past.refetch()}
          />
        </>
      ) : asOf && past.isPending ? (
        <Skeleton height={92} radius="md" />
      ) : (
        <CardHeader
          customer={customer}
          people={card.people}
          past={asOf !== undefined}
          onDuplicates={() => show('duplicates')}
          {...editing}
        >
          <Section status={card.customer?.status} {...retry}>
            {null}
          </Section>
        </CardHeader>
      )}
      <Section status={card.metrics?.status} {...retry}>
        <Metrics
          metrics={card.metrics?.metrics}
          chosen={chosen}
          onCurrency={(currency) => onSearch({ ...search, currency }, { replace: true })}
        />
      </Section>
      <div className={classes.columns}>
        <div className={classes.left}>
          {customer && (
            <>
              <Panel title={t('contacts.title')} tinted={asOf !== undefined}>
                <Contacts
                  key={asOf}
                  customer={customer}
                  onDuplicates={() => show('duplicates')}
                  consents={consents}
                  {...editing}
                />
                {!consentsKnown && !asOf && card.consents?.status?.state !== 'SECTION_STATE_FORBIDDEN' && (
                  <Section status={card.consents?.status} {...retry}>
                    {null}
                  </Section>
                )}
                {consents && (
                  <Button
                    size="compact-sm"
                    variant="subtle"
                    leftSection={<IconHistory size={14} aria-hidden />}
                    onClick={() => show('consents')}
                    aria-haspopup="dialog"
                  >
                    {t('consents.title')}
                  </Button>
                )}
              </Panel>
              <Panel title={t('facts.title')} tinted={asOf !== undefined}>
                <Facts customer={customer} />
              </Panel>
            </>
          )}
          <Panel title={t('segments.title')} aside={card.segments?.asOf && <AsOfStamp at={card.segments.asOf} />}>
            <Section status={card.segments?.status} {...retry}>
              <Segments section={card.segments} onLog={() => show('segments')} />
            </Section>
          </Panel>
          {chosen && <Favourites favourites={chosen.favourites} />}
        </div>
        <div className={classes.right}>
          {maySend && present && !asOf && (
            <Write customer={present} card={card} writing={writing} onWriting={setWriting} onSend={outbox.send} />
          )}
          <Panel title={t('messages.title')}>
            <Section status={card.messages?.status} {...retry}>
              <Messages
                customerId={customerId}
                section={card.messages}
                outgoing={outbox.outgoing}
                onLetter={openLetter}
              />
            </Section>
          </Panel>
          {chosen && <Months chosen={chosen} />}
          <Panel title={t('orders.title')}>
            <Section status={card.orders?.status} {...retry}>
              <Orders customerId={customerId} section={card.orders} />
            </Section>
          </Panel>
          <Panel title={t('timeline.title')}>
            <Section status={card.timeline?.status} {...retry}>
              <Timeline
                customerId={customerId}
                section={card.timeline}
                people={card.people}
                onLetter={openLetter}
                onSegments={() => show('segments')}
              />
            </Section>
          </Panel>
        </div>
      </div>
      {search.show === 'history' && (
        <History customerId={customerId} people={card.people} onClose={() => show(undefined)} />
      )}
      {search.show === 'segments' && <SegmentLog customerId={customerId} onClose={() => show(undefined)} />}
      {search.show === 'consents' && present && consents && (
        <ConsentLog
          customer={present}
          states={consents.states}
          people={card.people}
          editable={mayConsent}
          onClose={() => show(undefined)}
        />
      )}
      {search.letter && <LetterWindow id={search.letter} onClose={() => openLetter(undefined)} />}
      {search.show === 'duplicates' && <Duplicates customerId={customerId} onClose={() => show(undefined)} />}
    </div>
  );
}

type WriteProps = {
  customer: Customer;
  card: Card;
  writing: boolean;
  onWriting: (writing: boolean) => void;
  onSend: SendLetter;
};

/** The interaction block: what one may do towards the customer. */
function Write({ customer, card, writing, onWriting, onSend }: WriteProps) {
  const { t } = useTranslation('card');
  const button = useRef<HTMLButtonElement>(null);
  const closed = useRef(false);
  const [found] = useState(writing);
  const [reopened, setReopened] = useState(false);
  useEffect(() => {
    if (!writing && closed.current) {
      closed.current = false;
      button.current?.focus();
    }
  }, [writing]);
  return (
    <Panel title={t('write.title')}>
      {writing ? (
        <Composer
          customer={customer}
          consents={card.consents}
          people={card.people}
          onSend={onSend}
          takesFocus={!found || reopened}
          onClose={() => {
            setReopened(true);
            closed.current = true;
            onWriting(false);
          }}
        />
      ) : (
        <Button
          ref={button}
          size="sm"
          variant="default"
          leftSection={<IconMail size={16} aria-hidden />}
          onClick={() => onWriting(true)}
          aria-keyshortcuts="E"
        >
          {t('write.email')}
        </Button>
      )}
    </Panel>
  );
}

/** Whether a letter is being written: at first when one was begun before the page was loaded. */
function useWriting(customerId: string, offered: boolean): [boolean, (writing: boolean) => void] {
  const userId = useSession()?.userId ?? '';
  const [writing, setWriting] = useState(() => offered && readDraft(userId, `email.${customerId}`) !== '');
  return [writing, setWriting];
}

/** Up to which moment events are in what is shown. */
function AsOfStamp({ at }: { at: string }) {
  const { t } = useTranslation('card');
  return (
    <span>
      {t('metrics.asOf')} <When at={at} />
    </span>
  );
}

function CardSkeleton() {
  const { t } = useTranslation();
  return (
    <div className={classes.page} role="status" aria-label={t('state.loading')}>
      <Skeleton height={28} width={220} />
      <Skeleton height={92} radius="md" />
      <div className={classes.blocks}>
        {['net', 'average', 'orders', 'interval'].map((block) => (
          <Skeleton key={block} height={92} radius="md" />
        ))}
      </div>
      <div className={classes.columns}>
        <div className={classes.left}>
          <Skeleton height={180} radius="md" />
          <Skeleton height={220} radius="md" />
        </div>
        <div className={classes.right}>
          <Skeleton height={320} radius="md" />
          <Skeleton height={320} radius="md" />
        </div>
      </div>
    </div>
  );
}
