import { renderHook } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { startI18n } from '~/shared/i18n';
import { useErrorText } from '~/shared/ui/error-state';
import { api } from './client';

it('of an ended session is said that something was not done only where something was to be done', async () => {
  await startI18n();
  vi.spyOn(globalThis, 'fetch').mockImplementation(async () => Response.json({}, { status: 401 }));
  const { current: textOf } = renderHook(() => useErrorText()).result;
  const read = await api.GET('/v1/channels').catch((error: unknown) => error);
  expect(textOf(read)).toBe('The session has ended. Please sign in again.');
  const changed = await api
    .POST('/v1/dialogs/{dialogId}:close', { params: { path: { dialogId: 'd' } }, body: {} })
    .catch((error: unknown) => error);
  expect(textOf(changed)).toBe('The session had ended, so this was not done. Please do it again.');
});

it('a request is given up with whoever asked, and serves browsers that cannot join signals', async () => {
  vi.stubGlobal('AbortSignal', class {});
  const asked: Request[] = [];
  vi.spyOn(globalThis, 'fetch').mockImplementation((request, init) => {
    asked.push(request as Request);
    return new Promise((_, reject) => {
      init?.signal?.addEventListener('abort', () => reject(init.signal?.reason));
    });
  });
  const asker = new AbortController();
  const answer = api.GET('/v1/channels', { signal: asker.signal });
  await vi.waitFor(() => expect(asked).toHaveLength(1));
  asker.abort();
  await expect(answer).rejects.toMatchObject({ name: 'AbortError' });
  vi.unstubAllGlobals();
});
