/** A message that is not known to have arrived. */
export type Unsent = { clientMessageId: string; text: string; name: string; email: string };

/** What outlives the page: the visitor's secret, what they have read, and what is still to be sent. */
export interface Keep {
  secret: string;
  /** Sequence number of the last answer that was shown. */
  read: number;
  unsent: Unsent[];
}

/** More than anybody has waiting; what is beyond is sent, but forgotten with the page. */
const MOST_KEPT = 20;

/** Kept in the browser for this site; where it keeps nothing, as long as the page lives. */
export function keep(site: string): Keep {
  const name = (what: string) => `clientele:${site}:${what}`;
  const read = (what: string) => {
    try {
      return localStorage.getItem(name(what));
    } catch {
      return null;
    }
  };
  const write = (what: string, value: string) => {
    try {
      if (value) localStorage.setItem(name(what), value);
      else localStorage.removeItem(name(what));
    } catch {
      // The browser keeps nothing here, or is full.
    }
  };
  let secret = read('secret') ?? '';
  let seen = Number(read('read')) || 0;
  let unsent = parse(read('unsent'));
  return {
    get secret() {
      return secret;
    },
    set secret(value) {
      secret = value;
      write('secret', value);
    },
    get read() {
      return seen;
    },
    set read(value) {
      seen = value;
      write('read', value > 0 ? String(value) : '');
    },
    get unsent() {
      return unsent;
    },
    set unsent(value) {
      unsent = value;
      write('unsent', value.length > 0 ? JSON.stringify(value.slice(0, MOST_KEPT)) : '');
    },
  };
}

/** Scripts of the page can write there too, so nothing is taken on trust. */
function parse(text: string | null): Unsent[] {
  try {
    const value: unknown = JSON.parse(text ?? '[]');
    return Array.isArray(value) ? value.filter(isUnsent) : [];
  } catch {
    return [];
  }
}

function isUnsent(value: unknown): value is Unsent {
  const fields = ['clientMessageId', 'text', 'name', 'email'] as const;
  return typeof value === 'object' && value !== null && fields.every((f) => typeof (value as Unsent)[f] === 'string');
}
