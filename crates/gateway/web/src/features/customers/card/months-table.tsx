import { VisuallyHidden } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { MonthFigures } from '~/shared/api/types';
import type { Money } from '~/shared/lib/money';
import { useFormat } from '~/shared/lib/use-format';
import { DataTable } from '~/shared/ui/data-table';

type Props = { months: MonthFigures[]; currency: string; hidden?: boolean };

/** The twelve months as numbers. */
export function MonthsTable({ months, currency, hidden = false }: Props) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const money = (amount: Money | undefined) => format.money(amount ?? { minor: '0', currency });
  const table = (
    <DataTable label={t('months.title')} dense>
      <thead>
        <tr>
          <th scope="col">{t('months.month')}</th>
          <th scope="col" data-numeric>
            {t('metrics.orders')}
          </th>
          <th scope="col" data-numeric>
            {t('months.refunds')}
          </th>
          <th scope="col" data-numeric>
            {t('months.net')}
          </th>
        </tr>
      </thead>
      <tbody>
        {months.map(({ month, orders, refunds, net }) => (
          <tr key={month}>
            <th scope="row">{format.month(month, 'long')}</th>
            <td data-numeric>{format.number(Number(orders))}</td>
            <td data-numeric>{money(refunds)}</td>
            <td data-numeric>{money(net)}</td>
          </tr>
        ))}
      </tbody>
    </DataTable>
  );
  return hidden ? <VisuallyHidden>{table}</VisuallyHidden> : table;
}
