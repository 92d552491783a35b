import { useCallback } from 'react';
import type { ImportWarning } from '~/shared/api/types';
import { useFacts } from '~/shared/i18n/facts';
import { type Facts, useReasonText } from '~/shared/i18n/reasons';

/** What was noticed in a file, in the reader's language. */
export function useWarningText(): (warning: Pick<ImportWarning, 'reason' | 'metadata' | 'description'>) => string {
  const warningText = useReasonText('imports:warning');
  const reasonText = useReasonText('violations:reason');
  const facts = useFacts();
  return useCallback(
    ({ reason, metadata, description }) => {
      const known = facts(metadata);
      const why = reasonText(metadata.trouble, known);
      const shown = known.count;
      const all: Facts = {
        ...known,
        ...(shown !== undefined && { shown, count: Number(metadata.count) }),
        ...(why && { why }),
      };
      return warningText(reason, all) ?? description;
    },
    [warningText, reasonText, facts],
  );
}
