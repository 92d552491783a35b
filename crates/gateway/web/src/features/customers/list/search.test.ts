import { describe, expect, it } from 'vitest';
import { filterExpression, nextSort, orderBy, parseListSearch } from './search';

describe('the address of the list', () => {
  it('gives back what it was given', () => {
    const raw = {
      q: 'ана 98',
      sort: '-registered_at',
      kind: 'company',
      country: 'Brasil',
      source: 'shop',
      from: '2026-01-01',
      until: '2026-01-31',
      phone: 'yes',
      email: 'no',
      duplicates: 'yes',
      at: '237',
      new: 'yes',
    };
    expect(parseListSearch(raw)).toEqual({ ...raw, at: 237 });
  });

  it('leaves out what it does not understand', () => {
    const raw = {
      q: '  ',
      sort: 'password',
      kind: 'robot',
      from: '2026-02-31',
      until: 'soon',
      phone: 'maybe',
      duplicates: 'no',
      at: '-4',
      new: '1',
    };
    expect(parseListSearch(raw)).toEqual({});
    expect(parseListSearch({ at: '1e9' })).toEqual({});
    expect(parseListSearch({ at: '12.5' })).toEqual({});
  });

  it('cuts a text that is too long for any name', () => {
    expect(parseListSearch({ q: 'x'.repeat(5000) }).q).toHaveLength(200);
  });
});

describe('the filter', () => {
  it('is empty without conditions', () => {
    expect(filterExpression({})).toBe('');
  });

  it('joins its conditions by AND', () => {
    expect(filterExpression({ kind: 'company', country: 'Spain', phone: 'no', email: 'yes', duplicates: 'yes' })).toBe(
      'kind = "company" AND country = "Spain" AND has_phone = false AND has_email = true AND duplicate = true',
    );
  });

  it('cannot be broken out of by a quote or a backslash', () => {
    expect(filterExpression({ country: 'a" OR kind = "x\\' })).toBe('country = "a\\" OR kind = \\"x\\\\"');
  });

  it('takes the last day whole', () => {
    const [from, until] = [new Date(2026, 0, 1).toISOString(), new Date(2026, 1, 1).toISOString()];
    expect(filterExpression({ from: '2026-01-01', until: '2026-01-31' })).toBe(
      `created_at >= "${from}" AND created_at < "${until}"`,
    );
  });
});

describe('the sort order', () => {
  it('is newest first unless said otherwise', () => {
    expect(orderBy(undefined)).toBe('created_at desc');
    expect(orderBy('nonsense')).toBe('created_at desc');
    expect(orderBy('-country')).toBe('country desc');
  });
  it('turns round on a second click, and starts with the newest for moments', () => {
    expect(nextSort(undefined, 'display_name')).toBe('display_name');
    expect(nextSort('display_name', 'display_name')).toBe('-display_name');
    expect(nextSort('-display_name', 'display_name')).toBe('display_name');
    expect(nextSort('display_name', 'registered_at')).toBe('-registered_at');
    expect(nextSort(undefined, 'created_at')).toBe('created_at');
  });
});
