const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400],
  ['month', 30 * 86_400],
  ['week', 7 * 86_400],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** How long ago (or ahead) a moment is, in the largest unit of which at least one has passed: "3 days ago". */
export function relativeTime(at: Date, now: Date, locale: string): string {
  const seconds = (at.getTime() - now.getTime()) / 1000;
  const format = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  for (const [unit, length] of STEPS) {
    if (Math.abs(seconds) >= length) return format.format(Math.trunc(seconds / length), unit);
  }
  return format.format(0, 'second');
}

/** Date and time to the second with the zone, for whoever needs the exact moment. */
export function exactTime(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    timeZoneName: 'short',
  }).format(at);
}

/** Date and time to the minute. */
export function dateTime(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, {
    year: 'numeric',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
  }).format(at);
}

/** The time of the day to the minute. */
export function timeOf(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' }).format(at);
}

/** The day alone. */
export function dayOf(at: Date, locale: string): string {
  return new Intl.DateTimeFormat(locale, { year: 'numeric', month: 'short', day: 'numeric' }).format(at);
}

/** A calendar month given as `YYYY-MM`; it has no zone, so none may shift it. */
export function monthOf(month: string, locale: string, width: 'short' | 'long' = 'short'): string {
  const options: Intl.DateTimeFormatOptions =
    width === 'long' ? { month: 'long', year: 'numeric' } : { month: 'short' };
  return new Intl.DateTimeFormat(locale, { ...options, timeZone: 'UTC' }).format(startOfMonth(month));
}

/** Two calendar months and what lies between them: "Nov 2010 – Oct 2011". */
export function monthRange(first: string, last: string, locale: string): string {
  const format = new Intl.DateTimeFormat(locale, { month: 'short', year: 'numeric', timeZone: 'UTC' });
  return format.formatRange(startOfMonth(first), startOfMonth(last));
}

function startOfMonth(month: string): Date {
  return new Date(`${month}-01T00:00:00Z`);
}

/** The first moment of a day (`YYYY-MM-DD`) in the zone of the one who looks, as RFC 3339; undefined when it is no day. */
export function startOfDay(day: string, addDays = 0): string | undefined {
  const match = /^(\d{4})-(\d{2})-(\d{2})$/.exec(day);
  if (!match) return undefined;
  const [year, month, date] = [Number(match[1]), Number(match[2]) - 1, Number(match[3])];
  const check = new Date(year, month, date);
  // The constructor rolls impossible days over (31 June becomes 1 July).
  if (check.getMonth() !== month || check.getDate() !== date) return undefined;
  return new Date(year, month, date + addDays).toISOString();
}
