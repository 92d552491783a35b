import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';

/** The fields that have a name in the texts; one the server has added since is shown as the server calls it. */
const FIELDS = [
  'name',
  'first_name',
  'middle_name',
  'last_name',
  'email',
  'phone',
  'country',
  'kind',
  'external_id',
  'registered_at',
  'customer.external_id',
  'customer.name',
  'customer.email',
  'customer.phone',
  'customer.country',
  'order.number',
  'order.external_id',
  'order.placed_at',
  'order.status',
  'order.currency',
  'order.total',
  'line.sku',
  'line.name',
  'line.category',
  'line.quantity',
  'line.unit_price',
  'line.freight',
] as const;

/** What may be missing besides a field: it is said elsewhere on the page, under these names. */
const ELSEWHERE = {
  file: 'step.file',
  columns: 'step.columns',
  'format.currency': 'reading.currency',
  'format.date_format': 'reading.dateFormat',
  'format.time_zone': 'reading.timeZone',
  'format.order_status': 'reading.orderStatus',
} as const;

/** A text's key cannot hold the point of a field's name. */
type KeyOf<F extends string> = F extends `${infer Part}.${infer Name}` ? `${Part}_${Name}` : F;

/** The name of a field that a column can fill. */
export function useImportFieldName(): (field: string) => string {
  const { t } = useTranslation('imports');
  return useCallback(
    (field) => {
      if (field in ELSEWHERE) return t(ELSEWHERE[field as keyof typeof ELSEWHERE]);
      const known = FIELDS.find((name) => name === field);
      return known ? t(`target.${known.replace('.', '_') as KeyOf<typeof known>}`) : field;
    },
    [t],
  );
}
