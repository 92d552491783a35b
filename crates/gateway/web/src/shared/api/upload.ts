import { requestHeaders, sessionEnded } from './client';
import { ApiError, problemOf } from './problem';

export type Upload = {
  /** Ends with the server's answer; rejects with an `ApiError`, or with an `AbortError` after `abort`. */
  done: Promise<unknown>;
  abort: () => void;
};

/** Without a byte for so long, the connection is taken as lost. */
const STALLED_MS = 60_000;

/** Sends a file as it is. fetch tells nothing of how far a body has gone, so this is an XMLHttpRequest. */
export function uploadFile(path: string, file: Blob, onProgress: (sent: number) => void): Upload {
  const request = new XMLHttpRequest();
  let stalled: ReturnType<typeof setTimeout> | undefined;
  const done = new Promise<unknown>((resolve, reject) => {
    const fail = (detail: string) => reject(new ApiError(0, { detail }));
    const watch = () => {
      clearTimeout(stalled);
      stalled = setTimeout(() => {
        fail('the upload does not move');
        request.abort();
      }, STALLED_MS);
    };
    request.upload.onprogress = (event) => {
      watch();
      onProgress(event.loaded);
    };
    request.onload = () => {
      if (request.status >= 200 && request.status < 300) {
        try {
          resolve(JSON.parse(request.responseText));
        } catch {
          fail('the answer cannot be read');
        }
        return;
      }
      const error = problemOf(request.status, request.responseText, request.getResponseHeader('retry-after'));
      error.change = true;
      if (error.isUnauthenticated) sessionEnded();
      reject(error);
    };
    request.onerror = () => fail('the connection broke off');
    request.onabort = () => reject(new DOMException('the upload was stopped', 'AbortError'));
    request.onloadend = () => clearTimeout(stalled);
    request.open('PUT', path);
    request.setRequestHeader('Content-Type', file.type || 'application/octet-stream');
    request.setRequestHeader('Accept', 'application/json');
    for (const [name, value] of Object.entries(requestHeaders())) request.setRequestHeader(name, value);
    watch();
    request.send(file);
  });
  return { done, abort: () => request.abort() };
}
