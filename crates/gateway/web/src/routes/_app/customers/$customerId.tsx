import { createFileRoute } from '@tanstack/react-router';
import { useCallback } from 'react';
import { CustomerCard } from '~/features/customers/card/customer-card';
import { type CardSearch, parseCardSearch } from '~/features/customers/card/search';

export const Route = createFileRoute('/_app/customers/$customerId')({
  validateSearch: (search): CardSearch => parseCardSearch(search),
  component: CardPage,
});

function CardPage() {
  const { customerId } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const onSearch = useCallback(
    (next: CardSearch, { replace }: { replace: boolean }) =>
      void navigate({ search: next, replace, resetScroll: false }),
    [navigate],
  );
  // Another customer is another card: nothing that was open or typed on one may show on the next.
  return <CustomerCard key={customerId} customerId={customerId} search={search} onSearch={onSearch} />;
}
