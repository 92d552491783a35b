import { Button, Skeleton } from '@mantine/core';
import { IconFileImport, IconPlus } from '@tabler/icons-react';
import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useCallback, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Import } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { useLiveRefresh } from '~/shared/realtime';
import { useMay, useSession } from '~/shared/session';
import { useUserNames } from '~/shared/session/people';
import { useCommands } from '~/shared/ui/commands';
import { DataTable } from '~/shared/ui/data-table';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { useShortcuts } from '~/shared/ui/shortcuts';
import { When } from '~/shared/ui/when';
import { ImportState } from './import-state';
import classes from './imports.module.css';
import { written } from './progress';
import { importsQuery } from './queries';

const LIVE = ['imports'];

/** The imports there were, newest first. */
export function ImportList() {
  const { t } = useTranslation('imports');
  const navigate = useNavigate();
  const queryClient = useQueryClient();
  const session = useSession();
  const mayReadAll = useMay('customers.import.read_all');
  const list = useInfiniteQuery(importsQuery());
  const imports = useMemo(() => (list.data?.pages ?? []).flatMap((page) => page.imports), [list.data]);
  const names = useUserNames(
    useMemo(() => (mayReadAll ? imports.map(({ userId }) => userId) : []), [mayReadAll, imports]),
  );
  useLiveRefresh(LIVE, () => void queryClient.invalidateQueries({ queryKey: ['imports', 'list'] }), 1_000);

  const create = useCallback(() => void navigate({ to: '/imports/new' }), [navigate]);
  useCommands(
    useMemo(
      () => [
        { id: 'import.new', group: t('title'), label: t('new.title'), shortcut: 'N', icon: IconPlus, run: create },
      ],
      [t, create],
    ),
  );
  useShortcuts({ n: create });

  return (
    <div className={classes.page}>
      <header className={classes.head}>
        <PageHeading>{t('title')}</PageHeading>
        <Button
          className={classes.aside}
          leftSection={<IconPlus size={16} aria-hidden />}
          onClick={create}
          aria-keyshortcuts="N"
        >
          {t('new.button')}
        </Button>
      </header>
      {list.isPending ? (
        <Skeleton height={220} radius="md" />
      ) : list.isError && imports.length === 0 ? (
        <ErrorState title={t('failed')} error={list.error} onRetry={() => void list.refetch()} />
      ) : imports.length === 0 ? (
        <EmptyState
          icon={IconFileImport}
          title={t('empty')}
          text={t('emptyText')}
          action={<Button onClick={create}>{t('new.title')}</Button>}
        />
      ) : (
        <div className={classes.card}>
          <DataTable label={t('title')}>
            <thead>
              <tr>
                <th scope="col">{t('field.file')}</th>
                <th scope="col" data-wide>
                  {t('field.kind')}
                </th>
                <th scope="col">{t('field.state')}</th>
                <th scope="col" data-numeric data-wide>
                  {t('field.written')}
                </th>
                <th scope="col" data-numeric data-wide>
                  {t('count.refused')}
                </th>
                {mayReadAll && (
                  <th scope="col" data-wide>
                    {t('field.user')}
                  </th>
                )}
                <th scope="col">{t('field.begun')}</th>
              </tr>
            </thead>
            <tbody>
              {imports.map((imported) => (
                <tr key={imported.id}>
                  <th scope="row">
                    <Link to="/imports/$importId" params={{ importId: imported.id }}>
                      {imported.fileName || t('unnamed')}
                    </Link>
                  </th>
                  <td data-wide>{imported.kind !== 'IMPORT_KIND_UNSPECIFIED' && t(`kind.${imported.kind}`)}</td>
                  <td>
                    <ImportState state={imported.state} />
                  </td>
                  <Counts imported={imported} />
                  {mayReadAll && (
                    <td data-wide>
                      {imported.userId === session?.userId ? t('you') : (names.get(imported.userId) ?? '')}
                    </td>
                  )}
                  <td>{imported.createdAt && <When at={imported.createdAt} />}</td>
                </tr>
              ))}
            </tbody>
          </DataTable>
          {list.hasNextPage && (
            <Button
              size="compact-sm"
              variant="default"
              loading={list.isFetchingNextPage}
              onClick={() => void list.fetchNextPage()}
            >
              {t('more')}
            </Button>
          )}
        </div>
      )}
    </div>
  );
}

function Counts({ imported: { progress } }: { imported: Import }) {
  const format = useFormat();
  return (
    <>
      <td data-numeric data-wide>
        {progress ? format.number(written(progress)) : '—'}
      </td>
      <td data-numeric data-wide>
        {progress ? format.number(BigInt(progress.refused)) : '—'}
      </td>
    </>
  );
}
