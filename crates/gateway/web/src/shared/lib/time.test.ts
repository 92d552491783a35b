import { describe, expect, it } from 'vitest';
import { monthOf, monthRange, relativeTime, startOfDay } from './time';

describe('relative time', () => {
  const now = new Date('2026-03-10T12:00:00Z');
  it('uses the largest unit of which one has passed', () => {
    expect(relativeTime(new Date('2026-03-07T11:00:00Z'), now, 'en')).toBe('3 days ago');
    expect(relativeTime(new Date('2026-03-10T11:59:01Z'), now, 'en')).toBe('now');
    expect(relativeTime(new Date('2025-01-10T12:00:00Z'), now, 'en')).toBe('last year');
  });
  it('tells of moments ahead too', () => {
    expect(relativeTime(new Date('2026-03-10T14:30:00Z'), now, 'en')).toBe('in 2 hours');
  });
  it('speaks the language it is asked for', () => {
    expect(relativeTime(new Date('2026-03-05T12:00:00Z'), now, 'ru')).toBe('5 дней назад');
  });
});

describe('days and months', () => {
  it('refuses a day that does not exist', () => {
    expect(startOfDay('2026-06-31')).toBeUndefined();
    expect(startOfDay('yesterday')).toBeUndefined();
  });
  it('gives the start of the day where the reader is', () => {
    const start = startOfDay('2026-06-30');
    expect(start && new Date(start).getHours()).toBe(0);
    const next = startOfDay('2026-06-30', 1);
    expect(next && new Date(next).getDate()).toBe(1);
  });
  it('names a calendar month without shifting it by a zone', () => {
    expect(monthOf('2011-01', 'en-GB', 'long')).toBe('January 2011');
    expect(monthRange('2010-12', '2011-11', 'en-GB').replace(/\u2009/g, ' ')).toBe('Dec 2010 – Nov 2011');
  });
});
