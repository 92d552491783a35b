import { createFileRoute } from '@tanstack/react-router';
import { TemplatePage } from '~/features/mail/templates/template-page';

export const Route = createFileRoute('/_app/templates/new')({ component: NewTemplatePage });

function NewTemplatePage() {
  const navigate = Route.useNavigate();
  return (
    <TemplatePage
      onSaved={(templateId) => void navigate({ to: '/templates/$templateId', params: { templateId }, replace: true })}
    />
  );
}
