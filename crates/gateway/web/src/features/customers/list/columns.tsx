import { createColumnHelper, tableFeatures } from '@tanstack/react-table';
import type { Customer, CustomerMetrics } from '~/shared/api/types';
import { CustomerName, DayCell, FiguresCell, LastPurchaseCell } from './cells';
import type { SortField } from './search';

/** A row of the list: the customer, and their figures once they have come (null when they cannot be had). */
export type Row = { customer: Customer; metrics: CustomerMetrics | null | undefined };

type Meta = {
  /** The width it needs, in pixels. */
  min: number;
  /** Its share of the room that is left over; without one it stays as wide as it needs to be. */
  grow?: number;
  /** The field the server sorts by when the heading is clicked. */
  sort?: SortField;
  numeric?: boolean;
};

export const features = tableFeatures({ columnMeta: {} as Meta });
const helper = createColumnHelper<typeof features, Row>();

/** The columns by the key of their heading in the texts. */
export const columns = helper.columns([
  helper.display({
    id: 'name',
    meta: { min: 190, grow: 2, sort: 'display_name' },
    cell: ({ row }) => <CustomerName customer={row.original.customer} />,
  }),
  helper.accessor(({ customer }) => customer.phones[0]?.number ?? '', {
    id: 'phone',
    meta: { min: 145, grow: 1 },
  }),
  helper.accessor(({ customer }) => customer.emails[0]?.address ?? '', {
    id: 'email',
    meta: { min: 190, grow: 1.4 },
  }),
  helper.accessor(({ customer }) => customer.country, {
    id: 'country',
    meta: { min: 110, grow: 0.8, sort: 'country' },
  }),
  helper.accessor(({ customer }) => reference(customer), { id: 'reference', meta: { min: 120, grow: 0.9 } }),
  helper.display({
    id: 'orders',
    meta: { min: 76, numeric: true },
    cell: ({ row }) => <FiguresCell metrics={row.original.metrics} show="orders" />,
  }),
  helper.display({
    id: 'total',
    meta: { min: 120, grow: 0.8, numeric: true },
    cell: ({ row }) => <FiguresCell metrics={row.original.metrics} show="net" />,
  }),
  helper.display({
    id: 'lastPurchase',
    meta: { min: 116, numeric: true },
    cell: ({ row }) => <LastPurchaseCell metrics={row.original.metrics} />,
  }),
  helper.display({
    id: 'registered',
    meta: { min: 116, sort: 'registered_at', numeric: true },
    cell: ({ row }) => <DayCell at={row.original.customer.registeredAt} />,
  }),
  helper.display({
    id: 'created',
    meta: { min: 116, sort: 'created_at', numeric: true },
    cell: ({ row }) => <DayCell at={row.original.customer.createdAt} />,
  }),
]);

export type ColumnId =
  | 'name'
  | 'phone'
  | 'email'
  | 'country'
  | 'reference'
  | 'orders'
  | 'total'
  | 'lastPurchase'
  | 'registered'
  | 'created';

function reference(customer: Customer): string {
  const [first] = customer.references;
  return first ? `${first.source}: ${first.externalId}` : '';
}

/** The columns by their worth: where there is no room for all of them, those at the end are left out. */
const BY_WORTH: ColumnId[] = [
  'name',
  'total',
  'phone',
  'orders',
  'lastPurchase',
  'email',
  'country',
  'registered',
  'created',
  'reference',
];
/** Between two columns, and at both ends of a row: as the style sheet has it. */
const GAP = 16;

/** How wide a column is, as a track of a CSS grid. */
export function track(meta: Meta | undefined): string {
  if (!meta) return 'auto';
  return meta.grow === undefined ? `${meta.min}px` : `minmax(${meta.min}px, ${meta.grow}fr)`;
}

/**
 * Which columns there is room for; what is missing is on the card. The one that the list is sorted by shows why the rows
 * stand as they do, and comes second. On a phone the number or address stands below the name.
 */
export function visibleColumns(width: number, sortedBy: SortField | undefined) {
  const metas = new Map(columns.map((column) => [column.id as ColumnId, column.meta as Meta | undefined]));
  const sorted = BY_WORTH.find((id) => sortedBy !== undefined && metas.get(id)?.sort === sortedBy);
  const wanted = isPhone(width)
    ? (['name', 'total'] as const)
    : [...new Set(['name' as const, ...(sorted ? [sorted] : []), ...BY_WORTH])];
  let room = width - GAP;
  const shown = new Set<ColumnId>();
  for (const id of wanted) {
    room -= (metas.get(id)?.min ?? 0) + GAP;
    if (room < 0 && !isPhone(width)) break;
    shown.add(id);
  }
  return columns.filter((column) => shown.has(column.id as ColumnId));
}

/** Whether rows have two lines. */
export function isPhone(width: number): boolean {
  return width < 640;
}
