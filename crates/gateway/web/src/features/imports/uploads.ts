import { useSyncExternalStore } from 'react';
import { ApiError } from '~/shared/api/problem';
import type { Import } from '~/shared/api/types';
import { type Upload, uploadFile } from '~/shared/api/upload';
import { onForget } from '~/shared/lib/drafts';

/** The server takes no larger file. */
export const MAX_FILE_BYTES = 256 * 1024 * 1024;

export type UploadProgress = {
  file: File;
  /** Bytes that have gone. */
  sent: number;
  state: 'sending' | 'failed' | 'stopped';
  /** Why it failed. */
  error: unknown;
};

// Uploads go on while other pages of the client are looked at, so they are kept beside the pages, by import.
const uploads = new Map<string, UploadProgress>();
const running = new Map<string, Upload>();
const listeners = new Set<() => void>();

function put(importId: string, progress: UploadProgress | undefined): void {
  if (progress) uploads.set(importId, progress);
  else uploads.delete(importId);
  for (const listener of listeners) listener();
}

const warn = (event: BeforeUnloadEvent) => event.preventDefault();

/** Sends the file of an import; from its beginning, whatever went before. `onDone` gets the import as it is then. */
export function startUpload(importId: string, file: File, onDone: (imported: Import) => void): void {
  running.get(importId)?.abort();
  const upload = uploadFile(`/v1/imports/${encodeURIComponent(importId)}/file`, file, (sent) => {
    if (running.get(importId) === upload) put(importId, { file, sent, state: 'sending', error: undefined });
  });
  running.set(importId, upload);
  put(importId, { file, sent: 0, state: 'sending', error: undefined });
  addEventListener('beforeunload', warn);
  upload.done
    .then(
      (answer) => {
        if (running.get(importId) !== upload) return;
        put(importId, undefined);
        onDone(answer as Import);
      },
      (error: unknown) => {
        if (running.get(importId) !== upload) return;
        const stopped = !(error instanceof ApiError);
        const sent = uploads.get(importId)?.sent ?? 0;
        put(importId, { file, sent, state: stopped ? 'stopped' : 'failed', error: stopped ? undefined : error });
      },
    )
    .finally(() => {
      if (running.get(importId) === upload) running.delete(importId);
      if (running.size === 0) removeEventListener('beforeunload', warn);
    });
}

export function stopUpload(importId: string): void {
  running.get(importId)?.abort();
}

// Whoever has signed out sends nothing any more, and leaves no name of a file behind.
onForget(() => {
  const left = [...running.values()];
  running.clear();
  for (const upload of left) upload.abort();
  for (const importId of [...uploads.keys()]) put(importId, undefined);
  removeEventListener('beforeunload', warn);
});

/** How far the upload of an import has come in this tab; undefined when there is none. */
export function useUpload(importId: string): UploadProgress | undefined {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => uploads.get(importId),
  );
}
