import { expect, it } from 'vitest';
import { initials } from './initials';

it('initials are the first letters of the first and the last word, in any script', () => {
  expect(initials('Ana Maria Souza')).toBe('AS');
  expect(initials('ООО «Ромашка»')).toBe('ОР');
  expect(initials('madonna')).toBe('M');
});

it('a name without letters has no initials', () => {
  expect(initials('')).toBe('');
  expect(initials(' — ')).toBe('');
});
