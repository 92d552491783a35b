import { tabKept } from '~/shared/lib/kept';
import type { ListSearch } from './list/search';

const STORED = 'clientele.customers.last-list';

/** Keeps the address of the list as it was left, so that a card leads back to it; for this tab only. */
export function rememberList(search: ListSearch): void {
  const { new: _, ...place } = search;
  tabKept.write(STORED, JSON.stringify(place));
}

/** The list as it was left; read through the list's own check, as anything in storage may be old. */
export function lastList(parse: (raw: Record<string, unknown>) => ListSearch): ListSearch {
  try {
    const stored: unknown = JSON.parse(tabKept.read(STORED) || '{}');
    return typeof stored === 'object' && stored !== null ? parse({ ...stored }) : {};
  } catch {
    return {};
  }
}
