import { replaceEqualDeep, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import { api, body } from '~/shared/api/client';
import { ApiError } from '~/shared/api/problem';
import type { Card, Customer } from '~/shared/api/types';
import { useLiveRefresh } from '~/shared/realtime';
import { type Edit, saveEdit } from './edit';
import { cardQuery, consentEntriesKey, lettersKey, membershipChangesKey, readCustomer, timelineKey } from './queries';

/**
 * What has not changed keeps its identity, so that it is not drawn again. A customer that was here stays while the service
 * that has them is away: an edit that is under way must not vanish with it; the section says that it is not fresh.
 */
export function keepCustomer(before: unknown, after: unknown): unknown {
  const card = after as Card;
  const known = (before as Card | undefined)?.customer?.customer;
  const gone = card.customer && !card.customer.customer && card.customer.status?.state !== 'SECTION_STATE_FORBIDDEN';
  return replaceEqualDeep(before, known && gone ? { ...card, customer: { ...card.customer, customer: known } } : card);
}

/** The card with what can be done on it. */
export function useCard(customerId: string) {
  const queryClient = useQueryClient();
  const card = useQuery({ ...cardQuery(customerId), structuralSharing: keepCustomer });

  // Whatever happens with the customer, in any service: the card is read again; what is being edited stays as it is.
  useLiveRefresh([`customer/${customerId}`], () => {
    void queryClient.invalidateQueries({ queryKey: cardQuery(customerId).queryKey });
    for (const key of [timelineKey, consentEntriesKey, lettersKey, membershipChangesKey]) {
      void queryClient.invalidateQueries({ queryKey: key(customerId) });
    }
  });

  // The card shows at once what was written; lists, history and duplicates are asked for again when they are next shown.
  const put = useCallback(
    (customer: Customer) => {
      const { queryKey } = cardQuery(customerId);
      queryClient.setQueryData(
        queryKey,
        (before: Card | undefined) => before && { ...before, customer: { ...before.customer, customer } },
      );
      void queryClient.invalidateQueries({ queryKey: ['customers'], refetchType: 'none' });
    },
    [queryClient, customerId],
  );

  const { mutateAsync: save } = useMutation({
    mutationFn: ({ base, edit }: { base: Customer; edit: Edit }) =>
      saveEdit(base, edit, {
        send: ({ updateMask, customer }) =>
          body(
            api.PATCH('/v1/customers/{id}', {
              params: { path: { id: customerId }, query: { updateMask } },
              body: customer,
            }),
          ),
        read: (id) => readCustomer(id),
        isConflict: (error) => error instanceof ApiError && error.isConflict,
      }),
    onSuccess: (outcome) => {
      if (outcome.kind === 'saved') put(outcome.customer);
    },
  });

  return {
    card: card.data,
    error: card.error,
    loading: card.isPending,
    refetching: card.isFetching,
    refetch: useCallback(() => void card.refetch(), [card.refetch]),
    save: useCallback((base: Customer, edit: Edit) => save({ base, edit }), [save]),
    take: put,
  };
}
