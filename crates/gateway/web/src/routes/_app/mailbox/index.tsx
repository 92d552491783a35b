import { createFileRoute } from '@tanstack/react-router';
import { useCallback } from 'react';
import { Mailbox } from '~/features/mail/mailbox/mailbox';
import { type MailboxSearch, parseMailboxSearch } from '~/features/mail/mailbox/search';

export const Route = createFileRoute('/_app/mailbox/')({
  validateSearch: (search): MailboxSearch => parseMailboxSearch(search),
  component: MailboxPage,
});

function MailboxPage() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const onSearch = useCallback(
    (next: MailboxSearch, { replace }: { replace: boolean }) =>
      void navigate({ search: next, replace, resetScroll: false }),
    [navigate],
  );
  return <Mailbox search={search} onSearch={onSearch} />;
}
