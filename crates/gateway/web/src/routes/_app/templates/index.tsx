import { createFileRoute } from '@tanstack/react-router';
import { TemplateList } from '~/features/mail/templates/template-list';

export const Route = createFileRoute('/_app/templates/')({
  validateSearch: (search): { all?: 'yes' } => (search.all === 'yes' ? { all: 'yes' } : {}),
  component: TemplatesPage,
});

function TemplatesPage() {
  const { all } = Route.useSearch();
  const navigate = Route.useNavigate();
  return (
    <TemplateList
      all={all === 'yes'}
      onAll={(wanted) => void navigate({ search: wanted ? { all: 'yes' } : {}, replace: true })}
    />
  );
}
