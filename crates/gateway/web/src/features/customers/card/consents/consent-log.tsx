import { Button, Modal, Skeleton } from '@mantine/core';
import { IconCircleCheck, IconCircleX, IconHistoryOff } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { Card, ConsentEntry, ConsentState, Customer } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { DataTable } from '~/shared/ui/data-table';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { Mark } from '~/shared/ui/mark';
import { useFocusReturn } from '~/shared/ui/use-focus-return';
import { useActorName } from '../names';
import { consentEntriesQuery } from '../queries';
import classes from './consent-log.module.css';
import { CHANNELS_OF, stateOf } from './consents';
import { useSetConsent } from './use-consents';

type Props = {
  customer: Customer;
  states: readonly ConsentState[];
  people: Card['people'];
  editable: boolean;
  onClose: () => void;
};

/** What holds now, for advertising and for service messages apart, and every entry that led to it. */
export default function ConsentLog({ customer, states, people, editable, onClose }: Props) {
  const { t } = useTranslation(['card', 'common']);
  useFocusReturn();
  const log = useInfiniteQuery(consentEntriesQuery(customer.id));
  const entries = (log.data?.pages ?? []).flatMap((page) => page.entries);
  const actorName = useActorName(
    people,
    entries.flatMap(({ actor }) => (actor?.kind === 'ACTOR_KIND_USER' ? actor.id : [])),
  );
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={t('consents.title')}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
    >
      <Purposes customer={customer} states={states} editable={editable} />
      <h3 className={classes.heading}>{t('consents.log')}</h3>
      {log.isPending && <Skeleton height={160} radius="md" />}
      {log.isError && entries.length === 0 && (
        <ErrorState title={t('consents.logFailed')} error={log.error} onRetry={() => void log.refetch()} />
      )}
      {log.isSuccess && entries.length === 0 && <EmptyState icon={IconHistoryOff} title={t('consents.never')} />}
      <ol className={classes.list}>
        {entries.map((entry) => (
          <Entry key={entry.id} entry={entry} actor={actorName(entry.actor)} />
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

function Purposes({ customer, states, editable }: Pick<Props, 'customer' | 'states' | 'editable'>) {
  const { t } = useTranslation('card');
  const set = useSetConsent(customer.id);
  const points = [
    ...customer.phones.flatMap(({ id, number }) =>
      CHANNELS_OF.phone.map((channel) => ({ id, address: number, channel })),
    ),
    ...customer.emails.flatMap(({ id, address }) => CHANNELS_OF.email.map((channel) => ({ id, address, channel }))),
  ];
  if (points.length === 0) return <p className={classes.none}>{t('contacts.none')}</p>;
  return (
    <DataTable label={t('consents.now')} dense>
      <thead>
        <tr>
          <th scope="col">{t('contacts.title')}</th>
          <th scope="col" data-numeric>
            {t('consents.only.service')}
          </th>
          <th scope="col" data-numeric>
            {t('consents.only.marketing')}
          </th>
        </tr>
      </thead>
      <tbody>
        {points.map(({ id, address, channel }) => {
          const state = stateOf(states, id, channel);
          const name = t(`consents.channel.${channel}`);
          const box = (purpose: 'service' | 'marketing') => (
            <input
              type="checkbox"
              className={classes.check}
              checked={state[purpose]}
              disabled={!editable}
              aria-label={`${name}, ${address}: ${t(`consents.only.${purpose}`)}`}
              onChange={() => {
                const granted = !state[purpose];
                void set(
                  state,
                  { marketing: state.marketing, service: state.service, [purpose]: granted },
                  t(granted ? 'consents.granted' : 'consents.withdrawn', { channel: name, address }),
                );
              }}
            />
          );
          return (
            <tr key={`${id} ${channel}`}>
              <th scope="row" className={classes.point}>
                {name} · {address}
              </th>
              <td data-numeric>{box('service')}</td>
              <td data-numeric>{box('marketing')}</td>
            </tr>
          );
        })}
      </tbody>
    </DataTable>
  );
}

function Entry({ entry, actor }: { entry: ConsentEntry; actor: string }) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const { channel, purpose, granted } = entry;
  return (
    <li className={classes.entry}>
      <div className={classes.head}>
        <Mark tone={granted ? 'done' : 'idle'} icon={granted ? IconCircleCheck : IconCircleX}>
          {t(granted ? 'consents.given' : 'consents.taken')}
        </Mark>
        <strong>
          {channel !== 'CONSENT_CHANNEL_UNSPECIFIED' && t(`consents.channel.${channel}`)} ·{' '}
          {entry.address || t('consents.everywhere')}
        </strong>
        <span>
          {t(
            purpose === 'CONSENT_PURPOSE_MARKETING'
              ? 'consents.only.marketing'
              : purpose === 'CONSENT_PURPOSE_SERVICE'
                ? 'consents.only.service'
                : 'consents.allPurposes',
          )}
        </span>
      </div>
      <div className={classes.by}>
        {[actor, entry.origin !== 'ORIGIN_UNSPECIFIED' ? t(`origin.${entry.origin}`) : '', entry.integration]
          .filter(Boolean)
          .join(' · ')}
        {entry.recordedAt && (
          <>
            {' · '}
            <time dateTime={entry.recordedAt}>{format.exact(new Date(entry.recordedAt))}</time>
          </>
        )}
      </div>
      {entry.evidence && <div className={classes.evidence}>{entry.evidence}</div>}
    </li>
  );
}
