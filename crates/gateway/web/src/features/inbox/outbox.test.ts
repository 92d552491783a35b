import { beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '~/shared/api/problem';
import type { DialogMessage } from '~/shared/api/types';
import { tabKept } from '~/shared/lib/kept';
import { Outbox, type Pending } from './outbox';

const arrivedAs = (pending: Pending, sequence = 1): DialogMessage => ({
  id: `id-${sequence}`,
  dialogId: pending.dialogId,
  sequence: String(sequence),
  kind: 'DIALOG_MESSAGE_KIND_COLLEAGUE',
  text: pending.text,
  note: 'DIALOG_NOTE_UNSPECIFIED',
  userId: 'irina',
  clientMessageId: pending.clientMessageId,
});

/** A server that answers when it is told to. */
function server() {
  const waiting: { pending: Pending; answer: (message: DialogMessage) => void; refuse: (error: unknown) => void }[] =
    [];
  const send = (pending: Pending) =>
    new Promise<DialogMessage>((answer, refuse) => waiting.push({ pending, answer, refuse }));
  return { waiting, send };
}

beforeEach(() => sessionStorage.clear());
const states = (outbox: Outbox) => outbox.of('d').map(({ text, state }) => `${text}: ${state}`);

describe('the outbox', () => {
  it('sends one message after the other, in the order they were written', async () => {
    const { waiting, send } = server();
    const outbox = new Outbox('irina', tabKept, send);
    const sent = vi.fn();
    outbox.add('d', 'one', sent);
    outbox.add('d', 'two', sent);
    expect(states(outbox)).toEqual(['one: sending', 'two: queued']);
    expect(waiting).toHaveLength(1);
    const [first] = waiting;
    first?.answer(arrivedAs(first.pending));
    await vi.waitFor(() => expect(states(outbox)).toEqual(['two: sending']));
    expect(sent).toHaveBeenCalledWith(expect.objectContaining({ text: 'one' }));
  });

  it('keeps a message that failed, and sends it again under the same id', async () => {
    const { waiting, send } = server();
    const outbox = new Outbox('irina', tabKept, send);
    outbox.add('d', 'one', () => undefined);
    waiting[0]?.refuse(new ApiError(503, {}));
    await vi.waitFor(() => expect(states(outbox)).toEqual(['one: failed']));
    const [failed] = outbox.of('d');
    if (failed) outbox.retry(failed, () => undefined);
    expect(waiting).toHaveLength(2);
    expect(waiting[1]?.pending.clientMessageId).toBe(waiting[0]?.pending.clientMessageId);
  });

  it('does not run all that waits against a connection that is gone', async () => {
    const { waiting, send } = server();
    const outbox = new Outbox('irina', tabKept, send);
    for (const text of ['one', 'two', 'three']) outbox.add('d', text, () => undefined);
    waiting[0]?.refuse(new ApiError(0, {}));
    await vi.waitFor(() => expect(states(outbox)).toEqual(['one: failed', 'two: failed', 'three: failed']));
    expect(waiting).toHaveLength(1);
  });

  it('outlives a reload: what was on its way then can be sent again, for the same user only', () => {
    const { send } = server();
    const before = new Outbox('irina', tabKept, send);
    before.add('d', 'one', () => undefined);
    const id = before.of('d')[0]?.clientMessageId;
    const after = new Outbox('irina', tabKept, send);
    expect(after.of('d')).toMatchObject([{ text: 'one', state: 'failed', clientMessageId: id }]);
    expect(new Outbox('oleg', tabKept, send).of('d')).toEqual([]);
  });

  it('forgets what turns out to have arrived', () => {
    const { send } = server();
    new Outbox('irina', tabKept, send).add('d', 'one', () => undefined);
    const outbox = new Outbox('irina', tabKept, send);
    outbox.arrived(outbox.of('d').map((pending) => arrivedAs(pending)));
    expect(outbox.of('d')).toEqual([]);
    expect(sessionStorage.length).toBe(0);
  });

  it('is empty when what is stored cannot be read', () => {
    sessionStorage.setItem('clientele.draft.irina.outbox', '{"not": "a list"}');
    expect(new Outbox('irina', tabKept, server().send).of('d')).toEqual([]);
  });
});
