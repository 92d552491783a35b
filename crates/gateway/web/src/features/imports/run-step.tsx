import { Alert, Button, Text } from '@mantine/core';
import { IconAlertTriangle, IconPlayerPlay } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Import } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { useMay } from '~/shared/session';
import { useProblemReason } from '~/shared/ui/error-state';
import { ActionError } from './action-error';
import classes from './imports.module.css';
import { canGoOn, isOpen } from './progress';
import { Running } from './running';
import { Step } from './step';
import { useMine } from './use-mine';
import { useAction } from './use-update';

type Props = { imported: Import; waiting: boolean; ready: boolean; unsaved: boolean };

/** The run itself; one that broke off goes on where it was. */
export function RunStep({ imported, waiting, ready, unsaved }: Props) {
  const { t } = useTranslation('imports');
  const format = useFormat();
  const mayOrders = useMay('orders.order.import');
  const action = useAction(imported.id);
  const reasonOf = useProblemReason();
  const { state, progress, trial, failure } = imported;
  const mine = useMine(imported);
  const open = isOpen(imported);
  const running = state === 'IMPORT_STATE_RUNNING';
  const failed = state === 'IMPORT_STATE_FAILED';
  const forbidden = imported.kind === 'IMPORT_KIND_ORDERS' && !mayOrders;
  const rows = trial ? BigInt(trial.rows) : undefined;
  const goesOn = canGoOn(imported);
  const over = progress !== undefined && !running && !goesOn;
  return (
    <Step
      number={5}
      title={t('step.run')}
      state={
        waiting || state === 'IMPORT_STATE_CHECKING' || state === 'IMPORT_STATE_EXPIRED'
          ? 'later'
          : over
            ? 'done'
            : 'now'
      }
    >
      {running ? (
        <Running label={t('step.run')} imported={imported} progress={progress} action={action} />
      ) : (
        !waiting && (
          <>
            {failed && (
              <Alert
                color="red"
                variant="outline"
                mb="sm"
                icon={<IconAlertTriangle size={18} aria-hidden />}
                title={t('run.failed')}
                role="alert"
              >
                {reasonOf({ reason: imported.failureReason, metadata: imported.failureMetadata }) ?? failure}
              </Alert>
            )}
            {state === 'IMPORT_STATE_CANCELLED' && (
              <Text size="sm" c="dimmed">
                {t(progress ? 'run.cancelled' : 'trial.cancelled')}
              </Text>
            )}
            {over && state !== 'IMPORT_STATE_CANCELLED' && <Took imported={imported} />}
            {mine && (open || goesOn) && (
              <div className={classes.actions}>
                <Button
                  size="xs"
                  variant={trial || goesOn ? 'filled' : 'default'}
                  leftSection={<IconPlayerPlay size={15} aria-hidden />}
                  disabled={(open && !ready) || forbidden}
                  loading={action.isPending}
                  onClick={() => action.mutate('start')}
                >
                  {goesOn
                    ? t('run.goOn')
                    : rows === undefined
                      ? t('run.start')
                      : t('run.startRows', { count: Number(rows), rows: format.number(rows) })}
                </Button>
                {!forbidden && open && !trial && (
                  <Text size="xs" c="dimmed" component="span">
                    {t('run.tryFirst')}
                  </Text>
                )}
                {forbidden && (
                  <Text size="xs" c="dimmed" component="span">
                    {t('ordersForbidden')}
                  </Text>
                )}
                {unsaved && (
                  <Text size="xs" c="dimmed" component="span">
                    {t('run.unsaved')}
                  </Text>
                )}
              </div>
            )}
            {action.isError && <ActionError error={action.error} />}
          </>
        )
      )}
    </Step>
  );
}

function Took({ imported: { progress } }: { imported: Import }) {
  const { t } = useTranslation('imports');
  const format = useFormat();
  if (!progress?.endedAt) return null;
  return (
    <Text size="sm" c="dimmed">
      {t('run.ended', { rows: format.number(BigInt(progress.rows)), at: format.dateTime(new Date(progress.endedAt)) })}
    </Text>
  );
}
