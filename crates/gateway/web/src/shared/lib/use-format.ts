import { useMemo } from 'react';
import { useLocale } from '~/shared/i18n';
import { formatDecimalMoney, formatMoney, type Money } from './money';
import { dateTime, dayOf, exactTime, monthOf, monthRange, relativeTime, timeOf } from './time';

/** Everything shown in the reader's own way of writing: one object for money, numbers and times. */
export function useFormat() {
  const locale = useLocale();
  return useMemo(() => {
    const number = new Intl.NumberFormat(locale);
    const exactNumber = new Intl.NumberFormat(locale, { maximumFractionDigits: 20 });
    const rounded = new Intl.NumberFormat(locale, { maximumFractionDigits: 1 });
    const compact = new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 });
    return {
      locale,
      money: (money: Money) => formatMoney(money, locale),
      /** An amount given as a decimal number. */
      decimalMoney: (decimal: string, currency: string) => formatDecimalMoney(decimal, currency, locale),
      /** A decimal number given as text, with all its digits. */
      decimal: (value: string) => exactNumber.format(value as Intl.StringNumericLiteral),
      number: (value: number | bigint) => number.format(value),
      rounded: (value: number) => rounded.format(value),
      compact: (value: number) => compact.format(value),
      relative: (at: Date, now = new Date()) => relativeTime(at, now, locale),
      exact: (at: Date) => exactTime(at, locale),
      dateTime: (at: Date) => dateTime(at, locale),
      time: (at: Date) => timeOf(at, locale),
      day: (at: Date) => dayOf(at, locale),
      month: (month: string, width?: 'short' | 'long') => monthOf(month, locale, width),
      months: (first: string, last: string) => monthRange(first, last, locale),
    };
  }, [locale]);
}
