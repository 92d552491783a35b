import { act, render } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { useLive, useLiveRefresh } from '.';
import { deliver, type LiveChange, wantedTopics } from './wishes';

const change = (...topics: string[]): LiveChange => ({
  topics,
  context: 'customers',
  aggregateType: 'customer',
  aggregateId: 'c1',
  version: '2',
  customerId: 'c1',
});

function Follower({ topics, listener }: { topics: string[]; listener: (change: LiveChange | undefined) => void }) {
  useLive(topics, listener);
  return null;
}

function Reader({ refresh }: { refresh: () => void }) {
  useLiveRefresh(['customers'], refresh, 400);
  return null;
}

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('whoever follows a topic is told of it, of nothing else, and no longer when they are gone', () => {
  const one = vi.fn();
  const view = render(<Follower topics={['customer/c1']} listener={one} />);
  expect(wantedTopics()).toEqual(['customer/c1']);
  deliver(change('customer/c2'));
  expect(one).not.toHaveBeenCalled();
  deliver(change('customer/c1', 'customers'));
  deliver(undefined);
  expect(one.mock.calls.flat()).toEqual([change('customer/c1', 'customers'), undefined]);
  view.unmount();
  deliver(undefined);
  expect(one).toHaveBeenCalledTimes(2);
  expect(wantedTopics()).toEqual([]);
});

it('a burst of changes is read at once and then once more', () => {
  const refresh = vi.fn();
  render(<Reader refresh={refresh} />);
  for (let index = 0; index < 20; index++) deliver(change('customers'));
  expect(refresh).toHaveBeenCalledTimes(1);
  act(() => vi.advanceTimersByTime(400));
  expect(refresh).toHaveBeenCalledTimes(2);
  act(() => vi.advanceTimersByTime(2_000));
  expect(refresh).toHaveBeenCalledTimes(2);
});
