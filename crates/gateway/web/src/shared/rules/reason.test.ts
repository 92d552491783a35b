import { expect, it } from 'vitest';
import type { Condition } from '~/shared/api/types';
import { readActual } from './reason';

const of = (part: Partial<Condition>) =>
  ({ field: 'x', operator: 'OPERATOR_MORE', currency: '', ...part }) as Condition;

it('a value is read by what it is compared with', () => {
  expect(readActual('5200.00 EUR', of({ money: { minor: '500000', currency: 'EUR' } }))).toEqual({
    kind: 'money',
    decimal: '5200.00',
    currency: 'EUR',
  });
  expect(readActual('14', of({ number: '3' }))).toEqual({ kind: 'number', decimal: '14' });
  expect(readActual('14', of({ text: '14' }))).toEqual({ kind: 'text', text: '14' });
  expect(readActual('true', of({ flag: true }))).toEqual({ kind: 'flag', on: true });
  expect(readActual('2026-11-01T00:00:00Z', of({ number: '90' }))).toEqual({
    kind: 'moment',
    at: new Date('2026-11-01T00:00:00Z'),
  });
  expect(readActual('', of({ number: '90' }))).toEqual({ kind: 'none' });
});
