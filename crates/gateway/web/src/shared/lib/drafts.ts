import { tabKept } from './kept';

/**
 * What somebody has begun to write, kept for this tab and this user: a reload, an ended session or another page does not
 * lose it, and nobody else who signs in sees it.
 */
const PREFIX = 'clientele.draft.';
const listeners = new Set<() => void>();
const pending = new Set<() => void>();

const keyOf = (userId: string, name: string) => `${PREFIX}${userId}.${name}`;

export function readDraft(userId: string, name: string): string {
  return tabKept.read(keyOf(userId, name));
}

/** Keeps a text, or forgets it when it is empty. */
export function writeDraft(userId: string, name: string, text: string): void {
  tabKept.write(keyOf(userId, name), text);
  for (const listener of listeners) listener();
}

/** Forgets all that was begun: whoever signs out leaves nothing behind. */
export function forgetDrafts(): void {
  for (const drop of pending) drop();
  for (const key of tabKept.keys()) if (key.startsWith(PREFIX)) tabKept.write(key, '');
  for (const listener of listeners) listener();
}

/** Calls back when all is forgotten: what was to be kept in a moment must not be kept any more. */
export function onForget(drop: () => void): () => void {
  pending.add(drop);
  return () => pending.delete(drop);
}

/** Tells when any draft changes; for `useSyncExternalStore`. */
export function subscribeDrafts(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
