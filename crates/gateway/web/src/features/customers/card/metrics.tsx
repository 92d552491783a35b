import { SegmentedControl, Skeleton, Text } from '@mantine/core';
import { IconShoppingCartOff } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { CurrencyMetrics, CustomerMetrics } from '~/shared/api/types';
import type { Money } from '~/shared/lib/money';
import { useFormat } from '~/shared/lib/use-format';
import { EmptyState } from '~/shared/ui/empty-state';
import { Panel } from '~/shared/ui/panel';
import { lazyPart } from '~/shared/ui/part';
import { When } from '~/shared/ui/when';
import classes from './metrics.module.css';
import { MonthsTable } from './months-table';

const MonthsChart = lazyPart(() => import('./months-chart'), { waiting: <Skeleton height={220} /> });

/** The figures in the currency asked for, else in the one with the largest sales; undefined without any purchase. */
export function figuresIn(
  metrics: CustomerMetrics | undefined,
  currency: string | undefined,
): CurrencyMetrics | undefined {
  const currencies = metrics?.currencies ?? [];
  return currencies.find(({ figures }) => figures?.currency === currency) ?? currencies[0];
}

type Props = {
  metrics: CustomerMetrics | undefined;
  chosen: CurrencyMetrics | undefined;
  onCurrency: (currency: string) => void;
};

/** The four figures, in one currency at a time: amounts of different currencies are never added up. */
export function Metrics({ metrics, chosen, onCurrency }: Props) {
  const { t } = useTranslation('card');
  const codes = (metrics?.currencies ?? []).flatMap(({ figures }) => figures?.currency ?? []);
  if (!chosen) {
    return (
      <Panel title={t('metrics.title')}>
        <EmptyState icon={IconShoppingCartOff} title={t('metrics.none')} text={t('metrics.noneText')} />
      </Panel>
    );
  }
  return (
    <section className={classes.metrics} aria-label={t('metrics.title')}>
      <Blocks chosen={chosen} />
      <div className={classes.stamp}>
        {codes.length > 1 && (
          <SegmentedControl
            size="xs"
            aria-label={t('metrics.currency')}
            data={codes}
            value={chosen.figures?.currency ?? ''}
            onChange={onCurrency}
          />
        )}
        {metrics?.asOf && (
          <span>
            {t('metrics.asOf')} <When at={metrics.asOf} />
          </span>
        )}
      </div>
    </section>
  );
}

function Blocks({ chosen }: { chosen: CurrencyMetrics }) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const { figures } = chosen;
  if (!figures) return null;
  const money = (amount: Money | undefined) => format.money(amount ?? { minor: '0', currency: figures.currency });
  return (
    <dl className={classes.blocks}>
      <Block name={t('metrics.net')} value={money(figures.net)}>
        {figures.refunds && figures.refunds.minor !== '0'
          ? t('metrics.netOf', { gross: money(figures.gross), refunds: money(figures.refunds) })
          : t('metrics.noRefunds')}
      </Block>
      <Block name={t('metrics.average')} value={figures.average ? money(figures.average) : '—'}>
        {t('metrics.averageOf')}
      </Block>
      <Block name={t('metrics.orders')} value={format.number(Number(figures.orders))}>
        {figures.firstPurchaseAt && (
          <>
            {t('metrics.since')} {format.day(new Date(figures.firstPurchaseAt))}
          </>
        )}
      </Block>
      <Block
        name={t('metrics.between')}
        value={
          figures.meanDaysBetween === undefined
            ? '—'
            : t('metrics.days', { count: figures.meanDaysBetween, shown: format.rounded(figures.meanDaysBetween) })
        }
      >
        {figures.lastPurchaseAt && (
          <>
            {t('metrics.last')} <When at={figures.lastPurchaseAt} />
          </>
        )}
      </Block>
    </dl>
  );
}

function Block({ name, value, children }: { name: string; value: string; children: ReactNode }) {
  return (
    <div className={classes.block}>
      <dt>{name}</dt>
      <dd className={classes.figure}>{value}</dd>
      <dd className={classes.more}>{children}</dd>
    </div>
  );
}

/** Twelve months of sales, as bars or as numbers. */
export function Months({ chosen }: { chosen: CurrencyMetrics }) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const [view, setView] = useState('chart');
  const months = chosen.months;
  const currency = chosen.figures?.currency ?? '';
  const [first, last] = [months[0], months[months.length - 1]];
  return (
    <Panel
      title={t('months.title')}
      aside={
        <>
          {first && last && <span>{format.months(first.month, last.month)}</span>}
          <SegmentedControl
            size="xs"
            aria-label={t('months.view')}
            value={view}
            onChange={setView}
            data={[
              { value: 'chart', label: t('months.chart') },
              { value: 'table', label: t('months.table') },
            ]}
          />
        </>
      }
    >
      <div className={classes.months}>
        {months.length === 0 ? (
          <Text size="sm" c="dimmed">
            {t('months.none')}
          </Text>
        ) : view === 'table' ? (
          <MonthsTable months={months} currency={currency} />
        ) : (
          <>
            {/* Those who cannot see the bars read the table. */}
            <MonthsTable months={months} currency={currency} hidden />
            <MonthsChart months={months} currency={currency} />
          </>
        )}
      </div>
    </Panel>
  );
}
