import { Alert, Button, Skeleton, UnstyledButton } from '@mantine/core';
import { IconArrowLeft, IconInfoCircle, IconMailbox, IconMailOpened } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { CapturedEmail } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { LetterFrame } from '~/shared/mail/letter-frame';
import { useLiveRefresh } from '~/shared/realtime';
import { useMay } from '~/shared/session';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { When } from '~/shared/ui/when';
import { capturedQuery, mailboxKey, mailboxQuery } from '../queries';
import classes from './mailbox.module.css';
import type { MailboxSearch } from './search';

type Props = { search: MailboxSearch; onSearch: (search: MailboxSearch, options: { replace: boolean }) => void };

/** The letters that were captured instead of being sent: a list, and what each would have said. */
export function Mailbox({ search, onSearch }: Props) {
  const { t } = useTranslation(['mail', 'common']);
  const queryClient = useQueryClient();
  const list = useInfiniteQuery(mailboxQuery);
  useLiveRefresh(['emails'], () => void queryClient.invalidateQueries({ queryKey: mailboxKey }));
  const letters = (list.data?.pages ?? []).flatMap((page) => page.emails);
  const capturing = list.data?.pages[0]?.capturing ?? true;

  return (
    <div className={classes.page} data-reading={search.letter !== undefined || undefined}>
      <header className={classes.head}>
        <PageHeading>{t('mailbox.title')}</PageHeading>
      </header>
      {!capturing && (
        <Alert icon={<IconInfoCircle size={18} aria-hidden />} color="gray" variant="outline" className={classes.note}>
          {t('mailbox.notCapturing')}
        </Alert>
      )}
      {list.isPending && <Skeleton height={320} radius="md" />}
      {list.isError && letters.length === 0 && (
        <ErrorState title={t('mailbox.failed')} error={list.error} onRetry={() => void list.refetch()} />
      )}
      {list.isSuccess && letters.length === 0 && (
        <EmptyState
          icon={IconMailbox}
          title={t('mailbox.none')}
          text={capturing ? t('mailbox.noneText') : t('mailbox.notCapturing')}
        />
      )}
      {letters.length > 0 && (
        <div className={classes.columns}>
          <section className={classes.list} aria-label={t('mailbox.list')}>
            <ul>
              {letters.map((letter) => (
                <li key={letter.id}>
                  <Row
                    letter={letter}
                    current={letter.id === search.letter}
                    onOpen={() => onSearch({ letter: letter.id }, { replace: search.letter !== undefined })}
                  />
                </li>
              ))}
            </ul>
            {(list.hasNextPage || list.isFetchNextPageError) && (
              <div className={classes.more}>
                <Button
                  size="compact-sm"
                  variant="default"
                  loading={list.isFetchingNextPage}
                  onClick={() => void list.fetchNextPage()}
                >
                  {t('common:action.more')}
                </Button>
              </div>
            )}
          </section>
          <section className={classes.reading} aria-label={t('mailbox.reading')}>
            {search.letter ? (
              <Reading key={search.letter} id={search.letter} onBack={() => onSearch({}, { replace: false })} />
            ) : (
              <EmptyState icon={IconMailOpened} title={t('mailbox.choose')} />
            )}
          </section>
        </div>
      )}
    </div>
  );
}

function Row({ letter, current, onOpen }: { letter: CapturedEmail; current: boolean; onOpen: () => void }) {
  const { t } = useTranslation('mail');
  return (
    <UnstyledButton className={classes.row} onClick={onOpen} aria-current={current || undefined}>
      <span className={classes.subject}>{letter.subject || t('letter.noSubject')}</span>
      <span className={classes.to}>{letter.toAddress}</span>
      {letter.capturedAt && <Moment at={letter.capturedAt} />}
    </UnstyledButton>
  );
}

/** The moment inside a button: what could take the focus itself must not stand there. */
function Moment({ at }: { at: string }) {
  const format = useFormat();
  const moment = new Date(at);
  return (
    <time dateTime={at} className={classes.moment} title={format.exact(moment)}>
      {format.dateTime(moment)}
    </time>
  );
}

function Reading({ id, onBack }: { id: string; onBack: () => void }) {
  const { t } = useTranslation(['mail', 'common']);
  const format = useFormat();
  const letter = useQuery(capturedQuery(id));
  const mayCustomers = useMay('customers.customer.read');
  const heading = useRef<HTMLHeadingElement>(null);
  const shown = letter.data !== undefined;
  useEffect(() => {
    if (shown) heading.current?.focus({ preventScroll: true });
  }, [shown]);
  const email = letter.data;
  return (
    <>
      <Button
        className={classes.back}
        size="compact-sm"
        variant="default"
        leftSection={<IconArrowLeft size={15} aria-hidden />}
        onClick={onBack}
      >
        {t('mailbox.back')}
      </Button>
      {letter.isPending && <Skeleton height={320} radius="md" />}
      {letter.isError && (
        <ErrorState title={t('letter.failed')} error={letter.error} onRetry={() => void letter.refetch()} />
      )}
      {email && (
        <article>
          <h2 ref={heading} tabIndex={-1} className={classes.title}>
            {email.subject || t('letter.noSubject')}
          </h2>
          <dl className={classes.facts}>
            <dt>{t('letter.from')}</dt>
            <dd>{email.fromAddress}</dd>
            <dt>{t('letter.to')}</dt>
            <dd>
              {email.toAddress}
              {email.customerId && mayCustomers && (
                <>
                  {' · '}
                  <Link to="/customers/$customerId" params={{ customerId: email.customerId }}>
                    {t('mailbox.card')}
                  </Link>
                </>
              )}
            </dd>
            <dt>{t('mailbox.captured')}</dt>
            <dd>
              {email.capturedAt && <When at={email.capturedAt} />} ·{' '}
              {t('mailbox.bytes', { count: Number(email.sizeBytes), shown: format.number(Number(email.sizeBytes)) })}
            </dd>
          </dl>
          <LetterFrame
            label={email.subject || t('letter.title')}
            text={email.text}
            html={email.html}
            source={email.source}
          />
        </article>
      )}
    </>
  );
}
