import type { Customer, CustomerInput, EmailInput, PhoneInput } from '~/shared/api/types';

/** One change made in place. A phone or e-mail without an id is a new one; an empty value takes it away. */
export type Edit =
  | { target: 'name'; value: string }
  | { target: 'phone'; id?: string | undefined; value: string }
  | { target: 'email'; id?: string | undefined; value: string };

/** What an update sends: the fields that change, which they are, and the version they are based on. */
export type Update = { updateMask: string; customer: CustomerInput };

/** What stands on the customer in the place of the edit; empty where nothing does. */
export function valueAt(customer: Customer, edit: Edit): string {
  switch (edit.target) {
    case 'name':
      return customer.displayName;
    case 'phone':
      return (edit.id && customer.phones.find(({ id }) => id === edit.id)?.number) || '';
    case 'email':
      return (edit.id && customer.emails.find(({ id }) => id === edit.id)?.address) || '';
  }
}

/** The update that brings the edit about on this version of the customer. */
export function updateFor(customer: Customer, edit: Edit): Update {
  const { id, etag } = customer;
  switch (edit.target) {
    case 'name':
      return { updateMask: 'displayName', customer: { id, etag, displayName: edit.value } };
    case 'phone': {
      const phones: PhoneInput[] = customer.phones.map((phone) => ({
        id: phone.id,
        number: phone.number,
        label: phone.label,
      }));
      return {
        updateMask: 'phones',
        customer: { id, etag, phones: replace(phones, edit, (phone) => ({ ...phone, number: edit.value })) },
      };
    }
    case 'email': {
      const emails: EmailInput[] = customer.emails.map((email) => ({ id: email.id, address: email.address }));
      return {
        updateMask: 'emails',
        customer: { id, etag, emails: replace(emails, edit, (email) => ({ ...email, address: edit.value })) },
      };
    }
  }
}

function replace<T extends { id?: string | null | undefined }>(
  entries: T[],
  edit: { id?: string | undefined; value: string },
  change: (entry: Partial<T>) => T,
): T[] {
  const known = edit.id !== undefined && entries.some(({ id }) => id === edit.id);
  if (edit.value === '') return entries.filter(({ id }) => id !== edit.id);
  // An entry that somebody else took away meanwhile comes back as a new one: its old id is gone.
  if (!known) return [...entries, change({})];
  return entries.map((entry) => (entry.id === edit.id ? change(entry) : entry));
}

export type Outcome =
  | { kind: 'saved'; customer: Customer }
  /** Somebody else changed the same value meanwhile. */
  | { kind: 'conflict'; fresh: Customer; mine: string; theirs: string };

export type Ports = {
  /** Sends an update; throws for which `isConflict` is true when the version is not the present one. */
  send: (update: Update) => Promise<Customer>;
  /** Reads the present version with all phones. */
  read: (id: string) => Promise<Customer>;
  isConflict: (error: unknown) => boolean;
};

/** How often a version may run away between reading and writing before the reader is asked. */
const ATTEMPTS = 3;

/**
 * Saves an edit. When the customer was changed meanwhile but not the value in question, the edit is made on the new version; when
 * the value itself was changed, nobody's work is overwritten: both values come back for the reader to choose.
 */
export async function saveEdit(base: Customer, edit: Edit, ports: Ports): Promise<Outcome> {
  let current = base;
  // Lists are replaced whole, so a list that is shown in part must be read whole first.
  if (edit.target === 'phone' && base.hiddenPhones > 0) current = await ports.read(base.id);

  for (let attempt = 1; ; attempt++) {
    const theirs = valueAt(current, edit);
    if (theirs === edit.value && current !== base) return { kind: 'saved', customer: current };
    if (theirs !== valueAt(base, edit)) return { kind: 'conflict', fresh: current, mine: edit.value, theirs };
    try {
      return { kind: 'saved', customer: await ports.send(updateFor(current, edit)) };
    } catch (error) {
      if (!ports.isConflict(error) || attempt === ATTEMPTS) throw error;
      current = await ports.read(base.id);
    }
  }
}
