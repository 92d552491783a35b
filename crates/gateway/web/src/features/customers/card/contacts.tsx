import { ActionIcon, Button, Text, UnstyledButton } from '@mantine/core';
import { IconCopy, IconMail, IconPhone, IconPlus, IconTrash } from '@tabler/icons-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Card, ConsentState, Customer } from '~/shared/api/types';
import { useErrorText } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { ConsentBoxes } from './consents/consent-boxes';
import classes from './contacts.module.css';
import type { Edit, Outcome } from './edit';
import { Editable } from './editable';

type Props = {
  customer: Customer;
  editable: boolean;
  onSave: (customer: Customer, edit: Edit) => Promise<Outcome>;
  onTake: (customer: Customer) => void;
  onDuplicates: () => void;
  /** What the customer agreed to; absent where it is not to be shown. */
  consents?:
    | { states: readonly ConsentState[]; people: Card['people']; editable: boolean; onLog: () => void }
    | undefined;
};

type Target = 'phone' | 'email';
type Point = { target: Target; id: string; value: string; note: string; duplicates: number };

/** In place of an error: somebody else changed the value. */
const CONFLICT = Symbol('conflict');

const LIMITS: Record<Target, number> = { phone: 50, email: 254 };

/** Phones and e-mail addresses: each edited, taken away and brought back where it stands. */
export function Contacts(props: Props) {
  const { customer, editable, onSave } = props;
  const { t } = useTranslation('card');
  const textOf = useErrorText();
  const [removed, setRemoved] = useState<{ target: Target; value: string }>();
  const [error, setError] = useState<unknown>();

  const points: Point[] = [
    ...customer.phones.map((phone) => ({
      target: 'phone' as const,
      id: phone.id,
      value: phone.number,
      note: phone.label,
      duplicates: phone.duplicateCount,
    })),
    ...customer.emails.map((email) => ({
      target: 'email' as const,
      id: email.id,
      value: email.address,
      note: '',
      duplicates: email.duplicateCount,
    })),
  ];

  const run = async (edit: Edit, done: () => void) => {
    setError(undefined);
    try {
      const outcome = await onSave(customer, edit);
      if (outcome.kind === 'saved') done();
      else {
        // Somebody changed what was to go: nothing is taken away unseen, the new value is shown.
        props.onTake(outcome.fresh);
        setError(CONFLICT);
      }
    } catch (reason) {
      setError(reason);
    }
  };
  const remove = ({ target, id, value }: Point) =>
    run({ target, id, value: '' }, () => {
      setRemoved({ target, value });
      announce(t('contacts.removed', { value }));
    });
  const undo = (gone: { target: Target; value: string }) => run(gone, () => setRemoved(undefined));

  return (
    <div className={classes.contacts}>
      {points.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('contacts.none')}
        </Text>
      )}
      <ul className={classes.list}>
        {points.map((point) => (
          <ContactPoint key={point.id} point={point} onRemove={() => void remove(point)} {...props} />
        ))}
      </ul>
      {customer.hiddenPhones > 0 && (
        <Text size="xs" c="dimmed">
          {t('contacts.hidden', { count: customer.hiddenPhones })}
        </Text>
      )}
      {removed && (
        <div className={classes.undo}>
          <span>{t('contacts.removed', { value: removed.value })}</span>
          <Button size="compact-xs" variant="default" onClick={() => void undo(removed)}>
            {t('contacts.undo')}
          </Button>
        </div>
      )}
      {error !== undefined && (
        <Text size="xs" c="var(--mantine-color-error)" role="alert">
          {error === CONFLICT ? t('edit.conflict') : textOf(error)}
        </Text>
      )}
      {editable && (
        <div className={classes.adders}>
          <Adder target="phone" {...props} />
          <Adder target="email" {...props} />
        </div>
      )}
    </div>
  );
}

function ContactPoint({
  point,
  customer,
  editable,
  onSave,
  onTake,
  onRemove,
  onDuplicates,
  consents,
}: Props & { point: Point; onRemove: () => void }) {
  const { t } = useTranslation('card');
  const { target, id, value, note, duplicates } = point;
  const Icon = target === 'phone' ? IconPhone : IconMail;
  const label = `${t(target === 'phone' ? 'field.phone' : 'field.email')} ${value}`;
  return (
    <li className={classes.point}>
      <Icon
        size={16}
        stroke={1.6}
        role="img"
        aria-label={t(target === 'phone' ? 'field.phone' : 'field.email')}
        className={classes.icon}
      />
      <div className={classes.value}>
        <Editable
          customer={customer}
          editOf={(next) => ({ target, id, value: next })}
          label={label}
          type={target === 'phone' ? 'tel' : 'email'}
          maxLength={LIMITS[target]}
          editable={editable}
          onSave={onSave}
          onTake={onTake}
        >
          <a href={`${target === 'phone' ? 'tel' : 'mailto'}:${value.replaceAll(/\s/g, '')}`} className={classes.link}>
            {value}
          </a>
        </Editable>
        {note && <span className={classes.note}>{note}</span>}
        {duplicates > 0 && (
          <UnstyledButton className={classes.shared} onClick={onDuplicates} aria-haspopup="dialog">
            <IconCopy size={13} aria-hidden /> {t('contacts.shared', { count: duplicates })}
          </UnstyledButton>
        )}
        {consents && (
          <ConsentBoxes
            customerId={customer.id}
            target={target}
            contactPointId={id}
            address={value}
            states={consents.states}
            people={consents.people}
            editable={consents.editable}
            onLog={consents.onLog}
          />
        )}
      </div>
      {editable && (
        <ActionIcon
          size={24}
          variant="subtle"
          color="gray"
          aria-label={t('contacts.remove', { value })}
          onClick={onRemove}
          className={classes.remove}
        >
          <IconTrash size={14} stroke={1.7} aria-hidden />
        </ActionIcon>
      )}
    </li>
  );
}

function Adder({ target, customer, onSave, onTake }: Props & { target: Target }) {
  const { t } = useTranslation('card');
  const [open, setOpen] = useState(false);
  const [wasOpen, setWasOpen] = useState(false);
  if (open) {
    return (
      <Editable
        customer={customer}
        editOf={(value) => ({ target, value })}
        label={t(target === 'phone' ? 'contacts.newPhone' : 'contacts.newEmail')}
        type={target === 'phone' ? 'tel' : 'email'}
        maxLength={LIMITS[target]}
        editable
        opened
        onSave={onSave}
        onTake={onTake}
        onClosed={() => {
          setOpen(false);
          setWasOpen(true);
        }}
      >
        {null}
      </Editable>
    );
  }
  return (
    <Button
      size="compact-sm"
      variant="subtle"
      leftSection={<IconPlus size={14} aria-hidden />}
      onClick={() => setOpen(true)}
      // After adding or cancelling the focus returns to where it was.
      autoFocus={wasOpen}
    >
      {t(target === 'phone' ? 'contacts.addPhone' : 'contacts.addEmail')}
    </Button>
  );
}
