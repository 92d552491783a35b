import { Button, Checkbox, Skeleton } from '@mantine/core';
import { IconArchive, IconCircleCheck, IconPlus, IconTemplate } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useMay } from '~/shared/session';
import { DataTable } from '~/shared/ui/data-table';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { Mark } from '~/shared/ui/mark';
import { PageHeading } from '~/shared/ui/page-heading';
import { When } from '~/shared/ui/when';
import { allTemplatesQuery } from '../queries';
import classes from './templates.module.css';

type Props = { all: boolean; onAll: (all: boolean) => void };

/** The templates of letters, by name. */
export function TemplateList({ all, onAll }: Props) {
  const { t } = useTranslation(['mail', 'common']);
  const mayWrite = useMay('messaging.template.write');
  const list = useInfiniteQuery(allTemplatesQuery(all));
  const templates = (list.data?.pages ?? []).flatMap((page) => page.templates);
  const create = mayWrite && (
    <Button component={Link} to="/templates/new" leftSection={<IconPlus size={16} aria-hidden />} size="sm">
      {t('template.new')}
    </Button>
  );
  return (
    <div className={classes.page}>
      <header className={classes.head}>
        <PageHeading>{t('template.list')}</PageHeading>
        <div className={classes.tools}>
          <Checkbox
            size="xs"
            checked={all}
            onChange={(event) => onAll(event.currentTarget.checked)}
            label={t('template.withInactive')}
          />
          {create}
        </div>
      </header>
      {list.isPending && <Skeleton height={240} radius="md" />}
      {list.isError && templates.length === 0 && (
        <ErrorState title={t('template.listFailed')} error={list.error} onRetry={() => void list.refetch()} />
      )}
      {list.isSuccess && templates.length === 0 && (
        <EmptyState icon={IconTemplate} title={t('template.none')} text={t('template.noneText')} action={create} />
      )}
      {templates.length > 0 && (
        <div className={classes.card}>
          <DataTable label={t('template.list')}>
            <thead>
              <tr>
                <th scope="col">{t('template.name')}</th>
                <th scope="col" data-wide>
                  {t('template.subject')}
                </th>
                <th scope="col">{t('template.state')}</th>
                <th scope="col" data-wide>
                  {t('template.changed')}
                </th>
              </tr>
            </thead>
            <tbody>
              {templates.map(({ id, name, subject, active, updatedAt }) => (
                <tr key={id}>
                  <th scope="row">
                    <Link to="/templates/$templateId" params={{ templateId: id }}>
                      {name}
                    </Link>
                  </th>
                  <td data-wide>{subject}</td>
                  <td>
                    <Mark tone={active ? 'done' : 'idle'} icon={active ? IconCircleCheck : IconArchive}>
                      {t(active ? 'template.active' : 'template.inactive')}
                    </Mark>
                  </td>
                  <td data-wide>{updatedAt && <When at={updatedAt} />}</td>
                </tr>
              ))}
            </tbody>
          </DataTable>
          {(list.hasNextPage || list.isFetchNextPageError) && (
            <Button
              size="compact-sm"
              variant="default"
              loading={list.isFetchingNextPage}
              onClick={() => void list.fetchNextPage()}
            >
              {t('common:action.more')}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}
