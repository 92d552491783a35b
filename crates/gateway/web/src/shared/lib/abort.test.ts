import { expect, it, vi } from 'vitest';
import { following } from './abort';

it('a signal ends with the first of those it follows, for the same reason, even one that had ended before', () => {
  const [first, second] = [new AbortController(), new AbortController()];
  const { signal } = following([first.signal, second.signal]);
  expect(signal.aborted).toBe(false);
  second.abort(new Error('enough'));
  expect([signal.aborted, signal.reason.message]).toEqual([true, 'enough']);
  first.abort(new Error('late'));
  expect(signal.reason.message).toBe('enough');
  expect(following([first.signal]).signal.reason.message).toBe('late');
});

it('a signal ends by itself after its time, unless it is let go of before', () => {
  vi.useFakeTimers();
  const other = new AbortController();
  const patient = following([other.signal], 1_000);
  const released = following([other.signal], 1_000);
  released.release();
  vi.advanceTimersByTime(1_000);
  expect(patient.signal.reason.name).toBe('TimeoutError');
  other.abort();
  expect(released.signal.aborted).toBe(false);
  vi.useRealTimers();
});
