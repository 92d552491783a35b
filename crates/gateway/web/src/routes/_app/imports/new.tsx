import { createFileRoute } from '@tanstack/react-router';
import { NewImport } from '~/features/imports/new-import';

export const Route = createFileRoute('/_app/imports/new')({ component: NewImportPage });

function NewImportPage() {
  const navigate = Route.useNavigate();
  return (
    <NewImport
      onCreated={(importId) => void navigate({ to: '/imports/$importId', params: { importId }, replace: true })}
    />
  );
}
