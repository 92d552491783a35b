import { beforeEach, expect, it, vi } from 'vitest';
import { forgetDrafts } from '~/shared/lib/drafts';
import { outboxOf } from './outboxes';

beforeEach(() => sessionStorage.clear());

/** A server that answers when it is told to. */
function server() {
  const asked: { text: string; answer: (response: Response) => void }[] = [];
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (request) => {
    const { text } = await (request as Request).json();
    return new Promise((answer) => asked.push({ text, answer }));
  });
  return asked;
}

it('who signs out leaves nothing in the outbox, and nothing of theirs is sent any more', async () => {
  for (const status of [200, 503]) {
    const asked = server();
    const outbox = outboxOf('irina');
    const sent = vi.fn();
    outbox.add('d', 'one', sent);
    outbox.add('d', 'two', sent);
    await vi.waitFor(() => expect(asked).toHaveLength(1));
    expect(sessionStorage.length).toBe(1);
    const shown = vi.fn();
    outbox.subscribe(shown);

    forgetDrafts();
    expect(shown).toHaveBeenCalled();
    expect([outbox.of('d'), sessionStorage.length]).toEqual([[], 0]);
    asked[0]?.answer(Response.json({ reason: 'UNAVAILABLE' }, { status }));
    // The answer has gone through all that waits for it.
    await new Promise((done) => setTimeout(done));
    await new Promise((done) => setTimeout(done));
    expect(asked.map(({ text }) => text)).toEqual(['one']);
    expect([outbox.of('d'), sessionStorage.length, sent.mock.calls]).toEqual([[], 0, []]);
    expect(outboxOf('irina')).not.toBe(outbox);
    expect(outboxOf('irina').of('d')).toEqual([]);
  }
});
