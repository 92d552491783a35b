import { Button, Skeleton, VisuallyHidden } from '@mantine/core';
import { IconCloudOff, IconMapOff } from '@tabler/icons-react';
import { type ErrorComponentProps, Link, useRouter } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { isMissingChunk } from './missing-chunk';
import classes from './route-states.module.css';

/** A page whose code is on its way. One that comes at once is not preceded by a flash of this. */
export function PagePending() {
  const { t } = useTranslation();
  return (
    <div className={classes.pending}>
      <VisuallyHidden role="status">{t('state.loading')}</VisuallyHidden>
      <Skeleton height={28} width={220} radius="sm" />
      <Skeleton height={180} radius="md" />
    </div>
  );
}

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

/** The same where there is no shell around it either. */
export function ShellError(props: ErrorComponentProps) {
  return (
    <main>
      <RouteError {...props} />
    </main>
  );
}

/** An address that leads nowhere: there is no shell around it. */
export function NotFound() {
  const { t } = useTranslation();
  return (
    <main className={classes.page}>
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
    </main>
  );
}
