import { expect, it } from 'vitest';
import { parseCardSearch } from './search';

it('the address of a card gives the moment in utc, the open window and the currency', () => {
  expect(parseCardSearch({ asOf: '2026-01-02T03:04:05+01:00', show: 'history', currency: 'GBP' })).toEqual({
    asOf: '2026-01-02T02:04:05.000Z',
    show: 'history',
    currency: 'GBP',
  });
});

it('the address of a card keeps a moment finer than a millisecond', () => {
  expect(parseCardSearch({ asOf: '2026-01-02T03:04:05.123456Z' })).toEqual({ asOf: '2026-01-02T03:04:05.123456Z' });
});

it('the address of a card leaves out what it does not understand', () => {
  expect(parseCardSearch({ asOf: 'yesterday', show: 'secrets', currency: 'pounds' })).toEqual({});
});
