import { createFileRoute } from '@tanstack/react-router';
import { useCallback } from 'react';
import { Inbox } from '~/features/inbox/inbox';
import { type InboxSearch, parseInboxSearch } from '~/features/inbox/search';

export const Route = createFileRoute('/_app/inbox/')({
  validateSearch: (search): InboxSearch => parseInboxSearch(search),
  component: InboxPage,
});

function InboxPage() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const onSearch = useCallback(
    (next: InboxSearch, { replace }: { replace: boolean }) =>
      void navigate({ search: next, replace, resetScroll: false }),
    [navigate],
  );
  return <Inbox search={search} onSearch={onSearch} />;
}
