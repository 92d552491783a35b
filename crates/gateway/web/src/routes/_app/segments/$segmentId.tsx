import { createFileRoute } from '@tanstack/react-router';
import { useCallback } from 'react';
import { parseSegmentSearch, type SegmentSearch } from '~/features/segments/search';
import { SegmentPage } from '~/features/segments/segment-page';

export const Route = createFileRoute('/_app/segments/$segmentId')({
  validateSearch: (search): SegmentSearch => parseSegmentSearch(search),
  component: OneSegmentPage,
});

function OneSegmentPage() {
  const { segmentId } = Route.useParams();
  const search = Route.useSearch();
  const navigate = Route.useNavigate();
  const onSearch = useCallback(
    (next: SegmentSearch, { replace }: { replace: boolean }) => void navigate({ search: next, replace }),
    [navigate],
  );
  return <SegmentPage key={segmentId} segmentId={segmentId} search={search} onSearch={onSearch} />;
}
