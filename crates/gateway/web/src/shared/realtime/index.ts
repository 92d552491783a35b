import { useEffect, useRef, useSyncExternalStore } from 'react';
import { follow, type LiveListener, type LiveState, liveState, watchLiveState } from './wishes';

export type { LiveChange, LiveListener, LiveState } from './wishes';

/**
 * Tells of changes under the topics (`ListenRequest.topics` names them) while the calling component is shown. The
 * listener gets ids and versions only, or `undefined` when changes may have been missed: it reads again what it shows.
 */
export function useLive(topics: readonly string[], listener: LiveListener): void {
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  const wanted = topics.join(' ');
  useEffect(() => {
    if (wanted === '') return;
    return follow(wanted.split(' '), (change) => latest.current(change));
  }, [wanted]);
}

/** Reads again when something under the topics changes: at once, and in a burst at most once per gap. */
export function useLiveRefresh(topics: readonly string[], refresh: () => void, gapMs = 400): void {
  const latest = useRef(refresh);
  useEffect(() => {
    latest.current = refresh;
  });
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const again = useRef(false);
  useEffect(() => () => clearTimeout(timer.current), []);
  useLive(topics, () => {
    if (timer.current !== undefined) {
      again.current = true;
      return;
    }
    const run = () => {
      again.current = false;
      timer.current = setTimeout(() => {
        timer.current = undefined;
        // What came in meanwhile may be newer than what was read.
        if (again.current) run();
      }, gapMs);
      latest.current();
    };
    run();
  });
}

/** Whether changes arrive by themselves now. */
export function useLiveState(): LiveState {
  return useSyncExternalStore(watchLiveState, liveState);
}
