import { createRouter } from '@tanstack/react-router';
import { routeTree } from '~/routeTree.gen';
import { createQueryClient } from '~/shared/api/query-client';
import { NotFound, PagePending, RouteError } from './route-states';
import { stringifySearch } from './search';

export const queryClient = createQueryClient();

export const router = createRouter({
  routeTree,
  context: { queryClient },
  // Plain `?q=ana&at=40`: the default would write strings that look like JSON in quotes.
  parseSearch: (search) => Object.fromEntries(new URLSearchParams(search)),
  stringifySearch,
  defaultPreload: false,
  // The page before stays so long; then that something comes is shown, and never keeps back what has come.
  defaultPendingMs: 200,
  defaultPendingMinMs: 0,
  defaultPendingComponent: PagePending,
  scrollRestoration: true,
  defaultErrorComponent: RouteError,
  defaultNotFoundComponent: NotFound,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
