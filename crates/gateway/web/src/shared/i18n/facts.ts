import { useCallback } from 'react';
import { exampleOf } from '~/shared/lib/date-example';
import { useBytes } from '~/shared/lib/use-bytes';
import { useFormat } from '~/shared/lib/use-format';

/** Facts that count something; other facts that look like numbers, an order's for instance, are shown as they stand. */
const COUNTS = ['count', 'most', 'found', 'wanted', 'place', 'places', 'line', 'columns'];

/** The facts of a reason as the texts want them: numbers, sizes, dates and money in the reader's way of writing. */
export function useFacts(): (metadata: Readonly<Record<string, string>>) => Record<string, string> {
  const format = useFormat();
  const bytes = useBytes();
  return useCallback(
    (metadata) => {
      const facts: Record<string, string> = {};
      for (const [name, fact] of Object.entries(metadata)) {
        const amount = /^(-?\d+(?:\.\d+)?) ([A-Z]{3})$/.exec(fact);
        const key = name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
        const whole = /^\d+$/.test(fact);
        if (whole && name.endsWith('_bytes')) facts[key] = bytes(Number(fact));
        else if (whole && COUNTS.includes(name)) facts[key] = format.number(BigInt(fact));
        else if (name !== 'value' && amount?.[1] && amount[2]) facts[key] = format.decimalMoney(amount[1], amount[2]);
        else facts[key] = fact;
      }
      // How dates are written is told by an example.
      if (metadata.format !== undefined) facts.example = exampleOf(metadata.format);
      return facts;
    },
    [format, bytes],
  );
}
