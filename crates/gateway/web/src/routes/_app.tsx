import { createFileRoute, redirect } from '@tanstack/react-router';
import { ShellError } from '~/app/route-states';
import { Shell } from '~/app/shell';
import { ApiError } from '~/shared/api/problem';
import { sessionQuery } from '~/shared/session';

/** Everything behind the sign-in. */
export const Route = createFileRoute('/_app')({
  beforeLoad: async ({ context, location }) => {
    try {
      await context.queryClient.ensureQueryData(sessionQuery);
    } catch (error) {
      if (error instanceof ApiError && error.isUnauthenticated) {
        throw redirect({ to: '/sign-in', search: { from: location.href }, replace: true });
      }
      throw error;
    }
  },
  component: Shell,
  errorComponent: ShellError,
});
