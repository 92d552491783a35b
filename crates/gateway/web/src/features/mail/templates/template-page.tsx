import { Skeleton } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { templateQuery } from '../queries';
import { TemplateForm } from './template-form';
import classes from './templates.module.css';

type Props = {
  /** Absent for one that is being made. */
  id?: string;
  onSaved: (id: string) => void;
};

/** One template: made, changed, put away. */
export function TemplatePage({ id, onSaved }: Props) {
  const { t } = useTranslation('mail');
  return (
    <div className={classes.page}>
      <Link to="/templates" className={classes.back}>
        ‹ {t('template.list')}
      </Link>
      {id ? <Existing id={id} onSaved={onSaved} /> : <TemplateForm template={undefined} onSaved={onSaved} />}
    </div>
  );
}

function Existing({ id, onSaved }: { id: string; onSaved: (id: string) => void }) {
  const { t } = useTranslation('mail');
  const template = useQuery(templateQuery(id));
  if (template.isPending) return <Skeleton height={420} radius="md" />;
  if (!template.data) {
    const missing = template.error instanceof ApiError && template.error.isMissing;
    return (
      <>
        <PageHeading>{t('template.title')}</PageHeading>
        <ErrorState
          title={t(missing ? 'template.missing' : 'template.failed')}
          error={template.error}
          onRetry={() => void template.refetch()}
        />
      </>
    );
  }
  return <TemplateForm template={template.data} onSaved={onSaved} />;
}
