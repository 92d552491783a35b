import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Api } from './api';
import { Conversation } from './conversation';
import type { Keep } from './storage';
import { LANGUAGES, textsFor } from './texts';

type Message = { sequence: string; kind: string; text: string; clientMessageId: string; createdAt: string };

/** A gateway that holds one dialog, over real HTTP. */
class Gateway {
  readonly messages: Message[] = [];
  readonly posts: string[] = [];
  readonly listeners = new Set<ServerResponse>();
  /** What was asked for, by the last part of its path. */
  readonly requests: string[] = [];
  secret = 'clv_1';
  /** How many visitors have become known. */
  visitors = 0;
  /** Answers of the next requests by path, instead of the usual ones: a status, or `lose` the answer after the work is done. */
  readonly next = new Map<string, (number | 'lose')[]>();
  readonly server: Server = createServer((request, response) => void this.#answer(request, response));

  async listen(): Promise<Api> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return new Api(`http://127.0.0.1:${(this.server.address() as AddressInfo).port}`, 'site 1');
  }

  say(text: string): void {
    this.#add('DIALOG_MESSAGE_KIND_COLLEAGUE', text, '');
  }

  #add(kind: string, text: string, clientMessageId: string): Message {
    const known = this.messages.find((message) => clientMessageId && message.clientMessageId === clientMessageId);
    if (known) return known;
    // Numbers have gaps where the system noted something.
    const sequence = String(this.messages.length * 2 + 2);
    const message = { sequence, kind, text, clientMessageId, createdAt: '2026-01-01T10:00:00Z' };
    this.messages.push(message);
    for (const listener of this.listeners) listener.write(`data: {"lastSequence":"${sequence}"}\n\n`);
    return message;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const part of request) text += part;
    const body = JSON.parse(text);
    const path = request.url?.split('/').pop() ?? '';
    this.requests.push(path);
    const json = (value: object, status = 200) => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));
    };
    expect(request.url).toMatch(/^\/v1\/widget\/site%201\//);
    const instead = this.next.get(path)?.shift();
    if (typeof instead === 'number') return json({ reason: 'REFUSED' }, instead);
    if (path !== 'visits' && body.visitorSecret !== this.secret) return json({ reason: 'UNAUTHENTICATED' }, 401);
    const dialogId = this.messages.length > 0 ? 'd1' : '';
    const answers: Record<string, () => object> = {
      visits: () => {
        if (body.visitorSecret !== this.secret) this.visitors += 1;
        return { visitorSecret: this.secret, greeting: 'Hello', channelName: 'Shop', dialogId, lastSequence: '0' };
      },
      messages: () => {
        this.posts.push(body.clientMessageId);
        return this.#add('DIALOG_MESSAGE_KIND_CUSTOMER', body.text, body.clientMessageId);
      },
      'messages:list': () => {
        const later = this.messages.filter((message) => Number(message.sequence) > Number(body.after));
        return { messages: later.slice(0, 2), more: later.length > 2, dialogId };
      },
    };
    if (path === 'listen') {
      response
        .writeHead(200, { 'Content-Type': 'text/event-stream' })
        .write('retry: 1\n\ndata: {"lastSequence":"0"}\n\n');
      this.listeners.add(response);
      response.on('close', () => this.listeners.delete(response));
      return;
    }
    const answer = answers[path]?.() ?? {};
    if (instead === 'lose') response.destroy();
    else json(answer);
  }
}

let gateway: Gateway;
let api: Api;
let keep: Keep;
/** Says that another tab has changed what is kept. */
let otherTab: (cleared?: boolean) => void;
/** Of the page: it says `online`. */
let network: EventTarget;
const conversations: Conversation[] = [];

function converse(patience = 60_000): Conversation {
  const conversation = new Conversation(api, keep, network, 1, patience);
  conversations.push(conversation);
  return conversation;
}

const shown = (conversation: Conversation) =>
  conversation.lines.map(({ mine, text, state }) => `${mine ? 'me' : 'them'}: ${text} (${state})`);

