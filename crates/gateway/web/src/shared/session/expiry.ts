import { useSyncExternalStore } from 'react';
import { onSignedOut } from '~/shared/api/client';

let waiting: Promise<void> | undefined;
let settle: (() => void) | undefined;
const watchers = new Set<() => void>();
const tabs = 'BroadcastChannel' in globalThis ? new BroadcastChannel('clientele.session') : undefined;
const listeners = new Set<(what: Elsewhere) => void>();

/** What has happened in another tab of the browser: somebody has signed in again, or out. */
export type Elsewhere = 'renewed' | 'left';

/**
 * Says that the session of this page is over. The page stays as it is, a window asks to sign in again, and whoever waits
 * here goes on when that has happened.
 */
export function sessionOver(): Promise<void> {
  if (!waiting) {
    waiting = new Promise((done) => {
      settle = done;
    });
    for (const watcher of watchers) watcher();
  }
  return waiting;
}

/** Says that there is a session again: whoever waited goes on, other tabs look for themselves. */
export function sessionRenewed({ here }: { here: boolean }): void {
  const goOn = settle;
  waiting = undefined;
  settle = undefined;
  goOn?.();
  for (const watcher of watchers) watcher();
  if (here) tell('renewed');
}

/** Says that the user has signed out: other tabs must not go on showing what they saw. */
export function sessionLeft(): void {
  tell('left');
}

function tell(what: Elsewhere): void {
  tabs?.postMessage(what);
}

/** Calls back when another tab of the browser has signed in or out. */
export function onOtherTab(listener: (what: Elsewhere) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Whether the session is over and nobody has signed in again yet. */
export function useSessionOver(): boolean {
  return useSyncExternalStore(
    (watcher) => {
      watchers.add(watcher);
      return () => watchers.delete(watcher);
    },
    () => waiting !== undefined,
  );
}

onSignedOut(sessionOver);
if (tabs) {
  tabs.onmessage = ({ data }: MessageEvent<Elsewhere>) => {
    for (const listener of listeners) listener(data);
  };
}
