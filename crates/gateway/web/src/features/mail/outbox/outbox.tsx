import { Alert, Button, NativeSelect, Skeleton } from '@mantine/core';
import { IconHistory, IconSend } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Email } from '~/shared/api/types';
import { SendStateMark, useLetterReason } from '~/shared/mail/send-state';
import { useLiveRefresh } from '~/shared/realtime';
import { useMay } from '~/shared/session';
import { DataTable } from '~/shared/ui/data-table';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { lazyPart } from '~/shared/ui/part';
import { When } from '~/shared/ui/when';
import { anyHeldQuery, outboxKey, outboxQuery } from '../queries';
import classes from './outbox.module.css';
import { isHeld } from './release';
import { isKind, KINDS, type OutboxSearch } from './search';

const AskRelease = lazyPart(() => import('./ask-release'));
const LIVE = ['emails'];
/** In place of a letter: all that are held. */
const ALL = Symbol('all');

type Props = { search: OutboxSearch; onSearch: (search: OutboxSearch, options: { replace: boolean }) => void };

/** The letters that have not gone out: those that wait, those whose fate nobody knows, those that were refused. */
export function Outbox({ search: { kind }, onSearch }: Props) {
  const { t } = useTranslation(['mail', 'common']);
  const queryClient = useQueryClient();
  const maySend = useMay('messaging.email.send');
  const mayCustomers = useMay('customers.customer.read');
  const [asked, setAsked] = useState<Email | typeof ALL>();
  const list = useInfiniteQuery(outboxQuery(kind ? KINDS[kind] : Object.values(KINDS).flat()));
  const anyHeld = useQuery(anyHeldQuery).data ?? false;
  useLiveRefresh(LIVE, () => void queryClient.invalidateQueries({ queryKey: outboxKey }), 1_000);
  const letters = (list.data?.pages ?? []).flatMap((page) => page.emails);
  const mayHold = anyHeld || letters.some(isHeld);

  return (
    <div className={classes.page}>
      <header className={classes.head}>
        <PageHeading>{t('outbox.title')}</PageHeading>
        <NativeSelect
          size="xs"
          aria-label={t('outbox.show')}
          value={kind ?? ''}
          onChange={({ currentTarget: { value } }) => onSearch(isKind(value) ? { kind: value } : {}, { replace: true })}
          data={[
            { value: '', label: t('outbox.all') },
            ...Object.keys(KINDS)
              .filter(isKind)
              .map((value) => ({ value, label: t(`outbox.${value}`) })),
          ]}
        />
      </header>
      {mayHold && (
        <Alert color="orange" variant="outline" icon={<IconHistory size={18} aria-hidden />}>
          {t('outbox.held')}
          {maySend && (
            <div className={classes.tools}>
              <Button size="xs" leftSection={<IconSend size={15} aria-hidden />} onClick={() => setAsked(ALL)}>
                {t('outbox.releaseAll')}
              </Button>
            </div>
          )}
        </Alert>
      )}
      {list.isPending && <Skeleton height={240} radius="md" />}
      {list.isError && letters.length === 0 && (
        <ErrorState title={t('outbox.listFailed')} error={list.error} onRetry={() => void list.refetch()} />
      )}
      {list.isSuccess && letters.length === 0 && (
        <EmptyState icon={IconSend} title={t('outbox.none')} text={t('outbox.noneText')} />
      )}
      {letters.length > 0 && (
        <div className={classes.card}>
          <DataTable label={t('outbox.list')}>
            <thead>
              <tr>
                <th scope="col">{t('outbox.subject')}</th>
                <th scope="col">{t('letter.state')}</th>
                <th scope="col" data-wide>
                  {t('outbox.since')}
                </th>
                {maySend && mayHold && <th scope="col">{t('outbox.action')}</th>}
              </tr>
            </thead>
            <tbody>
              {letters.map((letter) => (
                <Row
                  key={letter.id}
                  letter={letter}
                  linked={mayCustomers}
                  onRelease={maySend && mayHold ? () => setAsked(letter) : undefined}
                />
              ))}
            </tbody>
          </DataTable>
          {(list.hasNextPage || list.isFetchNextPageError) && (
            <Button
              size="compact-sm"
              variant="default"
              loading={list.isFetchingNextPage}
              onClick={() => void list.fetchNextPage()}
            >
              {t('common:action.more')}
            </Button>
          )}
        </div>
      )}
      {asked && <AskRelease letter={asked === ALL ? undefined : asked} onClose={() => setAsked(undefined)} />}
    </div>
  );
}

type RowProps = { letter: Email; linked: boolean; onRelease: (() => void) | undefined };

function Row({ letter, linked, onRelease }: RowProps) {
  const { t } = useTranslation('mail');
  const reason = useLetterReason();
  const { id, customerId, toAddress, state, settledAt, createdAt } = letter;
  const subject = letter.subject || t('letter.noSubject');
  const why = reason(letter);
  const since = settledAt ?? createdAt;
  return (
    <tr>
      <th scope="row">
        {linked && customerId ? (
          <Link to="/customers/$customerId" params={{ customerId }} search={{ letter: id }}>
            {subject}
          </Link>
        ) : (
          subject
        )}
        <span className={classes.to}>{toAddress}</span>
      </th>
      <td>
        <SendStateMark state={state} />
        {why && <span className={classes.why}>{why}</span>}
      </td>
      <td data-wide>{since && <When at={since} />}</td>
      {onRelease && (
        <td>
          {isHeld(letter) && (
            <Button
              size="compact-sm"
              variant="default"
              onClick={onRelease}
              aria-label={t('outbox.releaseOf', { subject, to: toAddress })}
            >
              {t('outbox.release')}
            </Button>
          )}
        </td>
      )}
    </tr>
  );
}
