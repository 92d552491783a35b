import { Button, Skeleton, Text } from '@mantine/core';
import { useDocumentVisibility } from '@mantine/hooks';
import { IconArrowDown } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body } from '~/shared/api/client';
import type { Dialog } from '~/shared/api/types';
import { useMay } from '~/shared/session';
import { useUserNames } from '~/shared/session/people';
import { ErrorState } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { Composer } from './composer';
import { Days } from './messages';
import { cardQuery, dialogQuery } from './queries';
import { renewDialogs } from './renew';
import { useDialogName } from './texts';
import { ThreadHead } from './thread-head';
import classes from './thread-view.module.css';
import { useThread } from './use-thread';

/** So near to its end, the thread counts as seen to the end. */
const NEAR_PX = 64;
/** So near to its beginning, what was said before is read. */
const OLDER_PX = 160;

type Props = {
  dialogId: string;
  dialog: Dialog | undefined;
  userId: string;
  onBack: () => void;
  panel: boolean;
  onPanel: (shown: boolean) => void;
};

/** The messages of a dialog with what is being sent, and where the answer is written. */
export function ThreadView({ dialogId, dialog, userId, onBack, panel, onPanel }: Props) {
  const { t } = useTranslation('inbox');
  const queryClient = useQueryClient();
  const nameOf = useDialogName();
  const mayWrite = useMay('messaging.dialog.write');
  const mayReassign = useMay('messaging.dialog.reassign');
  const mayCard = useMay('customers.customer.read');
  const thread = useThread(dialogId, userId);
  const { messages, pending, readOlder } = thread;
  const card = useQuery({ ...cardQuery(dialog?.customerId ?? ''), enabled: mayCard && Boolean(dialog?.customerId) });
  const name = nameOf(dialog, card.data?.customer?.customer);
  const names = useUserNames(
    useMemo(() => [dialog?.assigneeId ?? '', ...messages.map((one) => one.userId)], [dialog, messages]),
  );

  const scroller = useRef<HTMLElement>(null);
  const atEnd = useRef(true);
  const height = useRef(0);
  const ends = useRef({ first: '', last: '', waiting: '' });
  const [unseen, setUnseen] = useState(false);
  const [seen, setSeen] = useState(true);

  const toEnd = useCallback(() => {
    const place = scroller.current;
    if (place) place.scrollTop = place.scrollHeight;
    atEnd.current = true;
    setUnseen(false);
    setSeen(true);
  }, []);

  const first = messages[0]?.sequence ?? '';
  const last = messages.at(-1);
  const lastPlace = last?.sequence ?? '';
  const waiting = pending.map(({ state }) => state).join(' ');
  const newest = pending.at(-1)?.clientMessageId;
  const wrote = useRef(newest);
  useLayoutEffect(() => {
    const place = scroller.current;
    if (!place) return;
    const before = ends.current;
    ends.current = { first, last: lastPlace, waiting };
    if (before.first !== '' && before.first !== first) {
      // Older messages came in above: what one was reading stays where it was.
      place.scrollTop += place.scrollHeight - height.current;
    }
    const ownNews = newest !== undefined && newest !== wrote.current;
    wrote.current = newest;
    const grew = lastPlace !== before.last || waiting !== before.waiting;
    if (before.last === '' || ownNews || (grew && atEnd.current)) toEnd();
    else if (lastPlace !== before.last) setUnseen(true);
    height.current = place.scrollHeight;
  }, [first, lastPlace, waiting, newest, toEnd]);

  const { hasOlder, loadingOlder, olderFailed } = thread;
  const lookUp = useCallback(() => {
    const place = scroller.current;
    if (!place) return;
    atEnd.current = place.scrollHeight - place.scrollTop - place.clientHeight < NEAR_PX;
    setSeen(atEnd.current);
    if (atEnd.current) setUnseen(false);
    if (place.scrollTop < OLDER_PX && hasOlder && !loadingOlder && !olderFailed) void readOlder();
  }, [hasOlder, loadingOlder, olderFailed, readOlder]);
  useEffect(() => {
    // A thread shorter than its place cannot be scrolled: what was before is read at once.
    const place = scroller.current;
    if (place && place.scrollHeight <= place.clientHeight) lookUp();
  });

  // What the customer has just written is said aloud, what was there before is not.
  const told = useRef<string>(undefined);
  useEffect(() => {
    if (!last) return;
    const before = told.current;
    told.current = last.sequence;
    if (before === undefined || Number(last.sequence) <= Number(before)) return;
    const fresh = messages.filter(
      (one) => Number(one.sequence) > Number(before) && one.kind === 'DIALOG_MESSAGE_KIND_CUSTOMER',
    );
    if (fresh.length > 0) announce(fresh.map((one) => t('announce', { name, text: one.text })).join(' '));
  }, [last, messages, name, t]);

  // Read is what stood on the screen to its end while somebody could see it.
  const visible = useDocumentVisibility() === 'visible';
  const marked = useRef(0);
  const unread = dialog?.unreadCount ?? 0;
  useEffect(() => {
    const upTo = Number(lastPlace);
    if (!mayWrite || !visible || !seen || unread === 0 || upTo <= marked.current) return;
    marked.current = upTo;
    body(
      api.POST('/v1/dialogs/{dialogId}:markRead', {
        params: { path: { dialogId } },
        body: { sequence: String(upTo) },
      }),
    ).then(
      (changed) => {
        queryClient.setQueryData(dialogQuery(dialogId).queryKey, changed);
        void renewDialogs(queryClient, new Set([dialogId]));
        void queryClient.invalidateQueries({ queryKey: ['dialogs', 'unread-count'] });
      },
      () => {
        // It stays unread, and is marked with the next message or look at it.
        marked.current = 0;
      },
    );
  }, [dialogId, lastPlace, mayWrite, visible, seen, unread, queryClient]);

  const others = dialog !== undefined && dialog.assigneeId !== '' && dialog.assigneeId !== userId;
  return (
    <section className={classes.thread} aria-label={t('thread.label', { name })}>
      <ThreadHead
        dialog={dialog}
        name={name}
        userId={userId}
        names={names}
        onBack={onBack}
        panel={panel}
        onPanel={onPanel}
      />
      <section
        ref={scroller}
        className={classes.scroller}
        onScroll={lookUp}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        tabIndex={0}
        aria-label={t('thread.messages')}
      >
        {thread.loading ? (
          <div className={classes.skeleton}>
            <Skeleton height={38} width="60%" />
            <Skeleton height={38} width="50%" ml="auto" />
            <Skeleton height={38} width="40%" />
          </div>
        ) : thread.error ? (
          <ErrorState title={t('thread.failed')} error={thread.error} onRetry={thread.refetch} />
        ) : (
          <>
            {(hasOlder || loadingOlder) && (
              <div className={classes.older}>
                <Button size="compact-xs" variant="subtle" loading={loadingOlder} onClick={() => void readOlder()}>
                  {t(olderFailed ? 'thread.olderFailed' : 'thread.older')}
                </Button>
              </div>
            )}
            <Days
              messages={messages}
              pending={pending}
              userId={userId}
              names={names}
              onRetry={thread.retry}
              onDiscard={thread.discard}
            />
          </>
        )}
      </section>
      {unseen && (
        <Button
          className={classes.unseen}
          size="compact-sm"
          leftSection={<IconArrowDown size={14} aria-hidden />}
          onClick={toEnd}
        >
          {t('thread.unseen')}
        </Button>
      )}
      {mayWrite && !others && <Composer dialogId={dialogId} userId={userId} name={name} onSend={thread.send} />}
      {mayWrite && others && (
        <Text size="sm" c="dimmed" className={classes.closed}>
          {t(mayReassign ? 'composer.others' : 'composer.othersOnly', {
            name: names.get(dialog.assigneeId) ?? t('us'),
          })}
        </Text>
      )}
    </section>
  );
}
