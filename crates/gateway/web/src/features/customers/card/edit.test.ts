import { describe, expect, it, vi } from 'vitest';
import type { Customer } from '~/shared/api/types';
import { type Edit, type Ports, saveEdit, type Update, updateFor } from './edit';

const base: Customer = {
  id: 'c1',
  etag: '1',
  displayName: 'Ana',
  phones: [
    { id: 'p1', number: '+55 11 9', e164: '+55119', label: 'mobile', duplicateCount: 2 },
    { id: 'p2', number: '+55 22 8', e164: '', label: 'work', duplicateCount: 0 },
  ],
  emails: [{ id: 'e1', address: 'ana@example.com', duplicateCount: 0 }],
  kind: 'CUSTOMER_KIND_PERSON',
  country: '',
  references: [],
  managerId: '',
  storeId: '',
  hiddenPhones: 0,
  duplicateCount: 1,
};
const CONFLICT = new Error('conflict');

/** A server with one customer, which refuses an update of another version than its own. */
function server(present: Customer): Ports & { present: () => Customer; send: ReturnType<typeof vi.fn<Ports['send']>> } {
  let state = present;
  return {
    present: () => state,
    send: vi.fn(async ({ customer }: Update) => {
      if (customer.etag !== state.etag) throw CONFLICT;
      state = { ...state, ...customer, etag: String(Number(state.etag) + 1) } as Customer;
      return state;
    }),
    read: async () => state,
    isConflict: (error) => error === CONFLICT,
  };
}

const name = (value: string): Edit => ({ target: 'name', value });

describe('an edit in place', () => {
  it('sends only the field it changes, with the version it was based on', () => {
    expect(updateFor(base, name('Anna'))).toEqual({
      updateMask: 'displayName',
      customer: { id: 'c1', etag: '1', displayName: 'Anna' },
    });
  });

  it('keeps the other phones and the identity of the changed one, and sends nothing the server sets', () => {
    expect(updateFor(base, { target: 'phone', id: 'p1', value: '+1' }).customer.phones).toEqual([
      { id: 'p1', number: '+1', label: 'mobile' },
      { id: 'p2', number: '+55 22 8', label: 'work' },
    ]);
  });

  it('adds without an id and takes away with an empty value', () => {
    expect(updateFor(base, { target: 'email', value: 'b@example.com' }).customer.emails).toEqual([
      { id: 'e1', address: 'ana@example.com' },
      { address: 'b@example.com' },
    ]);
    expect(updateFor(base, { target: 'email', id: 'e1', value: '' }).customer.emails).toEqual([]);
  });

  it('is saved when nobody else was at work', async () => {
    const ports = server(base);
    expect(await saveEdit(base, name('Anna'), ports)).toMatchObject({
      kind: 'saved',
      customer: { displayName: 'Anna', etag: '2' },
    });
  });

  it('is made on the new version when somebody else changed something else', async () => {
    const ports = server({ ...base, etag: '5', emails: [] });
    expect(await saveEdit(base, name('Anna'), ports)).toMatchObject({
      kind: 'saved',
      customer: { displayName: 'Anna', emails: [], etag: '6' },
    });
  });

  it('overwrites nobody: when the same value was changed, both come back', async () => {
    const ports = server({ ...base, etag: '5', displayName: 'Anita' });
    expect(await saveEdit(base, name('Anna'), ports)).toMatchObject({
      kind: 'conflict',
      mine: 'Anna',
      theirs: 'Anita',
      fresh: { etag: '5' },
    });
    expect(ports.present().displayName).toBe('Anita');
  });

  it('is saved over theirs when the reader keeps their own', async () => {
    const ports = server({ ...base, etag: '5', displayName: 'Anita' });
    const outcome = await saveEdit(base, name('Anna'), ports);
    if (outcome.kind !== 'conflict') throw new Error('expected a conflict');
    expect(await saveEdit(outcome.fresh, name('Anna'), ports)).toMatchObject({
      kind: 'saved',
      customer: { displayName: 'Anna' },
    });
  });

  it('is no conflict when both wrote the same', async () => {
    const ports = server({ ...base, etag: '5', displayName: 'Anna' });
    expect(await saveEdit(base, name('Anna'), ports)).toMatchObject({ kind: 'saved', customer: { etag: '5' } });
    expect(ports.send).toHaveBeenCalledTimes(1);
  });

  it('meets a phone that was taken away as a conflict, and brings it back as a new one', async () => {
    const ports = server({ ...base, etag: '5', phones: [] });
    const edit: Edit = { target: 'phone', id: 'p1', value: '+1' };
    const outcome = await saveEdit(base, edit, ports);
    if (outcome.kind !== 'conflict') throw new Error('expected a conflict');
    expect(outcome.theirs).toBe('');
    await saveEdit(outcome.fresh, edit, ports);
    expect(ports.present().phones).toEqual([{ number: '+1' }]);
  });

  it('reads a list that is shown in part whole before it replaces it', async () => {
    const hidden = { id: 'p3', number: '+7', e164: '+7', label: 'home', duplicateCount: 0 };
    const ports = server({ ...base, phones: [...base.phones, hidden] });
    await saveEdit({ ...base, hiddenPhones: 1 }, { target: 'phone', id: 'p1', value: '+1' }, ports);
    expect(ports.present().phones).toHaveLength(3);
    expect(ports.present().phones[2]).toEqual({ id: 'p3', number: '+7', label: 'home' });
  });

  it('gives other errors to the caller, and does not chase a version for ever', async () => {
    const broken = new Error('down');
    await expect(saveEdit(base, name('x'), { ...server(base), send: () => Promise.reject(broken) })).rejects.toBe(
      broken,
    );
    const send = vi.fn(() => Promise.reject(CONFLICT));
    await expect(saveEdit(base, name('x'), { ...server(base), send })).rejects.toBe(CONFLICT);
    expect(send).toHaveBeenCalledTimes(3);
  });
});
