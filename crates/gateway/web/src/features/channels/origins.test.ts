import { expect, it } from 'vitest';
import { readOrigins, snippetOf } from './origins';
import { parseChannelsSearch } from './search';

it('origins are read from lines and commas, without paths and once each', () => {
  expect(readOrigins('https://Shop.example/cart\n http://localhost:8080, https://shop.example')).toEqual({
    origins: ['https://shop.example', 'http://localhost:8080'],
    wrong: [],
  });
});

it('what is no origin is named, not dropped', () => {
  expect(readOrigins('shop.example ftp://x https:// https://me:pw@shop.example').wrong).toEqual([
    'shop.example',
    'ftp://x',
    'https://',
    'https://me:pw@shop.example',
  ]);
});

it('the snippet names the script of this house and the site', () => {
  expect(snippetOf('https://crm.example', 'k1')).toBe(
    '<script src="https://crm.example/widget.js" data-site="k1" async></script>',
  );
});

it('an address opens a channel by its id or a new one, nothing else', () => {
  expect(parseChannelsSearch({ open: 'new' })).toEqual({ open: 'new' });
  expect(parseChannelsSearch({ open: '<script>' })).toEqual({});
});
