/** A stretch of a text, or an address in it as it was written. */
export type Stretch = { text: string; href?: string };

const ADDRESS = /https?:\/\/[^\s<>"]+/gi;
const AFTER = ".,;:!?'’»”*_";
const BRACKETS = [
  ['(', ')'],
  ['[', ']'],
  ['{', '}'],
] as const;

/**
 * Finds the addresses of pages in what somebody wrote. What ends the sentence is no part of them, nor is a bracket that
 * was opened before. One that carries a user's name stays text: it is made to look like another site.
 */
export function stretches(text: string): Stretch[] {
  const found: Stretch[] = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const address = withoutEnd(match[0]);
    if (!leadsToPage(address)) continue;
    if (match.index > at) found.push({ text: text.slice(at, match.index) });
    found.push({ text: address, href: address });
    at = match.index + address.length;
  }
  if (at < text.length) found.push({ text: text.slice(at) });
  return found;
}

function withoutEnd(address: string): string {
  // Brackets that are closed and were never opened; counted once, for there may be thousands.
  const dangling = new Map<string, number>(
    BRACKETS.map(([open, close]) => [close, count(address, close) - count(address, open)]),
  );
  let end = address.length;
  for (; end > 0; end -= 1) {
    const last = address[end - 1] ?? '';
    const excess = dangling.get(last) ?? 0;
    if (excess > 0) dangling.set(last, excess - 1);
    else if (!AFTER.includes(last)) break;
  }
  return address.slice(0, end);
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

function leadsToPage(address: string): boolean {
  try {
    const { hostname, username, password } = new URL(address);
    return hostname !== '' && username === '' && password === '';
  } catch {
    return false;
  }
}
