import { expect, it } from 'vitest';
import { returnPath } from './return-path';

it('the sign-in page leads back to the place one came from', () => {
  expect(returnPath('/customers?q=ana&at=40')).toBe('/customers?q=ana&at=40');
});

it('the sign-in page never leads to another site nor to itself', () => {
  for (const from of [
    '//evil.example/a',
    'https://evil.example',
    '/\\evil.example',
    'javascript:alert(1)',
    '/sign-in?from=/',
    '',
    undefined,
  ]) {
    expect(returnPath(from)).toBe('/');
  }
});
