import { Avatar, UnstyledButton } from '@mantine/core';
import { IconBuilding, IconCopy, IconUser } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Card, Customer } from '~/shared/api/types';
import { useCustomerName } from '~/shared/lib/use-customer-name';
import { useFormat } from '~/shared/lib/use-format';
import { initials } from '~/shared/ui/initials';
import { Mark } from '~/shared/ui/mark';
import { PageHeading } from '~/shared/ui/page-heading';
import type { Edit, Outcome } from './edit';
import { Editable } from './editable';
import classes from './header.module.css';

type Props = {
  /** Absent where customers could not be asked; then, and where it is not fresh, `children` say why. */
  customer: Customer | undefined;
  people: Card['people'];
  past: boolean;
  editable: boolean;
  onSave: (customer: Customer, edit: Edit) => Promise<Outcome>;
  onTake: (customer: Customer) => void;
  onDuplicates: () => void;
  children: ReactNode;
};

/** Who the customer is, at a glance. */
export function CardHeader({ customer, people, past, editable, onSave, onTake, onDuplicates, children }: Props) {
  const { t } = useTranslation('card');
  const nameOf = useCustomerName();
  const format = useFormat();
  const [editing, setEditing] = useState(false);
  if (!customer) {
    return (
      <section className={classes.header}>
        <div className={classes.body}>
          <PageHeading>{t('title')}</PageHeading>
          {children}
        </div>
      </section>
    );
  }
  const name = nameOf(customer);
  const company = customer.kind === 'CUSTOMER_KIND_COMPANY';
  const duplicates = customer.duplicateCount;
  const manager = people?.people.find(({ userId }) => userId === customer.managerId);
  const about = [
    customer.country,
    manager && t('header.manager', { name: manager.displayName }),
    customer.storeId && people?.storeName && t('header.store', { name: people.storeName }),
  ].filter(Boolean);
  return (
    <section className={classes.header} data-past={past || undefined}>
      <Avatar size={48} radius="xl" color="indigo" aria-hidden className={classes.avatar}>
        {initials(name) || (company ? <IconBuilding size={22} /> : <IconUser size={22} />)}
      </Avatar>
      <div className={classes.body}>
        <div className={classes.first}>
          <div className={classes.name} data-editing={editing || undefined}>
            <PageHeading title={name} hidden={editing}>
              {name}
            </PageHeading>
            <Editable
              customer={customer}
              editOf={(value) => ({ target: 'name', value })}
              label={t('field.display_name')}
              type="text"
              maxLength={300}
              editable={editable}
              onSave={onSave}
              onTake={onTake}
              onEditing={setEditing}
            />
          </div>
          <Mark tone="idle" icon={company ? IconBuilding : IconUser}>
            {t(company ? 'kind.company' : 'kind.person')}
          </Mark>
          {duplicates > 0 && (
            <UnstyledButton className={classes.duplicates} onClick={onDuplicates} aria-haspopup="dialog">
              <Mark tone="waiting" icon={IconCopy}>
                {t('duplicates.mark', { count: duplicates, shown: format.number(duplicates) })}
              </Mark>
            </UnstyledButton>
          )}
        </div>
        <div className={classes.about}>
          {about.map((part) => (
            <span key={part}>{part}</span>
          ))}
          {customer.references.map(({ source, externalId }) => (
            <span key={`${source} ${externalId}`} className={classes.reference}>
              {source}: {externalId}
            </span>
          ))}
        </div>
        {children}
      </div>
    </section>
  );
}
