import { useCallback } from 'react';
import { useFormat } from '~/shared/lib/use-format';

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;

/** A size in the largest unit of which there is one. */
export function useBytes(): (bytes: number) => string {
  const { locale } = useFormat();
  return useCallback(
    (bytes) => {
      const step = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log2(Math.max(1, bytes)) / 10)));
      return new Intl.NumberFormat(locale, {
        style: 'unit',
        unit: UNITS[step] ?? 'byte',
        unitDisplay: step === 0 ? 'long' : 'short',
        maximumFractionDigits: step === 0 ? 0 : 1,
      }).format(bytes / 1024 ** step);
    },
    [locale],
  );
}
