import { expect, it } from 'vitest';
import { letterDocument } from './letter-document';

it('a letter loses what could act or fetch', () => {
  const { html, leftOut } = letterDocument(
    '<p onclick="steal()">Hello</p><script>steal()</script><object data="https://evil.example/x"></object>' +
      '<img src="https://evil.example/pixel.gif" alt="Logo"><a href="javascript:steal()">a</a><form action="/x"><input></form>',
    'n0nce',
  );
  expect(html).not.toMatch(/steal|evil|<form|<script|<object/);
  expect(html).toContain('Hello');
  expect(html).toContain('Logo');
  expect(leftOut).toBe(1);
});

it('styles go into a sheet with the nonce, and fetch nothing', () => {
  const { html } = letterDocument(
    '<style>@import "https://evil.example/a.css"; p{color:red;background:url(https://evil.example/b.png)}</style>' +
      '<p style="font-weight:bold}body{display:none">x</p>',
    'n0nce',
  );
  expect(html).toContain('<style nonce="n0nce">');
  expect(html).toContain('p{color:red;background:none}');
  expect(html).toContain('[data-styled="1"]{font-weight:boldbodydisplay:none}');
  expect(html).not.toMatch(/evil| style=/);
});

it('links open elsewhere and tell nothing of where they were', () => {
  const { html } = letterDocument('<a href="https://shop.example/a">a</a>', '');
  expect(html).toContain('target="_blank" rel="noopener noreferrer nofollow"');
});
