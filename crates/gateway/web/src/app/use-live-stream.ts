import { useEffect, useRef } from 'react';
import { useSession } from '~/shared/session';
import { sessionOver, useSessionOver } from '~/shared/session/expiry';

/** Runs the live stream while somebody is signed in. Its code comes after the page: nothing on it waits for changes. */
export function useLiveStream(): void {
  const userId = useSession()?.userId;
  const over = useSessionOver();
  const live = useRef<{ stop: () => void; resume: () => void }>(undefined);

  useEffect(() => {
    if (!userId) return;
    let left = false;
    void import('~/shared/realtime/tabs').then(({ startLive }) => {
      if (!left) live.current = startLive({ userId, onSignedOut: () => void sessionOver() });
    });
    return () => {
      left = true;
      live.current?.stop();
      live.current = undefined;
    };
  }, [userId]);

  useEffect(() => {
    if (!over) live.current?.resume();
  }, [over]);
}
