import { Button, Text } from '@mantine/core';
import { IconFile, IconRefresh, IconX } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Import } from '~/shared/api/types';
import { useBytes } from '~/shared/lib/use-bytes';
import { useErrorWords } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { When } from '~/shared/ui/when';
import { DropZone } from './drop-zone';
import classes from './imports.module.css';
import { ProgressBar } from './progress-bar';
import { showImport } from './queries';
import { Step } from './step';
import { startUpload, stopUpload, useUpload } from './uploads';
import { useMine } from './use-mine';

/** Which file it is; sending it, with progress, stopping and trying again. */
export function FileStep({ imported }: { imported: Import }) {
  const { t } = useTranslation(['imports', 'common']);
  const queryClient = useQueryClient();
  const bytes = useBytes();
  const upload = useUpload(imported.id);
  const [replacing, setReplacing] = useState(false);
  const awaiting = imported.state === 'IMPORT_STATE_AWAITING_FILE';
  const mine = useMine(imported);
  const replaceable = mine && imported.state === 'IMPORT_STATE_READY';

  const send = (file: File) => {
    setReplacing(false);
    startUpload(imported.id, file, (uploaded) => {
      showImport(queryClient, uploaded);
      void queryClient.invalidateQueries({ queryKey: ['imports', 'list'] });
      announce(t('file.done', { name: file.name }));
    });
  };

  return (
    <Step
      number={1}
      title={t('step.file')}
      state={awaiting ? 'now' : 'done'}
      aside={imported.kind !== 'IMPORT_KIND_UNSPECIFIED' && t(`kind.${imported.kind}`)}
    >
      {upload ? (
        <Sending importId={imported.id} onRetry={send} />
      ) : (awaiting && mine) || replacing ? (
        <DropZone label={t(replacing ? 'file.other' : 'file.again', { name: imported.fileName })} onFile={send} />
      ) : (
        <p className={classes.fileLine} style={{ marginTop: 0 }}>
          <IconFile size={18} stroke={1.6} aria-hidden />
          <span className={classes.fileName}>{imported.fileName || t('unnamed')}</span>
          <span className={classes.dim}>{bytes(Number(imported.sizeBytes))}</span>
          {imported.fileExpiresAt && (
            <span className={classes.dim}>
              {t('file.kept')} <When at={imported.fileExpiresAt} show="day" />
            </span>
          )}
          {replaceable && (
            <Button size="compact-sm" variant="subtle" onClick={() => setReplacing(true)}>
              {t('file.replace')}
            </Button>
          )}
        </p>
      )}
      {replacing && !upload && (
        <Button size="compact-sm" variant="default" mt="xs" onClick={() => setReplacing(false)}>
          {t('common:action.cancel')}
        </Button>
      )}
    </Step>
  );
}

function Sending({ importId, onRetry }: { importId: string; onRetry: (file: File) => void }) {
  const { t } = useTranslation('imports');
  const bytes = useBytes();
  const wordsOf = useErrorWords();
  const upload = useUpload(importId);
  if (!upload) return null;
  const { file, sent, state, error } = upload;
  const share = file.size > 0 ? sent / file.size : 0;
  // When all bytes have gone, the server still looks at the file.
  const looking = state === 'sending' && sent >= file.size;
  const text = looking ? t('file.looking') : t('file.sent', { sent: bytes(sent), total: bytes(file.size) });
  return (
    <>
      <p className={classes.fileLine} style={{ marginTop: 0, marginBottom: 8 }}>
        <IconFile size={18} stroke={1.6} aria-hidden />
        <span className={classes.fileName}>{file.name}</span>
      </p>
      <ProgressBar label={t('file.uploading', { name: file.name })} share={looking ? undefined : share} text={text} />
      <div className={classes.line}>
        <span>{state === 'sending' ? text : t(state === 'failed' ? 'file.failed' : 'file.stopped')}</span>
        {state === 'sending' ? (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconX size={14} aria-hidden />}
            onClick={() => stopUpload(importId)}
          >
            {t('file.stop')}
          </Button>
        ) : (
          <Button size="compact-sm" leftSection={<IconRefresh size={14} aria-hidden />} onClick={() => onRetry(file)}>
            {t('file.retry')}
          </Button>
        )}
      </div>
      {state !== 'sending' && (
        <>
          {state === 'failed' && (
            <Text size="sm" c="var(--mantine-color-error)" role="alert" mt={4} mb="sm">
              {wordsOf(error).join(' · ')}
            </Text>
          )}
          <DropZone label={t('file.other')} onFile={onRetry} />
        </>
      )}
    </>
  );
}
