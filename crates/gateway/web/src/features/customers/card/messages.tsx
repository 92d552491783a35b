import { Button, Text, UnstyledButton } from '@mantine/core';
import { IconChevronRight, IconCloudUpload, IconMail, IconMailOff, IconMessages } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Card, Dialog, Email } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { SendStateMark, useLetterReason } from '~/shared/mail/send-state';
import { useMay } from '~/shared/session';
import { EmptyState } from '~/shared/ui/empty-state';
import { useErrorText } from '~/shared/ui/error-state';
import { Mark } from '~/shared/ui/mark';
import { When } from '~/shared/ui/when';
import type { Outgoing } from './compose/use-outbox';
import classes from './messages.module.css';
import paged from './paged.module.css';
import { olderLettersQuery } from './queries';

type Props = {
  customerId: string;
  section: Card['messages'];
  /** Letters that the server has not answered for yet. */
  outgoing: Outgoing[];
  onLetter: (id: string) => void;
};

/** Dialogs and letters, the newest first, each with its true state. */
export default function Messages({ customerId, section, outgoing, onLetter }: Props) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const textOf = useErrorText();
  const mayRead = useMay('messaging.email.read');
  const [wanted, setWanted] = useState(false);
  const older = useInfiniteQuery({ ...olderLettersQuery(customerId), enabled: wanted });
  const newest = section?.emails ?? [];
  const loaded = (older.data?.pages ?? []).flatMap((page) => page.emails);
  const known = new Set(newest.map(({ id }) => id));
  const emails = [...newest, ...loaded.filter(({ id }) => !known.has(id))];
  const dialogs = section?.dialogs ?? [];
  const total = Number(section?.totalEmails ?? 0);
  const hasMore = mayRead && (older.data === undefined ? total > newest.length : older.hasNextPage);

  if (emails.length === 0 && dialogs.length === 0 && outgoing.length === 0) {
    return <EmptyState icon={IconMailOff} title={t('messages.none')} text={t('messages.noneText')} />;
  }
  return (
    <>
      {dialogs.length > 0 && (
        <ul className={classes.list} aria-label={t('messages.dialogs')}>
          {dialogs.map((dialog) => (
            <DialogEntry key={dialog.id} dialog={dialog} />
          ))}
        </ul>
      )}
      {Number(section?.totalDialogs ?? 0) > dialogs.length && (
        <Text size="xs" c="dimmed">
          {t('messages.moreDialogs', { count: Number(section?.totalDialogs), shown: format.number(dialogs.length) })}
        </Text>
      )}
      <ul className={classes.list} aria-label={t('messages.letters')}>
        {outgoing.map(({ key, subject, toAddress }) => (
          <li key={key} className={classes.entry}>
            <IconMail size={16} stroke={1.7} aria-hidden className={classes.icon} />
            <span className={classes.text}>
              <strong>{subject || t('messages.letter')}</strong> <span className={classes.to}>{toAddress}</span>
            </span>
            <Mark tone="waiting" icon={IconCloudUpload}>
              {t('messages.handingOver')}
            </Mark>
          </li>
        ))}
        {emails.map((email) => (
          <Letter key={email.id} email={email} onOpen={mayRead ? () => onLetter(email.id) : undefined} />
        ))}
      </ul>
      <div className={paged.foot}>
        {total > 0 && (
          <Text size="xs" c="dimmed">
            {t('messages.shown', { count: total, shown: format.number(emails.length), total: format.number(total) })}
          </Text>
        )}
        {older.isError && (
          <Text size="xs" c="var(--mantine-color-error)" role="alert">
            {textOf(older.error)}
          </Text>
        )}
        {hasMore && (
          <Button
            size="compact-sm"
            variant="default"
            loading={older.isFetching}
            onClick={() => {
              if (!wanted) setWanted(true);
              else void (older.isError && !older.data ? older.refetch() : older.fetchNextPage());
            }}
          >
            {t('more')}
          </Button>
        )}
      </div>
    </>
  );
}

function DialogEntry({ dialog }: { dialog: Dialog }) {
  const { t } = useTranslation('card');
  const mayRead = useMay('messaging.dialog.read');
  const last = dialog.lastMessage;
  const text = last?.text || t('messages.dialog', { channel: dialog.channelName });
  return (
    <li className={classes.entry}>
      <IconMessages size={16} stroke={1.7} aria-hidden className={classes.icon} />
      <span className={classes.text}>
        {mayRead ? (
          <Link to="/inbox" search={{ dialog: dialog.id }} className={classes.link}>
            {text}
          </Link>
        ) : (
          text
        )}{' '}
        <span className={classes.to}>{dialog.channelName}</span>
      </span>
      {dialog.unreadCount > 0 && <Mark tone="accent">{t('messages.unread', { count: dialog.unreadCount })}</Mark>}
      {dialog.state === 'DIALOG_STATE_OPEN' ? (
        <Mark tone="waiting">{t('messages.open')}</Mark>
      ) : (
        <Mark tone="idle">{t('messages.closed')}</Mark>
      )}
      {dialog.lastMessageAt && <When at={dialog.lastMessageAt} className={classes.when} />}
    </li>
  );
}

function Letter({ email, onOpen }: { email: Email; onOpen: (() => void) | undefined }) {
  const { t } = useTranslation('card');
  const reason = useLetterReason();
  const why = reason(email);
  const subject = email.subject || t('messages.letter');
  return (
    <li className={classes.entry}>
      <IconMail size={16} stroke={1.7} aria-hidden className={classes.icon} />
      <span className={classes.text}>
        {onOpen ? (
          <UnstyledButton className={classes.open} onClick={onOpen} aria-haspopup="dialog">
            {subject}
            <IconChevronRight size={13} aria-hidden />
          </UnstyledButton>
        ) : (
          <strong>{subject}</strong>
        )}{' '}
        <span className={classes.to}>{email.toAddress}</span>
        {why && <span className={classes.why}>{why}</span>}
        {email.nextAttemptAt && (
          <span className={classes.why}>
            {t('messages.again')} <When at={email.nextAttemptAt} />
          </span>
        )}
      </span>
      <SendStateMark state={email.state} />
      {(email.settledAt ?? email.createdAt) && (
        <When at={email.settledAt ?? email.createdAt ?? ''} className={classes.when} />
      )}
    </li>
  );
}
