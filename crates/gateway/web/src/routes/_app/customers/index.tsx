import { createFileRoute } from '@tanstack/react-router';
import { useCallback } from 'react';
import { CustomerList } from '~/features/customers/list/customer-list';
import { type ListSearch, parseListSearch } from '~/features/customers/list/search';

export const Route = createFileRoute('/_app/customers/')({
  validateSearch: (search): ListSearch => parseListSearch(search),
  component: CustomersPage,
});

function CustomersPage() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const onSearch = useCallback(
    (next: ListSearch, { replace }: { replace: boolean }) =>
      void navigate({ search: next, replace, resetScroll: false }),
    [navigate],
  );
  const onOpen = useCallback(
    async (customerId: string, at?: number) => {
      // The place is written into the list's own entry of the history first, for the way back.
      const place = at || undefined;
      if (at !== undefined && place !== search.at) {
        await navigate({ search: { ...search, at: place }, replace: true, resetScroll: false });
      }
      await navigate({ to: '/customers/$customerId', params: { customerId } });
    },
    [navigate, search],
  );
  return <CustomerList search={search} onSearch={onSearch} onOpen={onOpen} />;
}
