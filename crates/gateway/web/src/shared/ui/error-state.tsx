import { Button, Text } from '@mantine/core';
import { IconAlertTriangle, IconLock, IconRefresh } from '@tabler/icons-react';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, type Problem } from '~/shared/api/problem';
import { useFacts } from '~/shared/i18n/facts';
import { useReasonText } from '~/shared/i18n/reasons';
import { useViolationText } from '~/shared/i18n/violation-text';
import classes from './states.module.css';

/** What went wrong, in the reader's language: by the server's reason where it has words here, else by the status. */
export function useErrorText(): (error: unknown) => string {
  const { t } = useTranslation();
  const reasonOf = useProblemReason();
  return (error) => {
    if (!(error instanceof ApiError)) return t('error.unknown');
    const told = reasonOf(error.problem);
    if (told) return told;
    if (error.status === 429) return t('error.tooMany', { count: error.retryAfter ?? 1 });
    if (error.status === 0) return t('error.offline');
    if (error.status === 401) return t(error.change ? 'error.signedOut' : 'error.signedOutRead');
    if (error.status === 403) return t('error.forbidden');
    if (error.isMissing) return t('error.notFound');
    if (error.status === 409) return t('error.conflict');
    if (error.status === 503) return t('error.unavailable');
    if (error.status === 504) return t('error.late');
    if (error.status >= 500) return t('error.server');
    return t('error.refused');
  };
}

/**
 * What went wrong, and after it what tells more: each field at fault, or else the server's own words, in English, where the
 * reason has none here.
 */
export function useErrorWords(): (error: unknown) => string[] {
  const textOf = useErrorText();
  const reasonOf = useProblemReason();
  const violationText = useViolationText();
  return (error) => {
    const text = textOf(error);
    // Of a lost connection and an ended session the server says nothing that helps.
    if (!(error instanceof ApiError) || error.status === 0 || error.isUnauthenticated) return [text];
    const { errors = [], detail } = error.problem;
    const told = reasonOf(error.problem) !== undefined;
    // A file is refused as a whole: its reason says all.
    const fields = errors
      .filter(({ reason }) => !told || reason)
      .map((wrong) => `${wrong.field}: ${violationText(wrong)}`);
    if (fields.length > 0) return [text, ...fields];
    return told || !detail ? [text] : [text, detail];
  };
}

/** What the reason of a problem says in the reader's language; undefined where there is no text for it. */
export function useProblemReason(): (problem: Pick<Problem, 'reason' | 'metadata'>) => string | undefined {
  const reasonText = useReasonText('problems:reason');
  const facts = useFacts();
  return useCallback(({ reason, metadata = {} }) => reasonText(reason, facts(metadata)), [reasonText, facts]);
}

type Props = {
  /** What could not be had: "The customers could not be loaded". */
  title: string;
  error: unknown;
  onRetry?: () => void;
};

/** Something failed: what, why, and a way to try again, in the place where it would have been. */
export function ErrorState({ title, error, onRetry }: Props) {
  const { t } = useTranslation();
  const [text, ...details] = useErrorWords()(error);
  const problem = error instanceof ApiError ? error.problem : undefined;
  const forbidden = error instanceof ApiError && error.status === 403;
  const Icon = forbidden ? IconLock : IconAlertTriangle;
  return (
    <div className={classes.state} role="alert">
      <Icon size={24} stroke={1.6} aria-hidden className={forbidden ? classes.idle : classes.broken} />
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed">
        {text}
      </Text>
      {(details.length > 0 || problem?.requestId) && (
        <Text size="xs" c="dimmed" className={classes.detail}>
          {[...details, problem?.requestId].filter(Boolean).join(' · ')}
        </Text>
      )}
      {onRetry && !forbidden && (
        <Button size="xs" variant="default" leftSection={<IconRefresh size={14} aria-hidden />} onClick={onRetry}>
          {t('action.tryAgain')}
        </Button>
      )}
    </div>
  );
}
