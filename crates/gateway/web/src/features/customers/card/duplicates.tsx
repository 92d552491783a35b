import { Button, Modal, Skeleton } from '@mantine/core';
import { IconMail, IconPhone, IconUserCheck } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { useCustomerName } from '~/shared/lib/use-customer-name';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { Mark } from '~/shared/ui/mark';
import { useFocusReturn } from '~/shared/ui/use-focus-return';
import classes from './duplicates.module.css';
import { duplicatesQuery } from './queries';

type Props = { customerId: string; onClose: () => void };

/** The customers that share a phone or an e-mail with this one, and what they share. */
export default function Duplicates({ customerId, onClose }: Props) {
  const { t } = useTranslation(['card', 'common']);
  const nameOf = useCustomerName();
  useFocusReturn();
  const pages = useInfiniteQuery(duplicatesQuery(customerId));
  const list = (pages.data?.pages ?? []).flatMap((page) => page.duplicates);
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={t('duplicates.title')}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
    >
      {pages.isPending && <Skeleton height={160} radius="md" />}
      {pages.isError && list.length === 0 && (
        <ErrorState title={t('duplicates.failed')} error={pages.error} onRetry={() => void pages.refetch()} />
      )}
      {pages.isSuccess && list.length === 0 && <EmptyState icon={IconUserCheck} title={t('duplicates.none')} />}
      <ul className={classes.list}>
        {list.map(({ customer, phones, emails }) => (
          <li key={customer?.id} className={classes.entry}>
            <Link to="/customers/$customerId" params={{ customerId: customer?.id ?? '' }}>
              {nameOf(customer)}
            </Link>
            <span className={classes.shared}>
              {phones.map((phone) => (
                <Mark key={phone} tone="waiting" icon={IconPhone}>
                  {phone}
                </Mark>
              ))}
              {emails.map((email) => (
                <Mark key={email} tone="waiting" icon={IconMail}>
                  {email}
                </Mark>
              ))}
            </span>
          </li>
        ))}
      </ul>
      {(pages.hasNextPage || pages.isFetchNextPageError) && (
        <Button variant="default" size="xs" loading={pages.isFetching} onClick={() => void pages.fetchNextPage()}>
          {t('more')}
        </Button>
      )}
    </Modal>
  );
}
