/** An exact amount as the API sends it: minor units in a string of digits, and an ISO 4217 code. */
export type Money = { minor: string; currency: string };

// ISO 4217 exponents that are not 2. Intl has its own idea of some of them (it shows no fraction for IQD), so it is not asked.
const EXPONENTS: Record<string, number> = {
  BIF: 0,
  CLP: 0,
  DJF: 0,
  GNF: 0,
  ISK: 0,
  JPY: 0,
  KMF: 0,
  KRW: 0,
  PYG: 0,
  RWF: 0,
  UGX: 0,
  UYI: 0,
  VND: 0,
  VUV: 0,
  XAF: 0,
  XOF: 0,
  XPF: 0,
  BHD: 3,
  IQD: 3,
  JOD: 3,
  KWD: 3,
  LYD: 3,
  OMR: 3,
  TND: 3,
  CLF: 4,
  UYW: 4,
};

/** How many digits a currency has after the decimal point. */
export function exponentOf(currency: string): number {
  return EXPONENTS[currency] ?? 2;
}

/** The amount as a plain decimal number, exact for any size: `-123456` in EUR gives `-1234.56`. */
export function decimalOf(minor: string, currency: string): string {
  const exponent = exponentOf(currency);
  const value = BigInt(minor);
  const digits = (value < 0n ? -value : value).toString().padStart(exponent + 1, '0');
  const whole = digits.slice(0, digits.length - exponent);
  const sign = value < 0n ? '-' : '';
  return exponent === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-exponent)}`;
}

/** The minor units of a decimal number as somebody has typed it, point or comma; undefined when it is none, or finer than the currency. */
export function minorOf(decimal: string, currency: string): string | undefined {
  const match = /^(-?)(\d{1,15})(?:[.,](\d+))?$/.exec(decimal.replace(/[\s\u00a0\u202f]/g, ''));
  if (!match) return undefined;
  const exponent = exponentOf(currency);
  const fraction = (match[3] ?? '').replace(/0+$/, '');
  if (fraction.length > exponent) return undefined;
  return BigInt(`${match[1]}${match[2]}${fraction.padEnd(exponent, '0')}`).toString();
}

/** The amount as people of the locale write it, with its currency. */
export function formatMoney(money: Money, locale: string): string {
  return formatDecimalMoney(decimalOf(money.minor, money.currency), money.currency, locale);
}

/** The same for an amount that is given as a decimal number. */
export function formatDecimalMoney(decimal: string, currency: string, locale: string): string {
  const exponent = exponentOf(currency);
  const format = new Intl.NumberFormat(locale, {
    style: 'currency',
    currency,
    minimumFractionDigits: exponent,
    maximumFractionDigits: exponent,
  });
  // A string keeps all digits; a number would round beyond 2^53.
  return format.format(decimal as Intl.StringNumericLiteral);
}

/** The amount as a number for drawing only; never shown and never added up. */
export function approximate(money: Money): number {
  return Number(decimalOf(money.minor, money.currency));
}
