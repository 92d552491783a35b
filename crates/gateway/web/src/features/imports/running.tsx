import { Button } from '@mantine/core';
import { IconHandStop } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Import, ImportProgress } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import classes from './imports.module.css';
import { paceOf, roughly } from './progress';
import { ProgressBar } from './progress-bar';
import { useMine } from './use-mine';
import { useStill } from './use-still';
import type { useAction } from './use-update';

type Props = {
  label: string;
  imported: Import;
  progress: ImportProgress | undefined;
  action: ReturnType<typeof useAction>;
};

/** How far a run has come, how fast it goes, how long it will take; and a way to stop it. */
export function Running({ label, imported, progress, action }: Props) {
  const { t } = useTranslation('imports');
  const format = useFormat();
  const mine = useMine(imported);
  const still = useStill(progress?.rows);
  const pace = progress && paceOf(progress, imported.updatedAt);
  const rows = BigInt(progress?.rows ?? 0);
  const total = BigInt(progress?.totalRows ?? 0);
  const text =
    total > 0n
      ? t('run.rowsOf', { rows: format.number(rows), total: format.number(total) })
      : t('run.rows', { rows: format.number(rows) });
  const left = pace?.left === undefined ? undefined : roughly(pace.left);
  const duration =
    left &&
    new Intl.NumberFormat(format.locale, { style: 'unit', unit: left.unit, unitDisplay: 'long' }).format(left.value);
  return (
    <>
      <ProgressBar label={label} share={pace?.share} text={text} />
      <div className={classes.line}>
        <span>{text}</span>
        {!still && pace?.rate !== undefined && (
          <span>{t('run.rate', { rate: format.number(Math.max(1, Math.round(pace.rate))) })}</span>
        )}
        {!still && duration && <span>{t('run.left', { time: duration })}</span>}
        {mine && (
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<IconHandStop size={14} aria-hidden />}
            loading={action.isPending && action.variables === 'cancel'}
            onClick={() => action.mutate('cancel')}
          >
            {t('run.stop')}
          </Button>
        )}
      </div>
      <p className={classes.dim}>{t(still ? 'run.still' : 'run.leave')}</p>
    </>
  );
}
