import { useEffect } from 'react';
import { setCsrfToken } from '~/shared/api/client';
import { readSession, useContinueSession, useSession } from '~/shared/session';
import { onOtherTab, sessionOver, useSessionOver } from '~/shared/session/expiry';
import { useLeave } from '~/shared/session/leave';
import { lazyPart } from '~/shared/ui/part';

const loadSignIn = () => import('~/features/session/sign-in-again');
const SignInAgain = lazyPart(loadSignIn, { silent: true });
/** Long before a session ends, and long after the page stands. */
const AHEAD_MS = 5_000;

/** Keeps the page with its session: asks to sign in again when it has ended, and follows other tabs that signed in or out. */
export function SessionGuard() {
  const over = useSessionOver();
  const userId = useSession()?.userId;
  const goOn = useContinueSession();
  const leave = useLeave();

  useEffect(
    () =>
      onOtherTab((what) => {
        if (what === 'left') {
          setCsrfToken(undefined);
          void leave();
          return;
        }
        void readSession().then((session) => {
          if (!session) return;
          if (session.userId === userId) goOn(session, { here: false });
          // The cookie is another user's: this page must not go on under their name.
          else void sessionOver();
        });
      }),
    [userId, goOn, leave],
  );

  // When the session is over the program may have been replaced, and its parts with it: the window is fetched ahead.
  useEffect(() => {
    const timer = setTimeout(() => void loadSignIn().catch(() => undefined), AHEAD_MS);
    return () => clearTimeout(timer);
  }, []);

  return over ? <SignInAgain /> : null;
}
