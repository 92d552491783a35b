import { useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body, idempotencyKey } from '~/shared/api/client';
import type { Card, ConsentState } from '~/shared/api/types';
import { useErrorText } from '~/shared/ui/error-state';
import { toast } from '~/shared/ui/toasts';
import { cardQuery, consentEntriesKey } from '../queries';
import { stepsTo } from './consents';

type Wanted = Pick<ConsentState, 'marketing' | 'service'>;

/** Writes what a customer agreed to: shown at once, taken back on the page where the server refuses it, undone by a toast. */
export function useSetConsent(customerId: string) {
  const { t } = useTranslation(['card', 'common']);
  const queryClient = useQueryClient();
  const textOf = useErrorText();

  const put = useCallback(
    (state: ConsentState) => {
      queryClient.setQueryData(cardQuery(customerId).queryKey, (before: Card | undefined) => {
        if (!before?.consents) return before;
        const others = before.consents.states.filter(
          ({ contactPointId, channel }) => contactPointId !== state.contactPointId || channel !== state.channel,
        );
        return { ...before, consents: { ...before.consents, states: [...others, state] } };
      });
    },
    [queryClient, customerId],
  );

  const write = useCallback(
    async (from: ConsentState, wanted: Wanted): Promise<ConsentState> => {
      // What is read meanwhile must not put the old state back over the new one.
      await queryClient.cancelQueries({ queryKey: cardQuery(customerId).queryKey });
      put({ ...from, ...wanted });
      let now = from;
      try {
        for (const { purpose, granted } of stepsTo(from, wanted)) {
          const entry = await body(
            api.POST('/v1/customers/{customerId}/consents', {
              params: { path: { customerId } },
              headers: { 'Idempotency-Key': idempotencyKey() },
              body: { channel: from.channel, contactPointId: from.contactPointId, purpose, granted },
            }),
          );
          now = {
            ...now,
            entry,
            ...(purpose !== 'CONSENT_PURPOSE_SERVICE' && { marketing: granted }),
            ...(purpose !== 'CONSENT_PURPOSE_MARKETING' && { service: granted }),
          };
        }
        return now;
      } finally {
        // What was reached, all of it or not.
        put(now);
        void queryClient.invalidateQueries({ queryKey: cardQuery(customerId).queryKey });
        void queryClient.invalidateQueries({ queryKey: consentEntriesKey(customerId) });
      }
    },
    [queryClient, customerId, put],
  );

  return useCallback(
    async (from: ConsentState, wanted: Wanted, said: string) => {
      try {
        const reached = await write(from, wanted);
        toast(said, {
          label: t('common:action.undo'),
          run: () =>
            void write(reached, { marketing: from.marketing, service: from.service }).then(
              () => toast(t('consents.undone')),
              (error: unknown) => toast(`${t('consents.failed')} ${textOf(error)}`),
            ),
        });
      } catch (error) {
        toast(`${t('consents.failed')} ${textOf(error)}`);
      }
    },
    [write, t, textOf],
  );
}
