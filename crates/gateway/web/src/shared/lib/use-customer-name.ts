import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';

interface Named {
  displayName: string;
  references: { externalId?: string }[];
}

/** What a customer is called: by name, else by the number another system has for them, so that they can be told apart. */
export function useCustomerName(): (customer: Named | undefined) => string {
  const { t } = useTranslation('common');
  return useCallback(
    (customer) => {
      const number = customer?.references[0]?.externalId;
      return customer?.displayName || (number ? t('customer.numbered', { number }) : t('customer.unnamed'));
    },
    [t],
  );
}
