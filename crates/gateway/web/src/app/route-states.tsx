import { Button } from '@mantine/core';
import { IconCloudOff, IconMapOff } from '@tabler/icons-react';
import { type ErrorComponentProps, Link, useRouter } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { isMissingChunk } from './missing-chunk';
import classes from './route-states.module.css';

/** A page that could not be shown at all. */
export function RouteError({ error, reset }: ErrorComponentProps) {
  const { t } = useTranslation();
  const router = useRouter();
  if (isMissingChunk(error)) {
    return (
      <div className={classes.page}>
        <PageHeading>{t('error.missingTitle')}</PageHeading>
        <EmptyState
          icon={IconCloudOff}
          title={t('error.missing')}
          text={t('error.missingText')}
          action={<Button onClick={() => location.reload()}>{t('action.reload')}</Button>}
        />
      </div>
    );
  }
  const retry = () => {
    reset();
    void router.invalidate();
  };
  return (
    <div className={classes.page}>
      <PageHeading>{t('error.title')}</PageHeading>
      <ErrorState title={t('error.page')} error={error} onRetry={retry} />
    </div>
  );
}

/** An address that leads nowhere. */
export function NotFound() {
  const { t } = useTranslation();
  return (
    <div className={classes.page}>
      <PageHeading>{t('notFound.title')}</PageHeading>
      <EmptyState
        icon={IconMapOff}
        title={t('notFound.text')}
        action={
          <Button component={Link} to="/customers" variant="default">
            {t('notFound.action')}
          </Button>
        }
      />
    </div>
  );
}
