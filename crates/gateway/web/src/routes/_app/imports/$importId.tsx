import { createFileRoute } from '@tanstack/react-router';
import { ImportPage } from '~/features/imports/import-page';

export const Route = createFileRoute('/_app/imports/$importId')({ component: OneImportPage });

function OneImportPage() {
  const { importId } = Route.useParams();
  return <ImportPage key={importId} importId={importId} />;
}
