import { browserKept, type Kept, tabKept } from '../src/shared/lib/kept';

/** A message that is not known to have arrived. */
export type Unsent = { clientMessageId: string; text: string; name: string; email: string };

/** What outlives the page: the visitor's secret, what they have read, and what is still to be sent. */
export interface Keep {
  secret: string;
  /** Sequence number of the last answer that was shown. */
  read: number;
  unsent: Unsent[];
  /** Calls back when another tab of the browser has changed something here; `cleared` when all of it is gone. */
  watch(listener: (cleared: boolean) => void): void;
}

/** What is being written, and whether the panel is open: for this tab, from page to page. */
export interface Desk {
  draft: Draft;
  open: boolean;
}

export type Draft = { text: string; name: string; email: string };

/** More than anybody has waiting; what is beyond is sent, but forgotten with the page. */
const MOST_KEPT = 20;

/**
 * Kept in the browser for this site; where it keeps nothing, as long as the page lives. It is read anew each time: a
 * visitor has one dialog, however many tabs show it.
 */
export function keep(site: string): Keep {
  const kept = place(browserKept, site);
  let beyond: Unsent[] = [];
  return {
    get secret() {
      return kept.read('secret');
    },
    set secret(value) {
      kept.write('secret', value);
    },
    get read() {
      return Number(kept.read('read')) || 0;
    },
    set read(value) {
      kept.write('read', value > 0 ? String(value) : '');
    },
    get unsent() {
      return [...list(kept.read('unsent')), ...beyond];
    },
    set unsent(value) {
      const first = value.slice(0, MOST_KEPT);
      beyond = value.slice(MOST_KEPT);
      kept.write('unsent', first.length > 0 ? JSON.stringify(first) : '');
    },
    watch(listener) {
      addEventListener('storage', ({ key }) => {
        if (key === null || key.startsWith(kept.name(''))) listener(key === null);
      });
    },
  };
}

export function desk(site: string): Desk {
  const kept = place(tabKept, site);
  return {
    get draft() {
      const draft = object(kept.read('draft'));
      const field = (name: string) => (typeof draft[name] === 'string' ? draft[name] : '');
      return { text: field('text'), name: field('name'), email: field('email') };
    },
    set draft(value) {
      kept.write('draft', Object.values(value).some(Boolean) ? JSON.stringify(value) : '');
    },
    get open() {
      return kept.read('open') === 'yes';
    },
    set open(value) {
      kept.write('open', value ? 'yes' : '');
    },
  };
}

function place(kept: Kept, site: string) {
  const name = (what: string) => `clientele:${site}:${what}`;
  return {
    name,
    read: (what: string) => kept.read(name(what)),
    write: (what: string, value: string) => kept.write(name(what), value),
  };
}

/** Scripts of the page can write there too, so nothing is taken on trust. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text || 'null');
  } catch {
    return null;
  }
}

function object(text: string): Record<string, unknown> {
  const value = parse(text);
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function list(text: string): Unsent[] {
  const value = parse(text);
  return Array.isArray(value) ? value.filter(isUnsent) : [];
}

function isUnsent(value: unknown): value is Unsent {
  const fields = ['clientMessageId', 'text', 'name', 'email'] as const;
  return typeof value === 'object' && value !== null && fields.every((f) => typeof (value as Unsent)[f] === 'string');
}
