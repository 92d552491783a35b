import { createFileRoute } from '@tanstack/react-router';
import { useCallback } from 'react';
import { ChannelList } from '~/features/channels/channel-list';
import { type ChannelsSearch, parseChannelsSearch } from '~/features/channels/search';

export const Route = createFileRoute('/_app/channels/')({
  validateSearch: (search): ChannelsSearch => parseChannelsSearch(search),
  component: ChannelsPage,
});

function ChannelsPage() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const onSearch = useCallback(
    (next: ChannelsSearch, { replace }: { replace: boolean }) => void navigate({ search: next, replace }),
    [navigate],
  );
  return <ChannelList search={search} onSearch={onSearch} />;
}
