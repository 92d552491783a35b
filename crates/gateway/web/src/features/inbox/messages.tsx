import { Button, Loader } from '@mantine/core';
import { IconAlertTriangle, IconCheck, IconClock } from '@tabler/icons-react';
import { memo } from 'react';
import { useTranslation } from 'react-i18next';
import type { DialogMessage } from '~/shared/api/types';
import { stretches } from '~/shared/lib/links';
import { useFormat } from '~/shared/lib/use-format';
import { useErrorWords } from '~/shared/ui/error-state';
import classes from './messages.module.css';
import type { Pending } from './outbox';
import { useNoteText } from './texts';

type Props = {
  messages: readonly DialogMessage[];
  pending: readonly Pending[];
  userId: string;
  names: ReadonlyMap<string, string>;
  onRetry: (pending: Pending) => void;
  onDiscard: (pending: Pending) => void;
};

/** The messages under the days on which they were written; what is not sent yet stands last. */
export function Days({ messages, pending, userId, names, onRetry, onDiscard }: Props) {
  const format = useFormat();
  const days = new Map<string, DialogMessage[]>();
  for (const message of messages) {
    const day = message.createdAt ? format.day(new Date(message.createdAt)) : '';
    const known = days.get(day);
    if (known) known.push(message);
    else days.set(day, [message]);
  }
  return (
    <>
      {[...days].map(([day, ofDay]) => (
        <section key={day} aria-label={day}>
          <h3 className={classes.day}>{day}</h3>
          <ol className={classes.messages}>
            {ofDay.map((message) => (
              <Message
                key={message.sequence}
                message={message}
                own={message.userId === userId}
                author={names.get(message.userId)}
                names={message.kind === 'DIALOG_MESSAGE_KIND_SYSTEM' ? names : undefined}
              />
            ))}
          </ol>
        </section>
      ))}
      {pending.length > 0 && (
        <ol className={classes.messages}>
          {pending.map((one) => (
            <Waiting key={one.clientMessageId} pending={one} onRetry={onRetry} onDiscard={onDiscard} />
          ))}
        </ol>
      )}
    </>
  );
}

type MessageProps = {
  message: DialogMessage;
  own: boolean;
  author: string | undefined;
  names: ReadonlyMap<string, string> | undefined;
};

const Message = memo(function Message({ message, own, author, names }: MessageProps) {
  const { t } = useTranslation('inbox');
  const format = useFormat();
  const noteText = useNoteText();
  const at = message.createdAt ? new Date(message.createdAt) : undefined;
  const time = at && (
    <time dateTime={at.toISOString()} className={classes.time}>
      {format.time(at)}
    </time>
  );
  if (message.kind === 'DIALOG_MESSAGE_KIND_SYSTEM') {
    return (
      <li className={classes.note}>
        {noteText(message, names ?? new Map())} {time}
      </li>
    );
  }
  const ours = message.kind === 'DIALOG_MESSAGE_KIND_COLLEAGUE';
  return (
    <li className={classes.message} data-ours={ours || undefined}>
      {ours && !own && <span className={classes.author}>{author ?? t('us')}</span>}
      {(!ours || own) && <span className={classes.hidden}>{t(ours ? 'you' : 'them')}: </span>}
      <span className={classes.text} dir="auto">
        <Written text={message.text} />
      </span>
      <span className={classes.foot}>
        {time}
        {ours && <IconCheck size={13} stroke={2} role="img" aria-label={t('send.sent')} />}
      </span>
    </li>
  );
});

/** A text with its addresses to be followed; what leads out of the house opens beside it and tells nothing of it. */
function Written({ text }: { text: string }) {
  return stretches(text).map(({ text, href }, index) =>
    href ? (
      // biome-ignore lint/suspicious/noArrayIndexKey: a text never changes, and its stretches have no other name
      <a key={index} href={href} target="_blank" rel="noopener noreferrer nofollow">
        {text}
      </a>
    ) : (
      text
    ),
  );
}

type WaitingProps = { pending: Pending; onRetry: (pending: Pending) => void; onDiscard: (pending: Pending) => void };

function Waiting({ pending, onRetry, onDiscard }: WaitingProps) {
  const { t } = useTranslation('inbox');
  const wordsOf = useErrorWords();
  const { state, text, error } = pending;
  return (
    <li className={classes.message} data-ours data-state={state}>
      <span className={classes.hidden}>{t('you')}: </span>
      <span className={classes.text} dir="auto">
        {text}
      </span>
      <span className={classes.foot}>
        {state === 'failed' ? (
          <IconAlertTriangle size={13} stroke={2} aria-hidden />
        ) : state === 'queued' ? (
          <IconClock size={13} stroke={2} aria-hidden />
        ) : (
          <Loader size={11} color="currentColor" aria-hidden />
        )}
        {t(`send.${state}`)}
      </span>
      {state === 'failed' && (
        <span className={classes.failed} role="alert">
          {error === undefined ? t('send.unknown') : wordsOf(error).join(' ')}
          <Button size="compact-xs" onClick={() => onRetry(pending)}>
            {t('send.retry')}
          </Button>
          <Button size="compact-xs" variant="default" onClick={() => onDiscard(pending)}>
            {t('send.discard')}
          </Button>
        </span>
      )}
    </li>
  );
}
