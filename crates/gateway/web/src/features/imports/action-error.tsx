import { Text } from '@mantine/core';
import { ApiError } from '~/shared/api/problem';
import { useErrorText } from '~/shared/ui/error-state';

/** Why something could not be begun, with what the server says is wrong. */
export function ActionError({ error }: { error: unknown }) {
  const textOf = useErrorText();
  const problem = error instanceof ApiError ? error.problem : undefined;
  const details = [problem?.detail, ...(problem?.errors ?? []).map((one) => `${one.field}: ${one.description}`)];
  return (
    <Text size="sm" c="var(--mantine-color-error)" role="alert" mt={8}>
      {[textOf(error), ...details].filter(Boolean).join(' · ')}
    </Text>
  );
}
