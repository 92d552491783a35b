import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import { api, body } from '~/shared/api/client';
import type { Card, Email, SendEmailRequest } from '~/shared/api/types';
import { cardQuery } from '../queries';

/** A letter on its way to the server. */
export type Outgoing = { key: string; toAddress: string; subject: string };

export type SendLetter = (request: SendEmailRequest, key: string, toAddress: string) => Promise<Email>;

/** Sends letters: each shows at once as being handed over, then as the ledger has it. */
export function useOutbox(customerId: string): { outgoing: Outgoing[]; send: SendLetter } {
  const queryClient = useQueryClient();
  const [outgoing, setOutgoing] = useState<Outgoing[]>([]);
  const send = useCallback<SendLetter>(
    async (request, key, toAddress) => {
      setOutgoing((before) => [{ key, toAddress, subject: request.subject ?? '' }, ...before]);
      try {
        const email = await body(api.POST('/v1/emails', { body: request, headers: { 'Idempotency-Key': key } }));
        const { queryKey } = cardQuery(customerId);
        queryClient.setQueryData(queryKey, (card: Card | undefined) => card && withLetter(card, email));
        void queryClient.invalidateQueries({ queryKey });
        return email;
      } finally {
        setOutgoing((before) => before.filter((letter) => letter.key !== key));
      }
    },
    [queryClient, customerId],
  );
  return { outgoing, send };
}

/** The card with a letter that was just accepted; one that it has already is left as it is. */
export function withLetter(card: Card, email: Email): Card {
  const { messages } = card;
  if (!messages || messages.emails.some(({ id }) => id === email.id)) return card;
  return {
    ...card,
    messages: {
      ...messages,
      emails: [email, ...messages.emails],
      totalEmails: String(BigInt(messages.totalEmails) + 1n),
    },
  };
}
