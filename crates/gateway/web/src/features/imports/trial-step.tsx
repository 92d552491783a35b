import { Button, Text } from '@mantine/core';
import { IconTestPipe } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Import } from '~/shared/api/types';
import { lazyPart } from '~/shared/ui/part';
import { When } from '~/shared/ui/when';
import { ActionError } from './action-error';
import { Counts } from './counts';
import classes from './imports.module.css';
import { isOpen } from './progress';
import { Running } from './running';
import { Step } from './step';
import { useMine } from './use-mine';
import { useAction } from './use-update';

const RefusedRows = lazyPart(() => import('./refused-rows'));

type Props = {
  imported: Import;
  waiting: boolean;
  /** Nothing is missing before a run. */
  ready: boolean;
  /** Changes of how the file is read are not applied yet. */
  unsaved: boolean;
};

/** A run that writes nothing: what would be new, changed, refused. */
export function TrialStep({ imported, waiting, ready, unsaved }: Props) {
  const { t } = useTranslation('imports');
  const action = useAction(imported.id);
  const { trial } = imported;
  const mine = useMine(imported);
  const open = isOpen(imported);
  const checking = imported.state === 'IMPORT_STATE_CHECKING';
  const ended = trial?.endedAt !== undefined && !checking;
  return (
    <Step
      number={4}
      title={t('step.trial')}
      state={waiting || (!open && !checking && !trial) ? 'later' : checking || (open && !trial) ? 'now' : 'done'}
      aside={ended && trial.endedAt && <When at={trial.endedAt} />}
    >
      {checking ? (
        <Running label={t('step.trial')} imported={imported} progress={trial} action={action} />
      ) : (
        <>
          {trial && <Counts progress={trial} kind={imported.kind} trial />}
          {trial && !imported.progress && Number(trial.refused) > 0 && (
            <RefusedRows imported={imported} run={`trial.${trial.endedAt}`} total={BigInt(trial.refused)} />
          )}
          {open && mine && (
            <>
              {!trial && (
                <Text size="sm" c="dimmed">
                  {t('trial.text')}
                </Text>
              )}
              <div className={classes.actions}>
                <Button
                  size="xs"
                  variant={trial ? 'default' : 'filled'}
                  leftSection={<IconTestPipe size={15} aria-hidden />}
                  disabled={!ready}
                  loading={action.isPending}
                  onClick={() => action.mutate('try')}
                >
                  {t(trial ? 'trial.again' : 'trial.start')}
                </Button>
                {unsaved && (
                  <Text size="xs" c="dimmed" component="span">
                    {t('run.unsaved')}
                  </Text>
                )}
              </div>
            </>
          )}
          {action.isError && <ActionError error={action.error} />}
        </>
      )}
    </Step>
  );
}
