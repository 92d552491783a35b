import { createFileRoute } from '@tanstack/react-router';
import { TemplatePage } from '~/features/mail/templates/template-page';

export const Route = createFileRoute('/_app/templates/$templateId')({ component: OneTemplatePage });

function OneTemplatePage() {
  const { templateId } = Route.useParams();
  const navigate = Route.useNavigate();
  return <TemplatePage key={templateId} id={templateId} onSaved={() => void navigate({ to: '/templates' })} />;
}
