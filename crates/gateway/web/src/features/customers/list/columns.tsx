import { columnVisibilityFeature, createColumnHelper, tableFeatures } from '@tanstack/react-table';
import type { Customer, CustomerMetrics } from '~/shared/api/types';
import { CustomerName, DayCell, FiguresCell, LastPurchaseCell } from './cells';
import type { SortField } from './search';

/** A row of the list: the customer, and their figures once they have come (null when they cannot be had). */
export type Row = { customer: Customer; metrics: CustomerMetrics | null | undefined };

type Meta = {
  /** Width as a track of a CSS grid. */
  track: string;
  /** The field the server sorts by when the heading is clicked. */
  sort?: SortField;
  numeric?: boolean;
};

export const features = tableFeatures({ columnVisibilityFeature, columnMeta: {} as Meta });
const helper = createColumnHelper<typeof features, Row>();

/** The columns by the key of their heading in the texts. */
export const columns = helper.columns([
  helper.display({
    id: 'name',
    meta: { track: 'minmax(180px, 2fr)', sort: 'display_name' },
    cell: ({ row }) => <CustomerName customer={row.original.customer} />,
  }),
  helper.accessor(({ customer }) => customer.phones[0]?.number ?? '', {
    id: 'phone',
    meta: { track: 'minmax(120px, 1fr)' },
  }),
  helper.accessor(({ customer }) => customer.emails[0]?.address ?? '', {
    id: 'email',
    meta: { track: 'minmax(140px, 1.4fr)' },
  }),
  helper.accessor(({ customer }) => customer.country, {
    id: 'country',
    meta: { track: 'minmax(100px, 0.8fr)', sort: 'country' },
  }),
  helper.accessor(({ customer }) => reference(customer), { id: 'reference', meta: { track: 'minmax(110px, 0.9fr)' } }),
  helper.display({
    id: 'orders',
    meta: { track: '76px', numeric: true },
    cell: ({ row }) => <FiguresCell metrics={row.original.metrics} show="orders" />,
  }),
  helper.display({
    id: 'total',
    meta: { track: 'minmax(112px, 0.8fr)', numeric: true },
    cell: ({ row }) => <FiguresCell metrics={row.original.metrics} show="net" />,
  }),
  helper.display({
    id: 'lastPurchase',
    meta: { track: '116px', numeric: true },
    cell: ({ row }) => <LastPurchaseCell metrics={row.original.metrics} />,
  }),
  helper.display({
    id: 'registered',
    meta: { track: '116px', sort: 'registered_at', numeric: true },
    cell: ({ row }) => <DayCell at={row.original.customer.registeredAt} />,
  }),
  helper.display({
    id: 'created',
    meta: { track: '116px', sort: 'created_at', numeric: true },
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

/** Which columns there is room for; what is missing is on the card. */
export function visibleColumns(width: 'phone' | 'narrow' | 'wide'): Record<ColumnId, boolean> {
  const wide = width === 'wide';
  const table = width !== 'phone';
  return {
    name: true,
    phone: table,
    email: table,
    country: table,
    reference: wide,
    orders: table,
    total: true,
    lastPurchase: wide,
    registered: wide,
    created: table,
  };
}
