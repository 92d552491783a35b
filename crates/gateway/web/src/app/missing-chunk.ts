import { tabKept } from '~/shared/lib/kept';

const STORED = 'clientele.reloaded-at';
/** A page that still lacks a part so soon after it was loaded anew lacks it for good. */
const TRIED_MS = 60_000;

/**
 * After a deploy a page that is open may ask for a part of the program that the server no longer has. It is loaded anew
 * once, at the same address; where that does not help, the error is shown.
 */
export function reloadOnMissingChunk(): void {
  addEventListener('vite:preloadError', () => {
    const last = Number(tabKept.read(STORED));
    if (Date.now() - last < TRIED_MS) return;
    void serverAnswers().then((answers) => {
      // With the connection down a reload would lose the page and all that was typed.
      if (!answers) return;
      // A page that cannot remember that it was loaded anew would be so for ever.
      if (tabKept.write(STORED, String(Date.now()))) location.reload();
    });
  });
}

async function serverAnswers(): Promise<boolean> {
  try {
    return (await fetch('/theme.js', { cache: 'no-store', signal: AbortSignal.timeout(5_000) })).ok;
  } catch {
    return false;
  }
}

/** Whether an error says that a part of the program could not be loaded; each browser says it in its own words. */
export function isMissingChunk(error: unknown): boolean {
  return (
    error instanceof Error &&
    /dynamically imported module|importing a module script failed|unable to preload css/i.test(error.message)
  );
}
