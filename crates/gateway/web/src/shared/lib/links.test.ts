import { expect, test } from 'vitest';
import { stretches } from './links';

const linked = (text: string) => stretches(text).flatMap(({ href }) => (href ? [href] : []));

test('addresses in a text are found as they were written, and nothing of the text is lost', () => {
  const text = 'see https://shop.example/a?b=1&c=2#d, or (http://shop.example/x_(y)).\nHTTPS://SHOP.EXAMPLE!';
  expect(linked(text)).toEqual([
    'https://shop.example/a?b=1&c=2#d',
    'http://shop.example/x_(y)',
    'HTTPS://SHOP.EXAMPLE',
  ]);
  expect(
    stretches(text)
      .map((stretch) => stretch.text)
      .join(''),
  ).toBe(text);
});

test('what leads to no page, or pretends to lead to another, stays text', () => {
  for (const text of [
    'javascript:alert(1)',
    'data:text/html,<b>x</b>',
    'https://',
    'https://bank.example@evil.example/',
    'https://bank.example:x@evil.example/',
    'shop.example/no-scheme',
    '',
  ]) {
    expect(linked(text)).toEqual([]);
  }
});

test('markup and brackets around an address do not get into it', () => {
  expect(linked('<a href="https://shop.example/x">y</a>')).toEqual(['https://shop.example/x']);
  expect(linked(`https://shop.example/x${')'.repeat(3_900)}`)).toEqual(['https://shop.example/x']);
});
