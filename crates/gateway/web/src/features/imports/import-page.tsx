import { Skeleton, Text } from '@mantine/core';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import type { Import } from '~/shared/api/types';
import { useLiveRefresh } from '~/shared/realtime';
import { useUserNames } from '~/shared/session/people';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { ColumnsStep } from './columns-step';
import { FileStep } from './file-step';
import { ImportState } from './import-state';
import classes from './imports.module.css';
import { isOpen } from './progress';
import { importQuery, previewQuery } from './queries';
import { ReadingStep } from './reading-step';
import { ResultStep } from './result-step';
import { RunStep } from './run-step';
import { TrialStep } from './trial-step';
import { useAnnounced } from './use-announced';
import { useMine } from './use-mine';

const LIVE = ['imports'];

/** One import from file to result. All of it is the server's state: leaving the page stops nothing. */
export function ImportPage({ importId }: { importId: string }) {
  const { t } = useTranslation('imports');
  const queryClient = useQueryClient();
  const found = useQuery(importQuery(importId));
  const imported = found.data;
  const [unsaved, setUnsaved] = useState(false);
  useLiveRefresh(LIVE, () => void queryClient.invalidateQueries({ queryKey: ['imports', 'one', importId] }), 1_000);
  useAnnounced(imported);

  const open = imported !== undefined && isOpen(imported);
  const preview = useQuery({
    ...previewQuery(importId, imported?.etag ?? ''),
    enabled: imported !== undefined && open,
    placeholderData: keepPreviousData,
  });

  const back = (
    <Link to="/imports" className={classes.back}>
      ‹ {t('title')}
    </Link>
  );
  if (found.isPending) return <Skeleton m="md" height={420} radius="md" />;
  if (!imported) {
    const missing = found.error instanceof ApiError && found.error.isMissing;
    return (
      <div className={classes.page}>
        {back}
        <PageHeading>{t('title')}</PageHeading>
        <ErrorState
          title={t(missing ? 'missing' : 'oneFailed')}
          error={found.error}
          onRetry={() => void found.refetch()}
        />
      </div>
    );
  }

  const hasFile = imported.state !== 'IMPORT_STATE_AWAITING_FILE';
  const ready = open && !unsaved && preview.data !== undefined && preview.data.missing.length === 0;
  return (
    <div className={classes.page}>
      {back}
      <header className={classes.head}>
        <PageHeading title={imported.fileName}>{imported.fileName || t('unnamed')}</PageHeading>
        <ImportState state={imported.state} />
      </header>
      <Foreign imported={imported} />
      <FileStep imported={imported} />
      <ReadingStep imported={imported} waiting={!hasFile} onUnsaved={setUnsaved} />
      <ColumnsStep imported={imported} waiting={!hasFile} preview={preview} />
      <TrialStep imported={imported} waiting={!hasFile} ready={ready} unsaved={unsaved} />
      <RunStep imported={imported} waiting={!hasFile} ready={ready} unsaved={unsaved} />
      <ResultStep imported={imported} />
    </div>
  );
}

/** Whose import it is, where it is another's. */
function Foreign({ imported }: { imported: Import }) {
  const { t } = useTranslation('imports');
  const mine = useMine(imported);
  const names = useUserNames(useMemo(() => (mine ? [] : [imported.userId]), [mine, imported.userId]));
  if (mine) return null;
  return (
    <Text size="sm" c="dimmed">
      {t('foreign', { name: names.get(imported.userId) ?? t('somebody') })}
    </Text>
  );
}
