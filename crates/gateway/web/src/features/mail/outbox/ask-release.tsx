import { Button, Group, Modal, Skeleton, Stack, Text } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Email } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { ErrorState, useErrorText } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { toast } from '~/shared/ui/toasts';
import { useFocusReturn } from '~/shared/ui/use-focus-return';
import { outboxKey } from '../queries';
import { findHeld, release } from './release';

type Props = {
  /** The letter to send; all that are held without one. */
  letter: Email | undefined;
  onClose: () => void;
};

/** What has gone out cannot be taken back: the question says which letters, and what may come of it. */
export default function AskRelease({ letter, onClose }: Props) {
  const { t } = useTranslation(['mail', 'common']);
  const format = useFormat();
  const textOf = useErrorText();
  const queryClient = useQueryClient();
  useFocusReturn();
  const [done, setDone] = useState(0);
  // Who closes the question wants no further letter to go out.
  const stopped = useRef(false);
  useEffect(() => {
    stopped.current = false;
    return () => {
      stopped.current = true;
    };
  }, []);
  const found = useQuery({
    // Not among the keys of the outbox: what is asked about stays as it is while letters go out.
    queryKey: ['outbox-held'],
    queryFn: ({ signal }) => findHeld(signal),
    enabled: letter === undefined,
    staleTime: 0,
    gcTime: 0,
  });
  const letters = letter ? [letter] : found.data;
  const send = useMutation({
    mutationFn: async (wanted: readonly Email[]) => {
      setDone(0);
      // One after the other: where one is refused for lack of a right or of a server, the others would be too.
      let sent = 0;
      for (const { id } of wanted) {
        if (stopped.current) break;
        await release(id);
        sent += 1;
        setDone(sent);
      }
      return sent;
    },
    onSuccess: (sent) => {
      toast(t('outbox.released', { count: sent, shown: format.number(sent) }));
      if (!stopped.current) onClose();
    },
    onError: (error) => announce(textOf(error)),
    onSettled: () => queryClient.invalidateQueries({ queryKey: outboxKey }),
  });
  const count = letters?.length ?? 0;
  const subject = letter?.subject || t('letter.noSubject');
  const title = letter ? t('outbox.ask') : t('outbox.askAll', { count, shown: format.number(count) });
  return (
    <Modal
      opened
      onClose={onClose}
      title={letters ? title : t('outbox.counting')}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
    >
      <Stack gap="md">
        {found.isError && (
          <ErrorState title={t('outbox.listFailed')} error={found.error} onRetry={() => void found.refetch()} />
        )}
        {!letters && !found.isError && <Skeleton height={48} radius="sm" />}
        {letters && (
          <Text size="sm">
            {letter ? t('outbox.askText', { subject, to: letter.toAddress }) : t('outbox.askAllText')}
          </Text>
        )}
        {send.isError && (
          <Text size="sm" c="var(--mantine-color-error)" role="alert">
            {done > 0 && `${t('outbox.released', { count: done, shown: format.number(done) })} · `}
            {textOf(send.error)}
          </Text>
        )}
        <Group justify="flex-end" gap="xs">
          {send.isPending && count > 1 && (
            <Text size="sm" c="dimmed">
              {t('outbox.progress', { shown: format.number(done), total: format.number(count) })}
            </Text>
          )}
          <Button variant="default" onClick={onClose} data-autofocus>
            {t('common:action.cancel')}
          </Button>
          <Button loading={send.isPending} disabled={count === 0} onClick={() => letters && send.mutate(letters)}>
            {t('outbox.confirm')}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
