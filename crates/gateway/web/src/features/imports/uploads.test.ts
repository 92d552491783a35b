import { act, renderHook } from '@testing-library/react';
import { expect, it, vi } from 'vitest';
import { forgetDrafts } from '~/shared/lib/drafts';
import { startUpload, useUpload } from './uploads';

/** A connection over which bytes go when it is told so. */
class Connection {
  static all: Connection[] = [];
  readonly upload: { onprogress?: (event: { loaded: number }) => void } = {};
  status = 0;
  responseText = '';
  aborted = false;
  onload = () => {};
  onabort = () => {};
  onloadend = () => {};
  open = () => {};
  setRequestHeader = () => {};
  getResponseHeader = () => null;
  send = () => Connection.all.push(this);
  abort = () => {
    this.aborted = true;
    this.onabort();
    this.onloadend();
  };
}

it('who signs out sends no more of a file, and whoever comes next finds nothing of it', async () => {
  vi.stubGlobal('XMLHttpRequest', Connection);
  const done = vi.fn();
  const seen = renderHook(() => useUpload('i1'));
  act(() => startUpload('i1', new File(['name\nVera\n'], 'private.csv'), done));
  const [connection] = Connection.all;
  act(() => connection?.upload.onprogress?.({ loaded: 5 }));
  expect(seen.result.current).toMatchObject({ sent: 5, state: 'sending' });

  act(() => forgetDrafts());
  expect(connection?.aborted).toBe(true);
  // What its end tells comes after all others have been told.
  await act(() => new Promise((later) => setTimeout(later)));
  expect([seen.result.current, done.mock.calls]).toEqual([undefined, []]);
  const leaving = new Event('beforeunload', { cancelable: true });
  dispatchEvent(leaving);
  expect(leaving.defaultPrevented).toBe(false);
  vi.unstubAllGlobals();
});
