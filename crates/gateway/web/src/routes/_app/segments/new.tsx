import { createFileRoute } from '@tanstack/react-router';
import SegmentEditor from '~/features/segments/segment-editor';

export const Route = createFileRoute('/_app/segments/new')({ component: NewSegmentPage });

function NewSegmentPage() {
  const navigate = Route.useNavigate();
  return (
    <SegmentEditor
      onCancel={() => void navigate({ to: '/segments' })}
      onSaved={({ id }) => void navigate({ to: '/segments/$segmentId', params: { segmentId: id }, replace: true })}
    />
  );
}
