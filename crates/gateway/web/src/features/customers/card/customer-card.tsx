import { Button, Skeleton } from '@mantine/core';
import { IconHistory, IconListSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { lazy, Suspense, useCallback, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import { useMay } from '~/shared/session';
import { useCommands } from '~/shared/ui/commands';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { Panel } from '~/shared/ui/panel';
import { useShortcuts } from '~/shared/ui/shortcuts';
import { lastList } from '../last-list';
import { parseListSearch } from '../list/search';
import { AsOfBanner, AsOfButton } from './as-of';
import { Contacts } from './contacts';
import classes from './customer-card.module.css';
import { Facts } from './facts';
import { Favourites } from './favourites';
import { CardHeader } from './header';
import { figuresIn, Metrics, Months } from './metrics';
import { Orders } from './orders';
import { customerAsOfQuery } from './queries';
import type { CardSearch } from './search';
import { Section } from './section';
import { Timeline } from './timeline';
import { useCard } from './use-card';

const History = lazy(() => import('./history'));
const Duplicates = lazy(() => import('./duplicates'));

type Props = {
  customerId: string;
  search: CardSearch;
  onSearch: (search: CardSearch, options: { replace: boolean }) => void;
};

export function CustomerCard({ customerId, search, onSearch }: Props) {
  const { t } = useTranslation('card');
  const { card, error, loading, refetching, refetch, save, take } = useCard(customerId);
  const mayWrite = useMay('customers.customer.write');
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
      [t, show, asOf, setAsOf],
    ),
  );
  useShortcuts({ h: () => show('history') });

  if (loading) return <CardSkeleton />;
  if (!card) {
    const missing = error instanceof ApiError && error.status === 404;
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
                <Contacts key={asOf} customer={customer} onDuplicates={() => show('duplicates')} {...editing} />
              </Panel>
              <Panel title={t('facts.title')} tinted={asOf !== undefined}>
                <Facts customer={customer} />
              </Panel>
            </>
          )}
          {chosen && <Favourites favourites={chosen.favourites} />}
        </div>
        <div className={classes.right}>
          {chosen && <Months chosen={chosen} />}
          <Panel title={t('orders.title')}>
            <Section status={card.orders?.status} {...retry}>
              <Orders customerId={customerId} section={card.orders} />
            </Section>
          </Panel>
          <Panel title={t('timeline.title')}>
            <Section status={card.timeline?.status} {...retry}>
              <Timeline customerId={customerId} section={card.timeline} people={card.people} />
            </Section>
          </Panel>
        </div>
      </div>
      <Suspense fallback={null}>
        {search.show === 'history' && (
          <History customerId={customerId} people={card.people} onClose={() => show(undefined)} />
        )}
        {search.show === 'duplicates' && <Duplicates customerId={customerId} onClose={() => show(undefined)} />}
      </Suspense>
    </div>
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
