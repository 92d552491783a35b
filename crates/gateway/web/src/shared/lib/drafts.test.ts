import { beforeEach, expect, it, vi } from 'vitest';
import { forgetDrafts, onForget, readDraft, subscribeDrafts, writeDraft } from './drafts';

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

it('whoever signs out leaves nothing, not even what was to be kept in a moment', () => {
  writeDraft('irina', 'email.1', 'Dear');
  const timer = setTimeout(() => writeDraft('irina', 'email.1', 'Dear reader'));
  const stay = onForget(() => clearTimeout(timer));
  forgetDrafts();
  stay();
  return new Promise<void>((done) => setTimeout(done, 5)).then(() => expect(sessionStorage.length).toBe(0));
});
