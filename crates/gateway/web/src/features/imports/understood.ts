import { useCallback } from 'react';
import { useFormat } from '~/shared/lib/use-format';

const MOMENT = /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/;
const AMOUNT = /^(-?\d+(?:\.\d+)?) ([A-Z]{3})$/;
/** Fields of which amounts and plain numbers are shown in the reader's way; an id that looks like one stays as it is. */
const NUMBERS = ['order.total', 'line.unit_price', 'line.freight', 'line.quantity'];
const MOMENTS = ['order.placed_at', 'registered_at'];

/** A value as it was understood, in the reader's way of writing; moments by the clocks of the file's zone. */
export function useUnderstood(timeZone: string): (field: string, value: string) => string {
  const format = useFormat();
  return useCallback(
    (field, value) => {
      if (MOMENTS.includes(field) && MOMENT.test(value)) return momentIn(new Date(value), timeZone, format.locale);
      if (!NUMBERS.includes(field)) return value;
      const amount = AMOUNT.exec(value);
      if (amount?.[1] && amount[2]) return exactMoney(amount[1], amount[2], format.locale);
      return /^-?\d+(\.\d+)?$/.test(value) ? format.decimal(value) : value;
    },
    [format, timeZone],
  );
}

/** An amount with all its digits: the price of a piece may be finer than cents, and nothing may look rounded here. */
function exactMoney(decimal: string, currency: string, locale: string): string {
  const format = new Intl.NumberFormat(locale, { style: 'currency', currency, maximumFractionDigits: 6 });
  return format.format(decimal as Intl.StringNumericLiteral);
}

/** A moment by the clocks of a zone; midnight is how a day without a time is read, so it is not shown. */
export function momentIn(at: Date, timeZone: string, locale: string): string {
  const day: Intl.DateTimeFormatOptions = { year: 'numeric', month: 'short', day: 'numeric', timeZone };
  const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone });
  const midnight = clock.format(at) === '00:00';
  const time: Intl.DateTimeFormatOptions = midnight ? {} : { hour: '2-digit', minute: '2-digit' };
  return new Intl.DateTimeFormat(locale, { ...day, ...time }).format(at);
}
