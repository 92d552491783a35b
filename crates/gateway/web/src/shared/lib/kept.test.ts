import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { changeLanguage, startI18n } from '~/shared/i18n';
import { forgetLogin, lastLogin, rememberLogin } from '~/shared/session/last-login';
import { forgetDrafts, readDraft, writeDraft } from './drafts';
import { browserKept, kept } from './kept';

/** As a browser does that forbids a page to keep anything. */
const forbid = () => {
  for (const name of ['localStorage', 'sessionStorage'] as const) {
    vi.spyOn(globalThis, name, 'get').mockImplementation(() => {
      throw new DOMException('The operation is insecure.', 'SecurityError');
    });
  }
};

beforeEach(() => {
  localStorage.clear();
  sessionStorage.clear();
});
afterEach(() => vi.restoreAllMocks());

it('what is written is read again, by whoever comes later too, until it is emptied', () => {
  expect(kept(() => localStorage).write('a', 'one')).toBe(true);
  const later = kept(() => localStorage);
  expect([later.read('a'), later.read('b'), later.keys()]).toEqual(['one', '', ['a']]);
  later.write('a', '');
  expect([later.read('a'), later.keys(), localStorage.length]).toEqual(['', [], 0]);
});

it('where the browser keeps nothing, what is written stays with the page', () => {
  forbid();
  const page = kept(() => localStorage);
  expect(page.read('a')).toBe('');
  expect(page.write('a', 'one')).toBe(false);
  expect([page.read('a'), page.keys()]).toEqual(['one', ['a']]);
  page.write('a', '');
  expect([page.read('a'), page.keys()]).toEqual(['', []]);
});

it('a full storage keeps what it had, the page what is new, until there is room', () => {
  let full = false;
  const place = {
    getItem: (key: string) => localStorage.getItem(key),
    setItem: (key: string, text: string) => {
      if (full) throw new DOMException('full', 'QuotaExceededError');
      localStorage.setItem(key, text);
    },
  };
  const page = kept(() => place as Storage);
  page.write('a', 'one');
  full = true;
  expect(page.write('a', 'two')).toBe(false);
  expect([page.read('a'), localStorage.getItem('a')]).toEqual(['two', 'one']);
  full = false;
  expect(page.write('a', 'three')).toBe(true);
  expect([page.read('a'), localStorage.getItem('a')]).toEqual(['three', 'three']);
});

it('the client starts, and drafts, the login and the language serve, where the browser keeps nothing', async () => {
  forbid();
  await startI18n();
  await changeLanguage('pt');
  expect(browserKept.read('clientele.language')).toBe('pt');
  expect(readDraft('irina', 'dialog.1')).toBe('');
  writeDraft('irina', 'dialog.1', 'Hello');
  expect(readDraft('irina', 'dialog.1')).toBe('Hello');
  rememberLogin('irina', 'irina@example.net');
  expect(lastLogin('irina')).toBe('irina@example.net');
  forgetDrafts();
  forgetLogin();
  expect([readDraft('irina', 'dialog.1'), lastLogin('irina')]).toEqual(['', '']);
});
