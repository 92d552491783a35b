import type { components } from '~/shared/api/schema';

export type LiveChange = components['schemas']['LiveChange'];
/** Told of a change; of `undefined` when changes may have been missed and all must be read again. */
export type LiveListener = (change: LiveChange | undefined) => void;

/** Whether changes arrive: not asked for yet, they do, or the connection is being made again. */
export type LiveState = 'off' | 'live' | 'reconnecting';

type Wish = { topics: ReadonlySet<string>; listener: LiveListener };

const wishes = new Set<Wish>();
const watchers = new Set<() => void>();
let state: LiveState = 'off';
const stateWatchers = new Set<() => void>();

/** Asks to be told of changes under some topics, until the function that is returned is called. */
export function follow(topics: readonly string[], listener: LiveListener): () => void {
  const wish = { topics: new Set(topics), listener };
  wishes.add(wish);
  for (const watcher of watchers) watcher();
  return () => {
    wishes.delete(wish);
    for (const watcher of watchers) watcher();
  };
}

/** All topics this tab wants, the newest wish first. */
export function wantedTopics(): string[] {
  return [...new Set([...wishes].reverse().flatMap(({ topics }) => [...topics]))];
}

/** Calls back whenever a wish comes or goes. */
export function watchWishes(watcher: () => void): () => void {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
}

/** Tells those who follow one of the change's topics; everybody when changes were missed. */
export function deliver(change: LiveChange | undefined): void {
  // A listener may leave or come while it is told: the round is among those who were there.
  for (const { topics, listener } of [...wishes]) {
    if (!change || change.topics.some((topic) => topics.has(topic))) listener(change);
  }
}

export function liveState(): LiveState {
  return state;
}

export function setLiveState(next: LiveState): void {
  if (next === state) return;
  state = next;
  for (const watcher of stateWatchers) watcher();
}

export function watchLiveState(watcher: () => void): () => void {
  stateWatchers.add(watcher);
  return () => stateWatchers.delete(watcher);
}
