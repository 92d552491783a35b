import { createFileRoute } from '@tanstack/react-router';
import { useCallback } from 'react';
import { Outbox } from '~/features/mail/outbox/outbox';
import { type OutboxSearch, parseOutboxSearch } from '~/features/mail/outbox/search';

export const Route = createFileRoute('/_app/outbox/')({
  validateSearch: (search): OutboxSearch => parseOutboxSearch(search),
  component: OutboxPage,
});

function OutboxPage() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const onSearch = useCallback(
    (next: OutboxSearch, { replace }: { replace: boolean }) =>
      void navigate({ search: next, replace, resetScroll: false }),
    [navigate],
  );
  return <Outbox search={search} onSearch={onSearch} />;
}
