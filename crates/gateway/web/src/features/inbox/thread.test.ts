import { describe, expect, it } from 'vitest';
import type { DialogMessage } from '~/shared/api/types';
import { parseInboxSearch } from './search';
import { merge, readUpTo, withoutGap } from './thread';

const message = (sequence: number, text = `message ${sequence}`): DialogMessage => ({
  id: `id-${sequence}`,
  dialogId: 'd',
  sequence: String(sequence),
  kind: 'DIALOG_MESSAGE_KIND_CUSTOMER',
  text,
  note: 'DIALOG_NOTE_UNSPECIFIED',
  userId: '',
  clientMessageId: '',
  createdAt: '2026-03-10T12:00:00Z',
});
const places = (messages: readonly DialogMessage[]) => messages.map(({ sequence }) => Number(sequence));

describe('a thread', () => {
  it('holds each message once and in order, however they arrive', () => {
    const all = merge([message(9), message(10)], [message(12), message(8), message(10, 'read again'), message(11)]);
    expect(places(all)).toEqual([8, 9, 10, 11, 12]);
    expect(all[2]?.text).toBe('read again');
  });
  it('knows from where to read on when a message has come ahead of others', () => {
    const messages = [message(3), message(4), message(7)];
    expect(readUpTo(messages)).toBe(4);
    expect(places(withoutGap(messages))).toEqual([3, 4]);
    expect(readUpTo(merge(messages, [message(5), message(6)]))).toBe(7);
  });
  it('is read from the start when nothing is known', () => {
    expect(readUpTo([])).toBe(0);
  });
});

describe('the address of the inbox', () => {
  const dialog = '01890a5d-ac96-774b-bcce-b302099a8057';
  it('keeps what is understood and drops the rest', () => {
    expect(parseInboxSearch({ dialog, state: 'closed', assignee: 'mine', unread: 'yes', panel: 'customer' })).toEqual({
      dialog,
      state: 'closed',
      assignee: 'mine',
      unread: 'yes',
      panel: 'customer',
    });
    expect(parseInboxSearch({ dialog: '../x', state: 'open', assignee: 'irina', panel: 'customer' })).toEqual({});
  });
});
