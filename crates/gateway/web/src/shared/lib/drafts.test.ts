import { beforeEach, expect, it, vi } from 'vitest';
import { readDraft, subscribeDrafts, writeDraft } from './drafts';

beforeEach(() => sessionStorage.clear());

it('a draft is kept by user and name, and is gone when it is emptied', () => {
  writeDraft('irina', 'dialog.1', 'Hello');
  expect(readDraft('irina', 'dialog.1')).toBe('Hello');
  expect(readDraft('irina', 'dialog.2')).toBe('');
  expect(readDraft('oleg', 'dialog.1')).toBe('');
  writeDraft('irina', 'dialog.1', '');
  expect(readDraft('irina', 'dialog.1')).toBe('');
  expect(sessionStorage.length).toBe(0);
});

it('those who show drafts are told of a change until they leave', () => {
  const listener = vi.fn();
  const leave = subscribeDrafts(listener);
  writeDraft('irina', 'dialog.1', 'Hello');
  expect(listener).toHaveBeenCalledTimes(1);
  leave();
  writeDraft('irina', 'dialog.1', 'Hello again');
  expect(listener).toHaveBeenCalledTimes(1);
});
