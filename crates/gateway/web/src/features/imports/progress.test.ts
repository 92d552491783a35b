import { describe, expect, it } from 'vitest';
import type { ImportProgress } from '~/shared/api/types';
import { canGoOn, canUndo, isOpen, paceOf, roughly, written } from './progress';

const NONE: ImportProgress = {
  rows: '0',
  totalRows: '0',
  created: '0',
  updated: '0',
  unchanged: '0',
  refused: '0',
  ordersCreated: '0',
  ordersUpdated: '0',
  ordersUnchanged: '0',
  startedAt: '2026-03-10T12:00:00Z',
};

describe('the pace of a run', () => {
  it('is told by the moments the server gives', () => {
    const progress = { ...NONE, rows: '2000', totalRows: '10000' };
    expect(paceOf(progress, '2026-03-10T12:00:10Z')).toEqual({ rate: 200, left: 40, share: 0.2 });
  });
  it('is not told before there is something to tell it by', () => {
    expect(paceOf(NONE, '2026-03-10T12:00:10Z')).toEqual({ rate: undefined, left: undefined, share: undefined });
    expect(paceOf({ ...NONE, rows: '5', totalRows: '10' }, '2026-03-10T12:00:00.2Z').rate).toBeUndefined();
    expect(paceOf({ ...NONE, rows: '5' }, '2026-03-10T12:00:10Z').left).toBeUndefined();
  });
  it('stands still when the run has ended', () => {
    const ended = { ...NONE, rows: '100', totalRows: '100', endedAt: '2026-03-10T12:00:20Z' };
    expect(paceOf(ended, '2026-03-12T00:00:00Z')).toEqual({ rate: 5, left: 0, share: 1 });
  });
  it('is told in seconds, minutes or hours, never too short', () => {
    expect(roughly(0.2)).toEqual({ value: 1, unit: 'second' });
    expect(roughly(61)).toEqual({ value: 2, unit: 'minute' });
    expect(roughly(3_601)).toEqual({ value: 2, unit: 'hour' });
  });
});

describe('an import', () => {
  const wrote = { ...NONE, created: '2', updated: '1', ordersCreated: '4' };
  it('can be taken back once it has ended and has written something', () => {
    expect(written(wrote)).toBe(7);
    expect(canUndo({ state: 'IMPORT_STATE_DONE', progress: wrote })).toBe(true);
    expect(canUndo({ state: 'IMPORT_STATE_CANCELLED', progress: wrote })).toBe(true);
    expect(canUndo({ state: 'IMPORT_STATE_DONE', progress: NONE })).toBe(false);
    expect(canUndo({ state: 'IMPORT_STATE_RUNNING', progress: wrote })).toBe(false);
    expect(canUndo({ state: 'IMPORT_STATE_UNDONE', progress: wrote })).toBe(false);
  });
  it('can be changed until it has run', () => {
    expect(isOpen({ state: 'IMPORT_STATE_READY' })).toBe(true);
    expect(isOpen({ state: 'IMPORT_STATE_FAILED' })).toBe(true);
    expect(isOpen({ state: 'IMPORT_STATE_CANCELLED' })).toBe(true);
    expect(isOpen({ state: 'IMPORT_STATE_FAILED', progress: wrote })).toBe(false);
    expect(isOpen({ state: 'IMPORT_STATE_CHECKING' })).toBe(false);
    expect(isOpen({ state: 'IMPORT_STATE_DONE', progress: wrote })).toBe(false);
  });
  it('goes on where it was once it broke off, unless it is being taken back', () => {
    expect(canGoOn({ state: 'IMPORT_STATE_FAILED', progress: wrote })).toBe(true);
    expect(canGoOn({ state: 'IMPORT_STATE_CANCELLED', progress: wrote })).toBe(true);
    expect(canGoOn({ state: 'IMPORT_STATE_FAILED' })).toBe(false);
    expect(canGoOn({ state: 'IMPORT_STATE_DONE', progress: wrote })).toBe(false);
    const undo = { removed: '1', restored: '0', kept: '0' };
    expect(canGoOn({ state: 'IMPORT_STATE_FAILED', progress: wrote, undo })).toBe(false);
  });
});
