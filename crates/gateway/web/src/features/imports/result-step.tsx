import { Button, Text } from '@mantine/core';
import { IconArrowBackUp } from '@tabler/icons-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Import } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { lazyPart } from '~/shared/ui/part';
import { ActionError } from './action-error';
import { Counts } from './counts';
import classes from './imports.module.css';
import { canUndo } from './progress';
import { ProgressBar } from './progress-bar';
import { Step } from './step';
import { useMine } from './use-mine';
import { useAction } from './use-update';

const RefusedRows = lazyPart(() => import('./refused-rows'));
const AskUndo = lazyPart(() => import('./ask-undo'));

/** What came of the run, what was refused, and taking it back. */
export function ResultStep({ imported }: { imported: Import }) {
  const { t } = useTranslation('imports');
  const { state, progress, undo } = imported;
  const mine = useMine(imported);
  const action = useAction(imported.id);
  const [asking, setAsking] = useState(false);
  const running = state === 'IMPORT_STATE_RUNNING';
  const undoing = state === 'IMPORT_STATE_UNDOING';
  const over = progress !== undefined && !running;
  return (
    <Step number={6} title={t('step.result')} state={over ? 'done' : 'later'}>
      {over && (
        <>
          <Counts progress={progress} kind={imported.kind} />
          {Number(progress.refused) > 0 && !undoing && (
            <RefusedRows
              imported={imported}
              run={`run.${progress.endedAt}.${progress.refused}`}
              total={BigInt(progress.refused)}
            />
          )}
          {undoing && (
            <>
              <h3 className={classes.sub}>{t('undo.going')}</h3>
              <ProgressBar label={t('undo.going')} share={undefined} text={t('undo.going')} />
            </>
          )}
          {undo && (undoing || undo.endedAt) && <Undone undo={undo} />}
          {mine && canUndo(imported) && (
            <div className={classes.actions}>
              <Button
                size="xs"
                variant="default"
                leftSection={<IconArrowBackUp size={15} aria-hidden />}
                onClick={() => setAsking(true)}
              >
                {t('undo.button')}
              </Button>
            </div>
          )}
          {action.isError && <ActionError error={action.error} />}
        </>
      )}
      {asking && (
        <AskUndo
          imported={imported}
          busy={action.isPending}
          onClose={() => setAsking(false)}
          onConfirm={() => action.mutate('undo', { onSettled: () => setAsking(false) })}
        />
      )}
    </Step>
  );
}

function Undone({ undo }: { undo: NonNullable<Import['undo']> }) {
  const { t } = useTranslation('imports');
  const format = useFormat();
  return (
    <>
      <h3 className={classes.sub}>{t('undo.title')}</h3>
      <dl className={classes.counts}>
        {(['removed', 'restored', 'kept'] as const).map((what) => (
          <div key={what}>
            <dt>{t(`undo.${what}`)}</dt>
            <dd>{format.number(BigInt(undo[what]))}</dd>
          </div>
        ))}
      </dl>
      {Number(undo.kept) > 0 && (
        <Text size="sm" c="dimmed" mt={4}>
          {t('undo.keptText')}
        </Text>
      )}
    </>
  );
}
