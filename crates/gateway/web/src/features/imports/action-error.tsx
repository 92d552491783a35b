import { Text } from '@mantine/core';
import { useErrorWords } from '~/shared/ui/error-state';

/** Why something could not be begun. */
export function ActionError({ error }: { error: unknown }) {
  const wordsOf = useErrorWords();
  return (
    <Text size="sm" c="var(--mantine-color-error)" role="alert" mt={8}>
      {wordsOf(error).join(' · ')}
    </Text>
  );
}
