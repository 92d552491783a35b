import { createFileRoute } from '@tanstack/react-router';
import { SignIn } from '~/features/session/sign-in';
import { returnPath } from '~/shared/session/return-path';

export const Route = createFileRoute('/sign-in')({
  validateSearch: (search): { from?: string } => (typeof search.from === 'string' ? { from: search.from } : {}),
  component: SignInPage,
});

function SignInPage() {
  const { from } = Route.useSearch();
  const navigate = Route.useNavigate();
  return <SignIn onSignedIn={() => void navigate({ to: returnPath(from), replace: true })} />;
}
