/**
 * What the browser keeps. Where it keeps nothing, because it forbids it or is full, what is written here stays as long as
 * the page does: nobody who reads or writes has to think of it.
 */
export interface Kept {
  /** What is kept under a key; empty when there is nothing. */
  read(key: string): string;
  /** Keeps a text, or forgets it when it is empty; false when it will not outlive the page. */
  write(key: string, text: string): boolean;
  /** The keys under which something is kept. */
  keys(): string[];
}

/** `storage` is asked for each time: where it is forbidden, to name it is an error already. */
export function kept(storage: () => Storage): Kept {
  const refused = new Map<string, string>();
  const stored = <T>(ask: (storage: Storage) => T, otherwise: T): T => {
    try {
      return ask(storage());
    } catch {
      return otherwise;
    }
  };
  const read = (key: string) => refused.get(key) ?? stored((place) => place.getItem(key) ?? '', '');
  return {
    read,
    write: (key, text) => {
      const done = stored((place) => {
        if (text) place.setItem(key, text);
        else place.removeItem(key);
        return true;
      }, false);
      if (done) refused.delete(key);
      else refused.set(key, text);
      return done;
    },
    keys: () => {
      const all = stored((place) => Array.from({ length: place.length }, (_, index) => place.key(index) ?? ''), []);
      return [...new Set([...all, ...refused.keys()])].filter((key) => read(key) !== '');
    },
  };
}

/** For this browser. */
export const browserKept = kept(() => localStorage);
/** For this tab. */
export const tabKept = kept(() => sessionStorage);
