import { describe, expect, it } from 'vitest';
import { decimalOf, formatMoney, minorOf } from './money';

describe('money', () => {
  it('places the decimal point by the exponent of the currency', () => {
    expect(decimalOf('123456', 'EUR')).toBe('1234.56');
    expect(decimalOf('123456', 'JPY')).toBe('123456');
    expect(decimalOf('123456', 'KWD')).toBe('123.456');
    expect(decimalOf('123456', 'IQD')).toBe('123.456');
  });

  it('keeps the sign and the zeros of amounts smaller than one', () => {
    expect(decimalOf('-5', 'GBP')).toBe('-0.05');
    expect(decimalOf('0', 'GBP')).toBe('0.00');
    expect(decimalOf('-100', 'GBP')).toBe('-1.00');
  });

  it('shows amounts beyond the exact range of a double without losing a cent', () => {
    expect(formatMoney({ minor: '9223372036854775807', currency: 'GBP' }, 'en-GB')).toBe('£92,233,720,368,547,758.07');
  });

  it('writes the amount as the locale does', () => {
    const plain = (text: string) => text.replace(/[\u00a0\u202f]/g, ' ');
    expect(plain(formatMoney({ minor: '821400', currency: 'BRL' }, 'pt-BR'))).toBe('R$ 8.214,00');
    expect(plain(formatMoney({ minor: '821400', currency: 'RUB' }, 'ru'))).toBe('8 214,00 ₽');
  });

  it('reads what somebody types to the last minor unit, or not at all', () => {
    expect(minorOf('1234.5', 'EUR')).toBe('123450');
    expect(minorOf('1 234,56', 'EUR')).toBe('123456');
    expect(minorOf('-0.05', 'GBP')).toBe('-5');
    expect(minorOf('500', 'JPY')).toBe('500');
    expect(minorOf('500.00', 'JPY')).toBe('500');
    expect(minorOf('0.005', 'EUR')).toBeUndefined();
    expect(minorOf('1,234.56', 'EUR')).toBeUndefined();
    expect(minorOf('many', 'EUR')).toBeUndefined();
  });
});
