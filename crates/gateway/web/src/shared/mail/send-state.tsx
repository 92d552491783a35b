import {
  IconBan,
  IconCircleCheck,
  IconClockHour4,
  IconCloudUpload,
  IconHelpCircle,
  IconMailExclamation,
} from '@tabler/icons-react';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import type { Email, SendState } from '~/shared/api/types';
import { Mark, type Tone } from '~/shared/ui/mark';

const STATES = {
  SEND_STATE_QUEUED: { tone: 'waiting', icon: IconClockHour4 },
  SEND_STATE_CLAIMED: { tone: 'waiting', icon: IconCloudUpload },
  SEND_STATE_SENT: { tone: 'done', icon: IconCircleCheck },
  SEND_STATE_FAILED: { tone: 'broken', icon: IconMailExclamation },
  SEND_STATE_SUPPRESSED: { tone: 'idle', icon: IconBan },
  SEND_STATE_UNKNOWN: { tone: 'broken', icon: IconHelpCircle },
} as const satisfies Partial<Record<SendState, { tone: Tone; icon: typeof IconBan }>>;

/** The reasons that have words of their own; another one is shown as the server calls it. */
const REASONS = [
  'NO_CONSENT',
  'CONSENT_WITHDRAWN',
  'UNKNOWN_ADDRESS',
  'NO_CONTACT_POINT',
  'SHARED_TOO_WIDELY',
  'CUSTOMER_NOT_FOUND',
  'NOT_ALLOWED',
  'RECIPIENT_REFUSED',
  'MESSAGE_REFUSED',
  'ADDRESS_NOT_SUPPORTED',
  'INVALID_LETTER',
  'TOO_MANY_ATTEMPTS',
  'RESTORED',
  'CONNECTION_LOST_AFTER_DATA',
  'NO_REPLY_AFTER_DATA',
  'UNREADABLE_REPLY_AFTER_DATA',
  'WORKER_LOST_AFTER_DATA',
] as const;

/** What has become of a letter, in a word. */
export function SendStateMark({ state }: { state: SendState }) {
  const { t } = useTranslation('mail');
  if (state === 'SEND_STATE_UNSPECIFIED') return null;
  const { tone, icon } = STATES[state];
  return (
    <Mark tone={tone} icon={icon}>
      {t(`state.${state}`)}
    </Mark>
  );
}

/** Why a letter was not sent, or may not be. */
export function useReasonText(): (reason: string) => string {
  const { t } = useTranslation('mail');
  return useCallback(
    (reason) => {
      const known = REASONS.find((name) => name === reason);
      return known ? t(`reason.${known}`) : reason;
    },
    [t],
  );
}

/** Why a letter is not sent, with the mail server's own words where there are any. */
export function useLetterReason(): (email: Pick<Email, 'reason' | 'detail'>) => string {
  const reasonText = useReasonText();
  return useCallback(
    ({ reason, detail }) => [reason && reasonText(reason), detail].filter(Boolean).join(' — '),
    [reasonText],
  );
}
