import { Button, Text } from '@mantine/core';
import { IconAlertTriangle, IconLock, IconRefresh } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import classes from './states.module.css';

/** What went wrong, in the reader's language. */
export function useErrorText(): (error: unknown) => string {
  const { t } = useTranslation();
  return (error) => {
    if (!(error instanceof ApiError)) return t('error.unknown');
    if (error.status === 429) return t('error.tooMany', { count: error.retryAfter ?? 1 });
    if (error.status === 0) return t('error.offline');
    if (error.status === 401) return t('error.signedOut');
    if (error.status === 403) return t('error.forbidden');
    if (error.status === 404) return t('error.notFound');
    if (error.status === 409) return t('error.conflict');
    if (error.status === 503) return t('error.unavailable');
    if (error.status === 504) return t('error.late');
    if (error.status >= 500) return t('error.server');
    return t('error.refused');
  };
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
  const textOf = useErrorText();
  const problem = error instanceof ApiError ? error.problem : undefined;
  const forbidden = error instanceof ApiError && error.status === 403;
  const Icon = forbidden ? IconLock : IconAlertTriangle;
  return (
    <div className={classes.state} role="alert">
      <Icon size={24} stroke={1.6} aria-hidden className={forbidden ? classes.idle : classes.broken} />
      <Text fw={600}>{title}</Text>
      <Text size="sm" c="dimmed">
        {textOf(error)}
      </Text>
      {problem?.detail && (
        <Text size="xs" c="dimmed" className={classes.detail}>
          {problem.detail}
          {problem.requestId && ` · ${problem.requestId}`}
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