beforeEach(async () => {
  gateway = new Gateway();
  network = new EventTarget();
  api = await gateway.listen();
  const watchers = new Set<(cleared: boolean) => void>();
  otherTab = (cleared = false) => {
    for (const watcher of watchers) watcher(cleared);
  };
  keep = { secret: '', read: 0, unsent: [], watch: (listener) => watchers.add(listener) };
});

afterEach(async () => {
  for (const conversation of conversations.splice(0)) conversation.end();
  gateway.server.closeAllConnections();
  await new Promise((resolve) => gateway.server.close(resolve));
});

test('what the visitor says arrives, and the answer comes by itself', async () => {
  const conversation = converse();
  await conversation.begin();
  expect([conversation.greeting, conversation.title, keep.secret]).toEqual(['Hello', 'Shop', 'clv_1']);
  conversation.say('Is it open?');
  expect(shown(conversation)).toEqual(['me: Is it open? (queued)']);
  await vi.waitFor(() => expect(gateway.listeners.size).toBe(1));
  gateway.say('Until eight');
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: Is it open? (sent)', 'them: Until eight (sent)']));
  expect([keep.unsent, conversation.unread]).toEqual([[], true]);
  conversation.markRead();
  expect([keep.read, conversation.unread]).toEqual([4, false]);
});

test('a message whose answer was lost is sent again as the same message and arrives once', async () => {
  gateway.next.set('messages', ['lose', 503]);
  const conversation = converse();
  conversation.say('one');
  conversation.say('two');
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: one (sent)', 'me: two (sent)']));
  expect(gateway.posts.length).toBe(3);
  expect(new Set(gateway.posts).size).toBe(2);
  expect(gateway.messages.map((message) => message.text)).toEqual(['one', 'two']);
});

test('a message that is refused is shown as failed, holds up no other, and can be tried again', async () => {
  gateway.next.set('messages', [400]);
  const conversation = converse();
  conversation.say('bad');
  conversation.say('good');
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: good (sent)', 'me: bad (failed)']));
  conversation.again(conversation.lines[1]?.id ?? '');
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: good (sent)', 'me: bad (sent)']));
});

test('what was not sent before the page was left is sent by the next page', async () => {
  gateway.next.set('messages', Array(20).fill(503));
  const left = converse();
  left.say('still here');
  await vi.waitFor(() => expect(shown(left)).toEqual(['me: still here (failed)']));
  left.end();
  gateway.next.clear();
  const back = converse();
  back.resume();
  await vi.waitFor(() => expect(shown(back)).toEqual(['me: still here (sent)']));
});

test('whoever comes back sees all that was said, however many pages it has', async () => {
  for (const text of ['1', '2', '3', '4', '5']) gateway.say(text);
  keep.secret = gateway.secret;
  const conversation = converse();
  await conversation.begin();
  await vi.waitFor(() => expect(conversation.lines.map((line) => line.text)).toEqual(['1', '2', '3', '4', '5']));
});

test('a secret that is known no more begins a new visit and loses no message', async () => {
  const conversation = converse();
  await conversation.begin();
  gateway.secret = 'clv_2';
  conversation.say('hello?');
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: hello? (sent)']));
  expect(keep.secret).toBe('clv_2');
});

test('a stream that ends is taken up again, and what came meanwhile is read', async () => {
  const conversation = converse();
  conversation.say('hi');
  await vi.waitFor(() => expect(gateway.listeners.size).toBe(1));
  for (const listener of gateway.listeners) {
    gateway.listeners.delete(listener);
    listener.destroy();
  }
  gateway.say('while you were away');
  await vi.waitFor(() => expect(shown(conversation)).toContain('them: while you were away (sent)'));
});

