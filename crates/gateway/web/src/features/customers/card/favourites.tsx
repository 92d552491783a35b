import { Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Favourite } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { DataTable } from '~/shared/ui/data-table';
import { Panel } from '~/shared/ui/panel';

/** What the customer buys most: categories, or products where the catalogue has no categories. */
export default function Favourites({ favourites }: { favourites: Favourite[] }) {
  const { t } = useTranslation('card');
  const products = favourites[0]?.kind === 'FAVOURITE_KIND_PRODUCT';
  return (
    <Panel title={t(products ? 'favourites.products' : 'favourites.categories')}>
      <FavouritesTable favourites={favourites} />
    </Panel>
  );
}

function FavouritesTable({ favourites }: { favourites: Favourite[] }) {
  const { t } = useTranslation('card');
  const format = useFormat();
  if (favourites.length === 0) {
    return (
      <Text size="sm" c="dimmed">
        {t('favourites.none')}
      </Text>
    );
  }
  return (
    <DataTable label={t('favourites.label')} dense>
      <thead>
        <tr>
          <th scope="col">{t('favourites.name')}</th>
          <th scope="col" data-numeric>
            {t('favourites.units')}
          </th>
          <th scope="col" data-numeric>
            {t('favourites.amount')}
          </th>
        </tr>
      </thead>
      <tbody>
        {favourites.map(({ kind, name, productId, units, amount }) => (
          <tr key={`${kind} ${productId} ${name}`}>
            <th scope="row">{name}</th>
            <td data-numeric>{format.decimal(units)}</td>
            <td data-numeric>{amount ? format.money(amount) : '—'}</td>
          </tr>
        ))}
      </tbody>
    </DataTable>
  );
}
