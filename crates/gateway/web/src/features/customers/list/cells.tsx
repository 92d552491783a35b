import { Skeleton } from '@mantine/core';
import { IconBuilding, IconCopy, IconUser } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { Customer, CustomerMetrics } from '~/shared/api/types';
import { useCustomerName } from '~/shared/lib/use-customer-name';
import { useFormat } from '~/shared/lib/use-format';
import { Mark } from '~/shared/ui/mark';
import classes from './cells.module.css';

const ABSENT = '—';

export function CustomerName({ customer }: { customer: Customer }) {
  const { t } = useTranslation('customers');
  const nameOf = useCustomerName();
  const company = customer.kind === 'CUSTOMER_KIND_COMPANY';
  const Icon = company ? IconBuilding : IconUser;
  return (
    <span className={classes.name}>
      <Icon
        size={16}
        stroke={1.6}
        role="img"
        aria-label={t(company ? 'kind.company' : 'kind.person')}
        className={classes.kind}
      />
      <span className={classes.nameText}>
        <Link to="/customers/$customerId" params={{ customerId: customer.id }} tabIndex={-1} className={classes.link}>
          {nameOf(customer)}
        </Link>
        <span className={classes.second}>
          {customer.phones[0]?.number || customer.emails[0]?.address || customer.country}
        </span>
      </span>
      {customer.duplicateCount > 0 && (
        <Mark tone="waiting" icon={IconCopy}>
          {t('duplicate')}
        </Mark>
      )}
    </span>
  );
}

type Figures = { metrics: CustomerMetrics | null | undefined };

export function FiguresCell({ metrics, show }: Figures & { show: 'orders' | 'net' }) {
  const format = useFormat();
  if (metrics === undefined) return <Skeleton height={10} width="60%" ml="auto" />;
  // Currencies are never added up: the largest is shown, the others are on the card.
  const figures = metrics?.currencies[0]?.figures;
  if (!figures) return ABSENT;
  const more = (metrics?.currencies.length ?? 0) > 1 ? ' +' : '';
  if (show === 'orders') return `${format.number(Number(figures.orders))}${more}`;
  return figures.net ? `${format.money(figures.net)}${more}` : ABSENT;
}

export function LastPurchaseCell({ metrics }: Figures) {
  const moments = (metrics?.currencies ?? []).flatMap(({ figures }) => figures?.lastPurchaseAt ?? []);
  const [latest] = moments.sort((a, b) => Date.parse(b) - Date.parse(a));
  return metrics === undefined ? <Skeleton height={10} width="60%" ml="auto" /> : <DayCell at={latest} />;
}

export function DayCell({ at }: { at: string | undefined }) {
  const format = useFormat();
  return at ? <time dateTime={at}>{format.day(new Date(at))}</time> : ABSENT;
}
