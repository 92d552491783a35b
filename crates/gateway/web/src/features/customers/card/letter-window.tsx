import { Modal, Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { LetterFrame } from '~/shared/mail/letter-frame';
import { SendStateMark, useLetterReason } from '~/shared/mail/send-state';
import { ErrorState } from '~/shared/ui/error-state';
import { useFocusReturn } from '~/shared/ui/use-focus-return';
import { When } from '~/shared/ui/when';
import classes from './letter-window.module.css';
import { letterQuery } from './queries';

/** One letter as the ledger has it: where it went, what became of it, what it says. */
export default function LetterWindow({ id, onClose }: { id: string; onClose: () => void }) {
  const { t } = useTranslation(['mail', 'common']);
  useFocusReturn();
  const letter = useQuery(letterQuery(id));
  const reason = useLetterReason();
  const email = letter.data;
  const why = email && reason(email);
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={email?.subject || t('letter.title')}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
    >
      {letter.isPending && <Skeleton height={300} radius="md" />}
      {letter.isError && (
        <ErrorState title={t('letter.failed')} error={letter.error} onRetry={() => void letter.refetch()} />
      )}
      {email && (
        <>
          <dl className={classes.facts}>
            <dt>{t('letter.from')}</dt>
            <dd>{email.fromAddress || '—'}</dd>
            <dt>{t('letter.to')}</dt>
            <dd>{email.toAddress}</dd>
            <dt>{t('letter.state')}</dt>
            <dd>
              <SendStateMark state={email.state} />{' '}
              {(email.settledAt ?? email.createdAt) && <When at={email.settledAt ?? email.createdAt ?? ''} />}
              {why && <span className={classes.why}>{why}</span>}
            </dd>
          </dl>
          <LetterFrame label={email.subject || t('letter.title')} text={email.text} html={email.html} />
        </>
      )}
    </Modal>
  );
}
