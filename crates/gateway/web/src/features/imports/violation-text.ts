import { useCallback } from 'react';
import type { FieldViolation, ImportWarning } from '~/shared/api/types';
import { type Facts, useReasonText } from '~/shared/i18n/reasons';
import { useFormat } from '~/shared/lib/use-format';
import { exampleOf } from './reading';

type Told = Pick<FieldViolation, 'reason' | 'metadata' | 'description'>;

/** Facts that count something; other facts that look like numbers, an order's for instance, are shown as they stand. */
const COUNTS = ['count', 'most', 'found', 'wanted', 'place', 'places', 'line', 'columns'];

/** Why a value or a row is refused, in the reader's language; in the server's words where there are none of ours. */
export function useViolationText(): (violation: Told) => string {
  const reasonText = useReasonText('imports:reason');
  const facts = useFacts();
  return useCallback(
    ({ reason, metadata, description }) => reasonText(reason, facts(metadata)) ?? description,
    [reasonText, facts],
  );
}

/** What was noticed in a file, in the reader's language. */
export function useWarningText(): (warning: Pick<ImportWarning, 'reason' | 'metadata' | 'description'>) => string {
  const warningText = useReasonText('imports:warning');
  const reasonText = useReasonText('imports:reason');
  const facts = useFacts();
  return useCallback(
    ({ reason, metadata, description }) => {
      const known = facts(metadata);
      const why = reasonText(metadata.trouble);
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

/** The facts of a reason as the texts want them: numbers, dates and money in the reader's way of writing. */
function useFacts(): (metadata: Readonly<Record<string, string>>) => Record<string, string> {
  const format = useFormat();
  return useCallback(
    (metadata) => {
      const facts: Record<string, string> = {};
      for (const [name, fact] of Object.entries(metadata)) {
        const amount = /^(-?\d+(?:\.\d+)?) ([A-Z]{3})$/.exec(fact);
        const key = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
        if (COUNTS.includes(name) && /^\d+$/.test(fact)) facts[key] = format.number(BigInt(fact));
        else if (name !== 'value' && amount?.[1] && amount[2]) facts[key] = format.decimalMoney(amount[1], amount[2]);
        else facts[key] = fact;
      }
      // How dates are written is told by an example.
      if (metadata.format !== undefined) facts.example = exampleOf(metadata.format);
      return facts;
    },
    [format],
  );
}
