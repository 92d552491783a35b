import { createRouter } from '@tanstack/react-router';
import { routeTree } from '~/routeTree.gen';
import { onSignedOut } from '~/shared/api/client';
import { createQueryClient } from '~/shared/api/query-client';
import { NotFound, RouteError } from './route-states';
import { stringifySearch } from './search';

export const queryClient = createQueryClient();

export const router = createRouter({
  routeTree,
  context: { queryClient },
  // Plain `?q=ana&at=40`: the default would write strings that look like JSON in quotes.
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch,
  defaultPreload: false,
  defaultPendingMs: 200,
  scrollRestoration: true,
  defaultErrorComponent: RouteError,
  defaultNotFoundComponent: NotFound,
});

// The session ended while somebody worked: sign in again and come back to the same place.
onSignedOut(() => {
  const { pathname, href } = router.state.location;
  if (pathname === '/sign-in') return;
  queryClient.clear();
  void router.navigate({ to: '/sign-in', search: { from: href }, replace: true });
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
