import type { Card, ConsentState, Customer, Purpose, SendEmailRequest } from '~/shared/api/types';
import { stateOf } from '../consents/consents';

export type LetterPurpose = Exclude<Purpose, 'PURPOSE_UNSPECIFIED'>;

/** A letter that is being written. */
export type Letter = {
  contactPointId: string;
  purpose: LetterPurpose;
  /** Empty to write freely. */
  templateId: string;
  variables: Record<string, string>;
  subject: string;
  html: string;
  /** One key for one letter, however often it is sent: the server takes it once. Empty until it is sent first. */
  key: string;
};

export const EMPTY: Letter = {
  contactPointId: '',
  purpose: 'PURPOSE_SERVICE',
  templateId: '',
  variables: {},
  subject: '',
  html: '',
  key: '',
};

/** Makes sense of a draft that was kept; of one that was not, an empty letter. */
export function readLetter(kept: unknown): Letter {
  if (typeof kept !== 'object' || kept === null) return EMPTY;
  const draft = kept as Partial<Record<keyof Letter, unknown>>;
  const text = (name: keyof Letter) => (typeof draft[name] === 'string' ? (draft[name] as string) : '');
  const variables =
    typeof draft.variables === 'object' && draft.variables !== null
      ? Object.fromEntries(Object.entries(draft.variables).filter(([, value]) => typeof value === 'string'))
      : {};
  return {
    contactPointId: text('contactPointId'),
    purpose: draft.purpose === 'PURPOSE_MARKETING' ? 'PURPOSE_MARKETING' : 'PURPOSE_SERVICE',
    templateId: text('templateId'),
    variables,
    subject: text('subject'),
    html: text('html'),
    key: text('key'),
  };
}

/** Whether there is nothing in it worth keeping. */
export function isEmptyLetter({ subject, html, templateId, variables, key }: Letter): boolean {
  return !subject && !html && !templateId && !key && Object.values(variables).every((value) => value === '');
}

/** The letter as the API takes it. */
export function requestOf(customerId: string, letter: Letter, contactPointId: string): SendEmailRequest {
  const { purpose, subject, html, templateId, variables } = letter;
  return {
    customerId,
    contactPointId,
    purpose,
    ...(subject.trim() && { subject: subject.trim() }),
    ...(templateId ? { templateId, variables } : { html }),
  };
}

export type Recipient = {
  id: string;
  address: string;
  /** Whether a letter for the purpose may go there; undefined where consents could not be read. */
  allowed: boolean | undefined;
  /** The entry that decides, where one was ever made. */
  entry: ConsentState['entry'];
};

/** The customer's addresses, and which of them a letter for the purpose may go to. */
export function recipientsOf(customer: Customer, consents: Card['consents'], purpose: LetterPurpose): Recipient[] {
  const known = consents?.status?.state === 'SECTION_STATE_OK';
  return customer.emails.map(({ id, address }) => {
    const state = stateOf(consents?.states ?? [], id, 'CONSENT_CHANNEL_EMAIL');
    const allowed = purpose === 'PURPOSE_MARKETING' ? state.marketing : state.service;
    return { id, address, allowed: known ? allowed : undefined, entry: known ? state.entry : undefined };
  });
}

/** The recipient in force: the one chosen, else the first that may be written to. */
export function chosenRecipient(recipients: Recipient[], chosen: string): Recipient | undefined {
  return (
    recipients.find(({ id }) => id === chosen) ?? recipients.find(({ allowed }) => allowed !== false) ?? recipients[0]
  );
}
