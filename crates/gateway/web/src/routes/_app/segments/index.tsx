import { createFileRoute } from '@tanstack/react-router';
import { parseSegmentsSearch, type SegmentsSearch } from '~/features/segments/search';
import { SegmentList } from '~/features/segments/segment-list';

export const Route = createFileRoute('/_app/segments/')({
  validateSearch: (search): SegmentsSearch => parseSegmentsSearch(search),
  component: SegmentsPage,
});

function SegmentsPage() {
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  return <SegmentList search={search} onSearch={(next) => void navigate({ search: next, replace: true })} />;
}
