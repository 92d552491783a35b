import { useTranslation } from 'react-i18next';
import type { Customer } from '~/shared/api/types';
import { When } from '~/shared/ui/when';
import classes from './facts.module.css';

/** What else is known of the customer. */
export function Facts({ customer }: { customer: Customer }) {
  const { t } = useTranslation('card');
  const rows = [
    { label: t('field.country'), value: customer.country },
    ...customer.references.map(({ source, externalId }) => ({ label: t('facts.idIn', { source }), value: externalId })),
    { label: t('field.registered_at'), value: customer.registeredAt && <When at={customer.registeredAt} /> },
    { label: t('field.created_at'), value: customer.createdAt && <When at={customer.createdAt} /> },
    { label: t('field.updated_at'), value: customer.updatedAt && <When at={customer.updatedAt} /> },
  ];
  return (
    <dl className={classes.facts}>
      {rows
        .filter(({ value }) => value)
        .map(({ label, value }) => (
          <div key={label} className={classes.row}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
