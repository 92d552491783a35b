import type { Import, ImportProgress, ImportState } from '~/shared/api/types';

const WORKING: readonly ImportState[] = ['IMPORT_STATE_CHECKING', 'IMPORT_STATE_RUNNING', 'IMPORT_STATE_UNDOING'];

const BROKEN_OFF: readonly ImportState[] = ['IMPORT_STATE_FAILED', 'IMPORT_STATE_CANCELLED'];

/** Whether the server is doing something with it now. */
export function isWorking({ state }: Pick<Import, 'state'>): boolean {
  return WORKING.includes(state);
}

/** Whether how the file is read can still be changed. */
export function isOpen({ state, progress }: Pick<Import, 'state' | 'progress'>): boolean {
  return state === 'IMPORT_STATE_READY' || (BROKEN_OFF.includes(state) && !progress);
}

/** Whether a run that broke off can go on where it was; one that is being taken back is not gone on with. */
export function canGoOn({ state, progress, undo }: Pick<Import, 'state' | 'progress' | 'undo'>): boolean {
  return BROKEN_OFF.includes(state) && progress !== undefined && undo === undefined;
}

/** Whether there is something to take back. */
export function canUndo({ state, progress }: Pick<Import, 'state' | 'progress'>): boolean {
  const ended = state === 'IMPORT_STATE_DONE' || state === 'IMPORT_STATE_CANCELLED' || state === 'IMPORT_STATE_FAILED';
  return ended && progress !== undefined && written(progress) > 0;
}

/** How many records were created or changed. */
export function written(progress: ImportProgress): number {
  const { created, updated, ordersCreated, ordersUpdated } = progress;
  return Number(created) + Number(updated) + Number(ordersCreated) + Number(ordersUpdated);
}

export type Pace = {
  /** Rows a second, as far as it can be told. */
  rate: number | undefined;
  /** Seconds that are left at this rate. */
  left: number | undefined;
  /** From 0 to 1; undefined while the rows are not counted. */
  share: number | undefined;
};

/** Below this time a rate says nothing. */
const FIRST_SECONDS = 1;

/** How fast a run goes, by the server's own clock: the reader's may be wrong. */
export function paceOf(progress: ImportProgress, updatedAt: string | undefined): Pace {
  const rows = Number(progress.rows);
  const total = Number(progress.totalRows);
  const share = total > 0 ? Math.min(1, rows / total) : undefined;
  const started = progress.startedAt ? Date.parse(progress.startedAt) : Number.NaN;
  const seen = progress.endedAt ? Date.parse(progress.endedAt) : updatedAt ? Date.parse(updatedAt) : Number.NaN;
  const seconds = (seen - started) / 1000;
  if (!(seconds >= FIRST_SECONDS) || rows === 0) return { rate: undefined, left: undefined, share };
  const rate = rows / seconds;
  return { rate, left: total > 0 ? Math.max(0, total - rows) / rate : undefined, share };
}

/** How many quarters of a run are behind us, 0 to 3: what is told of a run as it goes on. */
export function quarterOf(share: number | undefined): number {
  return share === undefined ? 0 : Math.min(3, Math.floor(share * 4));
}

/** A length of time in its largest unit, rounded up: nobody minds when it is sooner. */
export function roughly(seconds: number): { value: number; unit: 'second' | 'minute' | 'hour' } {
  if (seconds < 60) return { value: Math.max(1, Math.ceil(seconds)), unit: 'second' };
  if (seconds < 3_600) return { value: Math.ceil(seconds / 60), unit: 'minute' };
  return { value: Math.ceil(seconds / 3_600), unit: 'hour' };
}
