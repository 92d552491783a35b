import { startOfDay } from '~/shared/lib/time';

/** The fields the server sorts by. */
export const SORT_FIELDS = ['display_name', 'registered_at', 'created_at', 'updated_at', 'country'] as const;
export type SortField = (typeof SORT_FIELDS)[number];

export type YesNo = 'yes' | 'no';

/** What the address of the list holds: all of it, so that back, reload and a sent link show the same. */
export type ListSearch = {
  /** Any parts of name, phone, e-mail or external id. */
  q?: string | undefined;
  /** A sort field, with a leading minus for falling order. */
  sort?: string | undefined;
  kind?: 'person' | 'company' | undefined;
  country?: string | undefined;
  /** Name of the system the customer comes from. */
  source?: string | undefined;
  /** First day of creation, `YYYY-MM-DD`. */
  from?: string | undefined;
  /** Last day of creation, itself included. */
  until?: string | undefined;
  phone?: YesNo | undefined;
  email?: YesNo | undefined;
  duplicates?: 'yes' | undefined;
  /** Index of the row one was at. */
  at?: number | undefined;
  /** Whether the dialog for a new customer is open. */
  new?: 'yes' | undefined;
};

export const FILTER_KEYS = ['kind', 'country', 'source', 'from', 'until', 'phone', 'email', 'duplicates'] as const;
export type FilterKey = (typeof FILTER_KEYS)[number];
export type Filters = Pick<ListSearch, FilterKey>;

/** Beyond it the place is not restored: loading all pages before it would take too long. */
const MAX_RESTORED_ROW = 5_000;
const MAX_TEXT = 200;

/** Reads an address that anybody may have typed: what is not understood is left out. */
export function parseListSearch(raw: Record<string, unknown>): ListSearch {
  const text = (key: string) => {
    const value = raw[key];
    return typeof value === 'string' && value.trim() !== '' ? value.slice(0, MAX_TEXT) : undefined;
  };
  const oneOf = <T extends string>(key: string, values: readonly T[]) => values.find((value) => value === raw[key]);
  const day = (key: string) => {
    const value = text(key);
    return value && startOfDay(value) ? value : undefined;
  };
  const at = Number(raw.at);
  const sort = text('sort');
  const search: ListSearch = {
    q: text('q'),
    sort: sort && SORT_FIELDS.some((field) => field === sort.replace(/^-/, '')) ? sort : undefined,
    kind: oneOf('kind', ['person', 'company']),
    country: text('country'),
    source: text('source'),
    from: day('from'),
    until: day('until'),
    phone: oneOf('phone', ['yes', 'no']),
    email: oneOf('email', ['yes', 'no']),
    duplicates: oneOf('duplicates', ['yes']),
    at: Number.isInteger(at) && at > 0 && at <= MAX_RESTORED_ROW ? at : undefined,
    new: oneOf('new', ['yes']),
  };
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined));
}

/** A text literal of the filter language (AIP-160). */
function quote(value: string): string {
  return `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** The filter as the API takes it; empty for none. */
export function filterExpression(filters: Filters): string {
  const terms: string[] = [];
  if (filters.kind) terms.push(`kind = ${quote(filters.kind)}`);
  if (filters.country) terms.push(`country = ${quote(filters.country)}`);
  if (filters.source) terms.push(`source = ${quote(filters.source)}`);
  const from = filters.from && startOfDay(filters.from);
  if (from) terms.push(`created_at >= ${quote(from)}`);
  // The last day counts whole, so the bound is the start of the day after it.
  const before = filters.until && startOfDay(filters.until, 1);
  if (before) terms.push(`created_at < ${quote(before)}`);
  if (filters.phone) terms.push(`has_phone = ${filters.phone === 'yes'}`);
  if (filters.email) terms.push(`has_email = ${filters.email === 'yes'}`);
  if (filters.duplicates) terms.push('duplicate = true');
  return terms.join(' AND ');
}

export type Sorting = { field: SortField; descending: boolean };

/** How the list is sorted: newest first unless said otherwise. */
export function sortingOf(sort: string | undefined): Sorting {
  const field = SORT_FIELDS.find((name) => name === sort?.replace(/^-/, ''));
  return field && sort ? { field, descending: sort.startsWith('-') } : { field: 'created_at', descending: true };
}

/** The value of `sort` after a click on the heading of a field: rising first, for moments the newest first; then the other way. */
export function nextSort(current: string | undefined, field: SortField): string {
  const now = sortingOf(current);
  const descending = now.field === field ? !now.descending : field.endsWith('_at');
  return descending ? `-${field}` : field;
}

export function orderBy(sort: string | undefined): string {
  const { field, descending } = sortingOf(sort);
  return descending ? `${field} desc` : field;
}
