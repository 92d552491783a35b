import { expect, it, vi } from 'vitest';
import { leave } from './leave';

it('who signs out is forgotten once their page is gone', async () => {
  const done: string[] = [];
  await leave(
    async () => void done.push('gone'),
    () => done.push('forgotten'),
    () => done.push('anew'),
  );
  expect(done).toEqual(['gone', 'forgotten']);
});

it('who signs out is forgotten, and their page left, even where the next one does not come', async () => {
  const forget = vi.fn();
  const goAnew = vi.fn();
  await leave(() => Promise.reject(new TypeError('failed to fetch')), forget, goAnew);
  expect(forget).toHaveBeenCalledOnce();
  expect(goAnew).toHaveBeenCalledOnce();
});
