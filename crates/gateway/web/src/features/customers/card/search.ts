const WINDOWS = ['history', 'duplicates', 'consents', 'segments'] as const;
export type CardWindow = (typeof WINDOWS)[number];

/** What the address of a card holds beside the customer. */
export type CardSearch = {
  /** The past moment the customer is shown as of, RFC 3339 in UTC. The server's moments are finer than a Date can hold. */
  asOf?: string | undefined;
  /** The window that is open over the card. */
  show?: CardWindow | undefined;
  /** The letter that is open over the card. */
  letter?: string | undefined;
  /** The currency whose figures are shown; the first when not said. */
  currency?: string | undefined;
};

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const UTC = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z$/;

/** Reads an address that anybody may have typed: what is not understood is left out. */
export function parseCardSearch(raw: Record<string, unknown>): CardSearch {
  const asOf = typeof raw.asOf === 'string' ? raw.asOf : '';
  const moment = new Date(asOf);
  const search: CardSearch = {};
  if (!Number.isNaN(moment.getTime())) search.asOf = UTC.test(asOf) ? asOf : moment.toISOString();
  const show = WINDOWS.find((name) => name === raw.show);
  if (show) search.show = show;
  if (typeof raw.letter === 'string' && UUID.test(raw.letter)) search.letter = raw.letter;
  if (typeof raw.currency === 'string' && /^[A-Z]{3}$/.test(raw.currency)) search.currency = raw.currency;
  return search;
}
