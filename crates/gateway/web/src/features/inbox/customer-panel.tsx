import { ActionIcon, Skeleton, Text } from '@mantine/core';
import { IconArrowLeft } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Card, Dialog } from '~/shared/api/types';
import { useCustomerName } from '~/shared/lib/use-customer-name';
import { useFormat } from '~/shared/lib/use-format';
import { useLiveRefresh } from '~/shared/realtime';
import { useMay } from '~/shared/session';
import { ErrorState } from '~/shared/ui/error-state';
import { When } from '~/shared/ui/when';
import classes from './customer-panel.module.css';
import { cardQuery } from './queries';
import { Visitor } from './visitor';

type Props = { dialog: Dialog | undefined; onBack: () => void };

/** Who the dialog is with: the customer in short, or a visitor whom nobody knows yet. */
export function CustomerPanel({ dialog, onBack }: Props) {
  const { t } = useTranslation('inbox');
  return (
    <aside className={classes.panel} aria-label={t('customer.title')}>
      <header className={classes.head}>
        <ActionIcon
          className={classes.back}
          variant="subtle"
          color="gray"
          size="lg"
          aria-label={t('action.toMessages')}
          onClick={onBack}
        >
          <IconArrowLeft size={18} aria-hidden />
        </ActionIcon>
        <h2 className={classes.title}>{t('customer.title')}</h2>
      </header>
      {!dialog ? (
        <Skeleton height={160} />
      ) : dialog.customerId ? (
        <Known customerId={dialog.customerId} />
      ) : (
        <Visitor dialog={dialog} />
      )}
    </aside>
  );
}

function Known({ customerId }: { customerId: string }) {
  const { t } = useTranslation('inbox');
  const nameOf = useCustomerName();
  const queryClient = useQueryClient();
  const mayRead = useMay('customers.customer.read');
  const card = useQuery({ ...cardQuery(customerId), enabled: mayRead });
  useLiveRefresh(
    useMemo(() => [`customer/${customerId}`], [customerId]),
    () => void queryClient.invalidateQueries({ queryKey: cardQuery(customerId).queryKey }),
  );
  if (!mayRead) return <Text size="sm">{t('customer.forbidden')}</Text>;
  if (card.isPending) return <Skeleton height={220} />;
  if (!card.data) {
    return <ErrorState title={t('customer.failed')} error={card.error} onRetry={() => void card.refetch()} />;
  }
  const { customer, metrics, segments } = card.data;
  const person = customer?.customer;
  return (
    <>
      <Link to="/customers/$customerId" params={{ customerId }} className={classes.name}>
        {nameOf(person)}
      </Link>
      {person && (
        <ul className={classes.contacts}>
          {person.phones.slice(0, 3).map(({ id, number }) => (
            <li key={id}>{number}</li>
          ))}
          {person.emails.slice(0, 3).map(({ id, address }) => (
            <li key={id}>{address}</li>
          ))}
          {person.country && <li>{person.country}</li>}
        </ul>
      )}
      <Figures section={metrics} />
      <Segments section={segments} />
      <Link to="/customers/$customerId" params={{ customerId }} className={classes.toCard}>
        {t('customer.openCard')}
      </Link>
    </>
  );
}

function Figures({ section }: { section: Card['metrics'] }) {
  const { t } = useTranslation('inbox');
  const format = useFormat();
  if (section?.status?.state === 'SECTION_STATE_FORBIDDEN') return null;
  if (section?.status?.state !== 'SECTION_STATE_OK') return <Unavailable what={t('customer.figures')} />;
  const all = (section.metrics?.currencies ?? []).flatMap(({ figures }) => figures ?? []);
  return (
    <section aria-label={t('customer.figures')}>
      <h3 className={classes.sub}>{t('customer.figures')}</h3>
      {all.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('customer.noPurchases')}
        </Text>
      )}
      {all.map((figures) => (
        <dl key={figures.currency} className={classes.facts}>
          <dt>{t('customer.total')}</dt>
          <dd>{figures.net ? format.money(figures.net) : '—'}</dd>
          <dt>{t('customer.orders')}</dt>
          <dd>{format.number(BigInt(figures.orders))}</dd>
          {figures.average && (
            <>
              <dt>{t('customer.average')}</dt>
              <dd>{format.money(figures.average)}</dd>
            </>
          )}
          {figures.lastPurchaseAt && (
            <>
              <dt>{t('customer.last')}</dt>
              <dd>
                <When at={figures.lastPurchaseAt} />
              </dd>
            </>
          )}
        </dl>
      ))}
    </section>
  );
}

function Segments({ section }: { section: Card['segments'] }) {
  const { t } = useTranslation('inbox');
  if (section?.status?.state === 'SECTION_STATE_FORBIDDEN') return null;
  if (section?.status?.state !== 'SECTION_STATE_OK') return <Unavailable what={t('customer.segments')} />;
  if (section.memberships.length === 0) return null;
  return (
    <section aria-label={t('customer.segments')}>
      <h3 className={classes.sub}>{t('customer.segments')}</h3>
      <ul className={classes.tags}>
        {section.memberships.slice(0, 12).map(({ segmentId, segmentName }) => (
          <li key={segmentId} className={classes.tag}>
            {segmentName}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Unavailable({ what }: { what: string }) {
  const { t } = useTranslation('inbox');
  return (
    <Text size="xs" c="dimmed" role="status">
      {t('customer.unavailable', { what })}
    </Text>
  );
}
