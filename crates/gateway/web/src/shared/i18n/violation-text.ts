import { useCallback } from 'react';
import type { FieldError } from '~/shared/api/problem';
import { useFacts } from './facts';
import { useReasonText } from './reasons';

/** What is wrong with a value, as the server tells it. */
export type Violation = Pick<FieldError, 'description' | 'reason' | 'metadata'>;
export type ViolationText = (violation: Violation) => string;

/** Why a value or a row is refused, in the reader's language; in the server's words where there are none of ours. */
export function useViolationText(): ViolationText {
  const reasonText = useReasonText('violations:reason');
  const facts = useFacts();
  return useCallback(
    ({ reason, metadata = {}, description }) => reasonText(reason, facts(metadata)) ?? description,
    [reasonText, facts],
  );
}
