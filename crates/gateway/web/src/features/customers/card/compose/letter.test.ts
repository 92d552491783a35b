import { expect, it } from 'vitest';
import type { Card, Customer } from '~/shared/api/types';
import { chosenRecipient, EMPTY, isEmptyLetter, readLetter, recipientsOf, requestOf } from './letter';

const customer = {
  emails: [
    { id: 'e1', address: 'ana@example.com' },
    { id: 'e2', address: 'ana@work.example' },
  ],
} as Customer;
const consents = {
  status: { state: 'SECTION_STATE_OK', message: '' },
  states: [{ channel: 'CONSENT_CHANNEL_EMAIL', contactPointId: 'e2', marketing: false, service: true }],
} as Card['consents'];

it('a letter goes first to an address that agreed to its purpose', () => {
  const service = recipientsOf(customer, consents, 'PURPOSE_SERVICE');
  expect(service.map(({ allowed }) => allowed)).toEqual([false, true]);
  expect(chosenRecipient(service, '')?.id).toBe('e2');
  expect(chosenRecipient(service, 'e1')?.allowed).toBe(false);
  expect(recipientsOf(customer, consents, 'PURPOSE_MARKETING').some(({ allowed }) => allowed)).toBe(false);
});

it('where consents cannot be read, nothing is said of them', () => {
  const down = { status: { state: 'SECTION_STATE_UNAVAILABLE', message: '' }, states: [] } as Card['consents'];
  expect(recipientsOf(customer, down, 'PURPOSE_SERVICE').map(({ allowed }) => allowed)).toEqual([undefined, undefined]);
});

it('a draft of an unknown shape is an empty letter', () => {
  for (const kept of [undefined, null, 7, 'x', { subject: 7, variables: 'x', purpose: 'y' }]) {
    expect(isEmptyLetter(readLetter(kept))).toBe(true);
  }
  expect(readLetter(JSON.parse(JSON.stringify({ ...EMPTY, subject: 'Hello' }))).subject).toBe('Hello');
});

it('a letter from a template carries its variables and no text of its own', () => {
  const letter = { ...EMPTY, templateId: 't1', variables: { coupon: 'X' }, html: '<p>left over</p>' };
  expect(requestOf('c1', letter, 'e1')).toEqual({
    customerId: 'c1',
    contactPointId: 'e1',
    purpose: 'PURPOSE_SERVICE',
    templateId: 't1',
    variables: { coupon: 'X' },
  });
});