test('a visitor has one dialog, however many tabs show it, and each of them is told what is said', async () => {
  const [first, second] = [converse(), converse()];
  await first.begin();
  otherTab();
  first.say('hello');
  await vi.waitFor(() => expect(shown(first)).toEqual(['me: hello (sent)']));
  otherTab();
  await vi.waitFor(() => expect(shown(second)).toEqual(['me: hello (sent)']));
  await vi.waitFor(() => expect(gateway.listeners.size).toBe(2));
  gateway.say('good day');
  await vi.waitFor(() => expect(shown(second)).toContain('them: good day (sent)'));
  await vi.waitFor(() => expect(shown(first)).toContain('them: good day (sent)'));
  expect(gateway.visitors).toBe(1);
});

test('the tab that begins later goes on as the visitor whom the faster one has become', async () => {
  const slow = converse();
  const beginning = slow.begin();
  keep.secret = 'clv_1';
  gateway.say('said to the other tab');
  await beginning;
  await vi.waitFor(() => expect(shown(slow)).toEqual(['them: said to the other tab (sent)']));
  expect(keep.secret).toBe('clv_1');
});

test('what could not be sent for long is sent when the network is back, and what was refused is not', async () => {
  const conversation = converse();
  await conversation.begin();
  gateway.next.set('messages', [400, ...Array(8).fill(503)]);
  conversation.say('refused');
  conversation.say('lost');
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: refused (failed)', 'me: lost (failed)']));
  network.dispatchEvent(new Event('online'));
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: lost (sent)', 'me: refused (failed)']));
});

test('a stream that died with the network before is taken up anew over the next one', async () => {
  const conversation = converse();
  conversation.say('hi');
  await vi.waitFor(() => expect(gateway.listeners.size).toBe(1));
  const [dead] = gateway.listeners;
  // Nothing comes over it any more, and neither side knows.
  gateway.listeners.delete(dead as ServerResponse);
  network.dispatchEvent(new Event('online'));
  await vi.waitFor(() => expect(gateway.listeners.size).toBe(1));
  gateway.say('there you are');
  await vi.waitFor(() => expect(shown(conversation)).toContain('them: there you are (sent)'));
});

test('a gateway that does not answer is said to be out of reach until it does', async () => {
  gateway.next.set('visits', [503, 503, 503]);
  const conversation = converse();
  const told: boolean[] = [];
  conversation.changed = () => told.push(conversation.unreachable);
  expect(await conversation.begin()).toBe(true);
  expect([told, conversation.unreachable]).toEqual([[true, false], false]);
});

test('a visitor who was never known is gone on with when they have written something', async () => {
  gateway.next.set('visits', Array(50).fill(503));
  const left = converse();
  left.say('is anybody there?');
  await vi.waitFor(() => expect(left.unreachable).toBe(true));
  left.end();
  expect(keep.secret).toBe('');
  gateway.next.clear();
  const next = converse();
  next.resume();
  await vi.waitFor(() => expect(shown(next)).toEqual(['me: is anybody there? (sent)']));
});

test('a page on which nobody has written or been before sends nothing', async () => {
  const conversation = converse();
  conversation.resume();
  // What it had asked for would have come before this.
  await api.list(gateway.secret, 0);
  expect(gateway.requests).toEqual(['messages:list']);
});

test('a gateway that is back after long is found by itself, and gets what was written', async () => {
  gateway.next.set('visits', Array(30).fill(503));
  const conversation = converse(5);
  conversation.say('hello?');
  await vi.waitFor(() => expect(conversation.unreachable).toBe(true));
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: hello? (sent)']), { timeout: 5_000 });
  expect(conversation.unreachable).toBe(false);
});

test('a message that was not taken for long is tried again by itself, and is failed until it has arrived', async () => {
  const conversation = converse(5);
  await conversation.begin();
  gateway.next.set('messages', Array(12).fill(503));
  let turns = '';
  conversation.changed = () => {
    for (const line of shown(conversation)) if (!turns.endsWith(line)) turns += line;
  };
  conversation.say('hello?');
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: hello? (sent)']));
  expect(turns).toBe('me: hello? (queued)me: hello? (failed)me: hello? (sent)');
});

