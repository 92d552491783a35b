import { Button, Text } from '@mantine/core';
import { IconCircleCheck, IconCircleDashed, IconCircleX, IconProgress, IconReceiptOff } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Card, Order, StatusGroup } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { useMay } from '~/shared/session';
import { DataTable } from '~/shared/ui/data-table';
import { EmptyState } from '~/shared/ui/empty-state';
import { useErrorText } from '~/shared/ui/error-state';
import { Mark, type Tone } from '~/shared/ui/mark';
import { When } from '~/shared/ui/when';
import classes from './paged.module.css';
import { furtherOrdersQuery, statusesQuery } from './queries';

const GROUPS: Record<StatusGroup, { tone: Tone; icon: typeof IconCircleCheck }> = {
  STATUS_GROUP_UNSPECIFIED: { tone: 'idle', icon: IconCircleDashed },
  STATUS_GROUP_NEW: { tone: 'accent', icon: IconCircleDashed },
  STATUS_GROUP_IN_PROGRESS: { tone: 'waiting', icon: IconProgress },
  STATUS_GROUP_COMPLETED: { tone: 'done', icon: IconCircleCheck },
  STATUS_GROUP_CANCELLED: { tone: 'idle', icon: IconCircleX },
};

type Props = { customerId: string; section: Card['orders'] };

/** The customer's orders, newest first: those of the card, then page by page. */
export function Orders({ customerId, section }: Props) {
  const { t } = useTranslation('card');
  const format = useFormat();
  const textOf = useErrorText();
  const mayRead = useMay('orders.order.read');
  const statuses = useQuery({ ...statusesQuery, enabled: mayRead });
  // The card is read again while one looks at older orders: these go on from where the card ended when they were asked for.
  const [base, setBase] = useState<{ token: string; orders: Order[] }>();
  const further = useInfiniteQuery({
    ...furtherOrdersQuery(customerId, base?.token ?? ''),
    enabled: base !== undefined,
  });
  const firstToken = section?.nextPageToken ?? '';
  const loaded = (further.data?.pages ?? []).flatMap((page) => page.orders);
  const orders = unique([...(section?.orders ?? []), ...(base?.orders ?? []), ...loaded]);
  const hasMore = base ? further.data === undefined || further.hasNextPage : firstToken !== '';
  const more = () => {
    if (base) void (further.isError && !further.data ? further.refetch() : further.fetchNextPage());
    else setBase({ token: firstToken, orders: section?.orders ?? [] });
  };

  if (orders.length === 0)
    return <EmptyState icon={IconReceiptOff} title={t('orders.none')} text={t('orders.noneText')} />;
  const total = Number(section?.totalSize ?? 0);
  return (
    <>
      <DataTable label={t('orders.title')}>
        <thead>
          <tr>
            <th scope="col">{t('orders.number')}</th>
            <th scope="col">{t('orders.placed')}</th>
            <th scope="col">{t('orders.status')}</th>
            <th scope="col" data-numeric data-wide>
              {t('orders.lines')}
            </th>
            <th scope="col" data-numeric>
              {t('orders.amount')}
            </th>
            <th scope="col" data-numeric data-wide>
              {t('orders.paid')}
            </th>
          </tr>
        </thead>
        <tbody>
          {orders.map((order) => {
            const { tone, icon } = GROUPS[order.statusGroup];
            return (
              <tr key={order.id}>
                <th scope="row">{order.number}</th>
                <td>{order.placedAt && <When at={order.placedAt} show="day" />}</td>
                <td>
                  <Mark tone={tone} icon={icon}>
                    {statuses.data?.get(order.status) ?? order.status}
                  </Mark>
                </td>
                <td data-numeric data-wide>
                  {format.number(order.lineCount)}
                </td>
                <td data-numeric>{format.money(order.gross ?? { minor: '0', currency: order.currency })}</td>
                <td data-numeric data-wide>
                  {format.money(order.paid ?? { minor: '0', currency: order.currency })}
                </td>
              </tr>
            );
          })}
        </tbody>
      </DataTable>
      <div className={classes.foot}>
        <Text size="xs" c="dimmed">
          {t('orders.shown', { count: total, shown: format.number(orders.length), total: format.number(total) })}
        </Text>
        {further.isError && (
          <Text size="xs" c="var(--mantine-color-error)" role="alert">
            {textOf(further.error)}
          </Text>
        )}
        {hasMore && (
          <Button size="compact-sm" variant="default" loading={further.isFetching} onClick={more}>
            {t('more')}
          </Button>
        )}
      </div>
    </>
  );
}

/** Each order once, as it is known newest. */
function unique(orders: Order[]): Order[] {
  const known = new Set<string>();
  return orders.filter(({ id }) => !known.has(id) && known.add(id));
}
