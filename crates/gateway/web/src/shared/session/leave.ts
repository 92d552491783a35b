import { useNavigate } from '@tanstack/react-router';
import { useCallback } from 'react';
import { useForget } from '~/shared/session';

/**
 * Goes to where one signs in, and forgets all that was shown and begun before. What cannot be left in the usual way, as
 * the page to go to does not come, is left by loading it anew: nothing of the user stays in any case.
 */
export async function leave(
  go: () => Promise<void>,
  forget: () => void,
  goAnew = () => location.assign('/sign-in'),
): Promise<void> {
  let failed = false;
  try {
    await go();
  } catch {
    failed = true;
  } finally {
    forget();
  }
  if (failed) goAnew();
}

/** Leaves the page of a user who has signed out, here or in another tab. */
export function useLeave(): () => Promise<void> {
  const forget = useForget();
  const navigate = useNavigate();
  return useCallback(() => leave(() => navigate({ to: '/sign-in' }), forget), [navigate, forget]);
}