test('whoever comes back to the page need not wait for the next try', async () => {
  gateway.next.set('messages', Array(8).fill(503));
  const conversation = converse();
  conversation.say('hello?');
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: hello? (failed)']));
  conversation.resume();
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: hello? (sent)']));
});

test('a tab that nobody sees holds no connection, and reads what came meanwhile when it is seen again', async () => {
  const conversation = converse();
  conversation.say('hi');
  await vi.waitFor(() => expect(gateway.listeners.size).toBe(1));
  conversation.pause();
  await vi.waitFor(() => expect(gateway.listeners.size).toBe(0));
  gateway.say('are you there?');
  await api.list(gateway.secret, 0);
  expect([gateway.listeners.size, shown(conversation)]).toEqual([0, ['me: hi (sent)']]);
  conversation.resume();
  await vi.waitFor(() => expect(shown(conversation)).toContain('them: are you there? (sent)'));
  await vi.waitFor(() => expect(gateway.listeners.size).toBe(1));
});

test('a tab that opens out of sight holds no connection', async () => {
  keep.secret = gateway.secret;
  gateway.say('welcome back');
  const conversation = converse();
  conversation.pause();
  await conversation.begin();
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['them: welcome back (sent)']));
  expect(gateway.requests).not.toContain('listen');
});

test('what a tab has written and cannot send is sent by another one', async () => {
  const watching = converse(20);
  await watching.begin();
  const closed = { clientMessageId: 'm1', text: 'from a tab that is closed', name: '', email: '' };
  keep.unsent = [closed];
  otherTab();
  expect(shown(watching)).toEqual(['me: from a tab that is closed (queued)']);
  await vi.waitFor(() => expect(shown(watching)).toEqual(['me: from a tab that is closed (sent)']));
  expect([gateway.posts, keep.unsent]).toEqual([['m1'], []]);
});

test('a visitor keeps their dialog when the site clears all that the browser keeps', async () => {
  const conversation = converse();
  conversation.say('hi');
  await vi.waitFor(() => expect(shown(conversation)).toEqual(['me: hi (sent)']));
  keep.secret = '';
  otherTab(true);
  expect(keep.secret).toBe('clv_1');
  // The page itself does it: no other tab tells.
  keep.secret = '';
  gateway.say('hello');
  await vi.waitFor(() => expect(keep.secret).toBe('clv_1'));
});

test('the widget serves browsers that cannot join signals, and says what it did not expect', async () => {
  vi.stubGlobal('AbortSignal', class {});
  try {
    const conversation = converse();
    conversation.say('hi');
    await vi.waitFor(() => expect(gateway.listeners.size).toBe(1));
    gateway.say('hello');
    await vi.waitFor(() => expect(shown(conversation)).toContain('them: hello (sent)'));
  } finally {
    vi.unstubAllGlobals();
  }
  const told = vi.spyOn(console, 'error').mockReturnValue();
  for (const listener of gateway.listeners) listener.write('data: not what was agreed\n\n');
  await vi.waitFor(() => expect(told).toHaveBeenCalledWith(expect.stringContaining('listen'), expect.any(SyntaxError)));
  told.mockRestore();
});

test('a page that may not have the widget is told so once', async () => {
  const told = vi.spyOn(console, 'error').mockReturnValue();
  gateway.next.set('visits', [403]);
  const conversation = converse();
  expect(await conversation.begin()).toBe(false);
  expect(conversation.refused).toBe('REFUSED');
  expect(told).toHaveBeenCalledOnce();
  told.mockRestore();
});

test('every language says everything, and a page in any other is spoken to in English', () => {
  const keys = Object.keys(textsFor('en')).sort();
  for (const language of LANGUAGES) {
    const texts = textsFor(`${language}-XX`);
    expect(texts.language).toBe(language);
    expect(Object.keys(texts).sort()).toEqual(keys);
    expect(Object.values(texts).every(Boolean)).toBe(true);
  }
  for (const language of ['', 'de', 'zh-Hans']) expect(textsFor(language).language).toBe('en');
});
