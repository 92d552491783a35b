import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { DialogMessage } from '~/shared/api/types';
import { useLiveRefresh } from '~/shared/realtime';
import type { Pending } from './outbox';
import { outboxOf } from './outboxes';
import { dialogQuery, readMessages, threadQuery } from './queries';
import { renewDialogs } from './renew';
import { merge, readUpTo, type Thread, withoutGap } from './thread';

/** What was said in a dialog, what is on its way, and reading on in both directions. */
export function useThread(dialogId: string, userId: string) {
  const queryClient = useQueryClient();
  const thread = useQuery(threadQuery(dialogId));
  const [loadingOlder, setLoadingOlder] = useState(false);
  const [olderFailed, setOlderFailed] = useState(false);
  const reading = useRef<{ dialogId: string; again: boolean }>(undefined);

  const put = useCallback(
    (read: readonly DialogMessage[], hasOlder?: boolean) => {
      queryClient.setQueryData(threadQuery(dialogId).queryKey, (before: Thread | undefined) =>
        before ? { messages: merge(before.messages, read), hasOlder: hasOlder ?? before.hasOlder } : before,
      );
    },
    [queryClient, dialogId],
  );

  /** Reads what has been said since; asked for again meanwhile, it reads once more. */
  const readOn = useCallback(async () => {
    if (reading.current?.dialogId === dialogId) {
      reading.current.again = true;
      return;
    }
    const state = { dialogId, again: true };
    reading.current = state;
    try {
      while (state.again) {
        state.again = false;
        const known = queryClient.getQueryData(threadQuery(dialogId).queryKey);
        if (!known) return;
        const page = await readMessages(dialogId, { after: readUpTo(known.messages) });
        put(page.messages);
        state.again ||= page.more;
      }
    } catch {
      // The next change, or coming back to the window, reads again; what stands on the page stays true.
    } finally {
      if (reading.current === state) reading.current = undefined;
    }
  }, [queryClient, dialogId, put]);

  const refresh = useCallback(() => {
    void readOn();
    void queryClient.invalidateQueries({ queryKey: dialogQuery(dialogId).queryKey });
  }, [readOn, queryClient, dialogId]);
  useLiveRefresh(
    useMemo(() => [`dialog/${dialogId}`], [dialogId]),
    refresh,
    200,
  );
  useEffect(() => {
    // A thread that was read earlier may have gone on meanwhile.
    refresh();
    addEventListener('focus', refresh);
    return () => removeEventListener('focus', refresh);
  }, [refresh]);

  const first = thread.data?.messages[0];
  const readOlder = useCallback(async () => {
    if (!first || loadingOlder) return;
    setLoadingOlder(true);
    setOlderFailed(false);
    try {
      const page = await readMessages(dialogId, { before: Number(first.sequence) });
      put(page.messages, page.more);
    } catch {
      setOlderFailed(true);
    } finally {
      setLoadingOlder(false);
    }
  }, [dialogId, first, loadingOlder, put]);

  const outbox = outboxOf(userId);
  const waiting = useSyncExternalStore(
    outbox.subscribe,
    useCallback(() => outbox.of(dialogId), [outbox, dialogId]),
  );
  const sent = useCallback(
    (message: DialogMessage) => {
      put([message]);
      void readOn();
      void queryClient.invalidateQueries({ queryKey: dialogQuery(dialogId).queryKey });
      void renewDialogs(queryClient, new Set([dialogId]));
    },
    [put, readOn, queryClient, dialogId],
  );

  const messages = useMemo(() => withoutGap(thread.data?.messages ?? []), [thread.data]);
  // A message may be read before its answer is lost: both the messages and the outbox are looked at.
  // biome-ignore lint/correctness/useExhaustiveDependencies: `waiting` only says when to look again
  useEffect(() => outbox.arrived(messages), [outbox, messages, waiting]);
  // What is said to have failed may have arrived all the same: the dialog knows.
  const failed = waiting.filter(({ state }) => state === 'failed').length;
  useEffect(() => {
    if (failed > 0) void readOn();
  }, [failed, readOn]);
  // One that is shown as sent already is not shown as waiting too.
  const known = useMemo(() => new Set(messages.map(({ clientMessageId }) => clientMessageId)), [messages]);
  const pending = useMemo(() => waiting.filter(({ clientMessageId }) => !known.has(clientMessageId)), [waiting, known]);

  return {
    messages,
    pending,
    loading: thread.isPending,
    error: thread.data ? undefined : thread.error,
    refetch: () => void thread.refetch(),
    hasOlder: thread.data?.hasOlder ?? false,
    loadingOlder,
    olderFailed,
    readOlder,
    send: useCallback((text: string) => outbox.add(dialogId, text, sent), [outbox, dialogId, sent]),
    retry: useCallback((one: Pending) => outbox.retry(one, sent), [outbox, sent]),
    discard: useCallback((one: Pending) => outbox.discard(one.clientMessageId), [outbox]),
  };
}
