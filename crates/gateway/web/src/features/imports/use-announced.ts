import { useEffect, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { Import } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { announce } from '~/shared/ui/live-region';
import { paceOf, quarterOf } from './progress';

/**
 * Says aloud what becomes of the import while somebody looks on: another state with its figures, and of a run that goes on
 * no more than each quarter.
 */
export function useAnnounced(imported: Import | undefined): void {
  const { t } = useTranslation('imports');
  const format = useFormat();
  const before = useRef<{ id: string; state: Import['state']; quarter: number }>(undefined);
  useEffect(() => {
    if (!imported) return;
    const { id, state, trial, progress, updatedAt } = imported;
    const going = state === 'IMPORT_STATE_CHECKING' ? trial : state === 'IMPORT_STATE_RUNNING' ? progress : undefined;
    const quarter = going ? quarterOf(paceOf(going, updatedAt).share) : 0;
    const last = before.current;
    before.current = { id, state, quarter };
    if (!last || last.id !== id || state === 'IMPORT_STATE_UNSPECIFIED') return;
    if (state === last.state) {
      if (quarter > last.quarter) announce(t('announce.quarter', { percent: format.number(quarter * 25) }));
      return;
    }
    const run = state === 'IMPORT_STATE_DONE' ? progress : last.state === 'IMPORT_STATE_CHECKING' ? trial : undefined;
    if (!run?.endedAt) return announce(t(`state.${state}`));
    const sum = (a: string, b: string) => format.number(BigInt(a) + BigInt(b));
    announce(
      t(state === 'IMPORT_STATE_DONE' ? 'announce.done' : 'announce.trial', {
        created: sum(run.created, run.ordersCreated),
        updated: sum(run.updated, run.ordersUpdated),
        refused: format.number(BigInt(run.refused)),
      }),
    );
  }, [imported, t, format]);
}
