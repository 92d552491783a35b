import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import type { Customer, Dialog, DialogMessage } from '~/shared/api/types';
import { useCustomerName } from '~/shared/lib/use-customer-name';

/** What the one we talk with is called: by the customer's record, else by what they call themselves. */
export function useDialogName(): (dialog: Dialog | undefined, customer: Customer | undefined) => string {
  const { t } = useTranslation('inbox');
  const nameOf = useCustomerName();
  return useCallback(
    (dialog, customer) => {
      if (customer) return nameOf(customer);
      return dialog?.visitorName || dialog?.visitorEmail || t(dialog?.customerId ? 'someCustomer' : 'someVisitor');
    },
    [t, nameOf],
  );
}

/** What happened in a dialog, in words. */
export function useNoteText(): (message: DialogMessage, names: ReadonlyMap<string, string>) => string {
  const { t } = useTranslation('inbox');
  return useCallback(
    ({ note, userId }, names) => {
      switch (note) {
        case 'DIALOG_NOTE_OPENED':
          return t('note.opened');
        case 'DIALOG_NOTE_CLOSED':
          return t('note.closed');
        case 'DIALOG_NOTE_ASSIGNED':
          return userId ? t('note.assigned', { name: names.get(userId) ?? t('us') }) : t('note.unassigned');
        case 'DIALOG_NOTE_CUSTOMER_LINKED':
          return t('note.linked');
        default:
          return t('note.other');
      }
    },
    [t],
  );
}
