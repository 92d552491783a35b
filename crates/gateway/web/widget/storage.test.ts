import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { desk, keep } from './storage';

/** A browser's storage, which can be full, or hold what others have written. */
class Place {
  readonly held = new Map<string, string>();
  full = false;
  get length() {
    return this.held.size;
  }
  key = (index: number) => [...this.held.keys()][index] ?? null;
  getItem = (key: string) => this.held.get(key) ?? null;
  setItem = (key: string, value: string) => {
    if (this.full) throw new DOMException('full', 'QuotaExceededError');
    this.held.set(key, value);
  };
  removeItem = (key: string) => void this.held.delete(key);
}

let browser: Place;
let page: EventTarget;
const message = (clientMessageId: string) => ({ clientMessageId, text: 'hi', name: '', email: '' });

beforeEach(() => {
  browser = new Place();
  page = new EventTarget();
  vi.stubGlobal('localStorage', browser);
  vi.stubGlobal('sessionStorage', new Place());
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
});
afterEach(() => vi.unstubAllGlobals());

test('what is kept is found by the next page, apart for each site', () => {
  const first = keep('a');
  [first.secret, first.read, first.unsent] = ['clv_1', 7, [message('m1')]];
  const next = keep('a');
  expect([next.secret, next.read, next.unsent]).toEqual(['clv_1', 7, [message('m1')]]);
  const other = keep('b');
  expect([other.secret, other.read, other.unsent]).toEqual(['', 0, []]);
  [next.secret, next.read, next.unsent] = ['', 0, []];
  expect(browser.length).toBe(0);
});

test('where the browser keeps nothing, the visit lasts as long as the page', () => {
  vi.stubGlobal('localStorage', undefined);
  const page = keep('c');
  [page.secret, page.unsent] = ['clv_1', [message('m1')]];
  expect([page.secret, page.unsent]).toEqual(['clv_1', [message('m1')]]);
  page.unsent = [];
  expect(page.unsent).toEqual([]);
});

test('in a full browser no message is lost while the page lives', () => {
  const page = keep('d');
  page.unsent = [message('m1')];
  browser.full = true;
  page.unsent = [...page.unsent, message('m2')];
  expect(page.unsent).toEqual([message('m1'), message('m2')]);
});

test('more messages than are kept are sent all the same', () => {
  const page = keep('e');
  page.unsent = Array.from({ length: 25 }, (_, index) => message(`m${index}`));
  expect(page.unsent).toHaveLength(25);
  expect(keep('e').unsent).toHaveLength(20);
});

test('what scripts of the page have written there does no harm', () => {
  browser.held.set('clientele:f:unsent', '[{"text": 1}, null, "x"]');
  browser.held.set('clientele:f:read', 'many');
  const page = keep('f');
  expect([page.unsent, page.read]).toEqual([[], 0]);
  sessionStorage.setItem('clientele:f:draft', '{"text": ["a"], "name": "Vera"}');
  expect(desk('f').draft).toEqual({ text: '', name: 'Vera', email: '' });
});

test('a change by another tab is told, and whether all is gone', () => {
  const told: boolean[] = [];
  keep('g').watch((cleared) => told.push(cleared));
  const change = (key: string | null) => page.dispatchEvent(Object.assign(new Event('storage'), { key }));
  for (const key of ['clientele:g:secret', 'clientele:h:secret', 'cart', null]) change(key);
  expect(told).toEqual([false, true]);
});
