import { expect, it } from 'vitest';
import { exampleOf } from '~/shared/lib/date-example';
import { DATE_FORMATS } from './reading';

it('every way to write a date is shown by a day that no other way could mean', () => {
  expect(exampleOf('')).toBe('2026-03-31');
  expect(exampleOf('%d/%m/%Y %H:%M')).toBe('31/03/2026 14:05');
  expect(exampleOf('%m/%d/%Y')).toBe('03/31/2026');
  const shown = DATE_FORMATS.map(exampleOf);
  expect(new Set(shown).size).toBe(shown.length);
});

it('what is not known of a format is shown as it stands', () => {
  expect(exampleOf('%Q 100%%')).toBe('%Q 100%');
});
