import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LiveStream } from './stream';

type Call = { topics: string[]; lastId: string | null; send: (text: string) => void; end: () => void };

const calls: Call[] = [];
let status = 200;
let stream: LiveStream | undefined;
const onMessage = vi.fn();
const onState = vi.fn();
const onPlace = vi.fn();
const onSignedOut = vi.fn();

beforeEach(() => {
  calls.length = 0;
  status = 200;
  for (const mock of [onMessage, onState, onPlace, onSignedOut]) mock.mockReset();
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    const encoder = new TextEncoder();
    let control: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        control = controller;
      },
    });
    init.signal?.addEventListener('abort', () => control?.error(new DOMException('aborted', 'AbortError')));
    calls.push({
      topics: new URL(url, 'http://here').searchParams.getAll('topics'),
      lastId: new Headers(init.headers).get('Last-Event-ID'),
      send: (text) => control?.enqueue(encoder.encode(text)),
      end: () => control?.close(),
    });
    return { status, ok: status === 200, body } as Response;
  });
});
afterEach(() => {
  stream?.stop();
  vi.unstubAllGlobals();
});

const open = (topics: string[]) => {
  stream = new LiveStream({ onMessage, onState, onPlace, onSignedOut });
  stream.setTopics(topics);
};
const call = async (index: number) => {
  await vi.waitFor(() => expect(calls.length).toBeGreaterThan(index), { timeout: 3_000 });
  const found = calls[index];
  if (!found) throw new Error('no such call');
  return found;
};
const change = {
  topics: ['me'],
  context: 'messaging',
  aggregateType: 'n',
  aggregateId: 'n1',
  version: '1',
  customerId: '',
};

it('the first connection says that what was read before it may be old', async () => {
  open(['me']);
  const first = await call(0);
  await vi.waitFor(() => expect(onMessage).toHaveBeenCalledWith({ id: undefined, change: undefined }));
  expect(first.topics).toEqual(['me']);
  expect(first.lastId).toBeNull();
});

it('a connection that breaks goes on from the last id', async () => {
  open(['me']);
  const first = await call(0);
  first.send(`id: 1-4\n\nid: 1-5\ndata: ${JSON.stringify({ change })}\n\n`);
  await vi.waitFor(() => expect(onMessage).toHaveBeenCalledWith({ id: '1-5', change }));
  expect(onPlace).toHaveBeenCalledWith('1-4');
  onMessage.mockClear();
  first.end();
  const second = await call(1);
  expect(second.lastId).toBe('1-5');
  expect(onState.mock.calls.flat()).toEqual(['live', 'reconnecting', 'live']);
  expect(onMessage).not.toHaveBeenCalled();
});

it('new topics are told from the place that was known when they were asked for', async () => {
  open(['me']);
  const first = await call(0);
  first.send('id: 1-4\n\n');
  await vi.waitFor(() => expect(onPlace).toHaveBeenCalledWith('1-4'));
  stream?.setTopics(['me', 'customer/7']);
  first.send('id: 1-9\n\n');
  await vi.waitFor(() => expect(onPlace).toHaveBeenCalledWith('1-9'));
  const second = await call(1);
  expect(second.topics).toEqual(['me', 'customer/7']);
  expect(second.lastId).toBe('1-4');
  expect(onState).not.toHaveBeenCalledWith('reconnecting');
});

it('topics that are covered already need no new connection', async () => {
  open(['me', 'customers']);
  await call(0);
  stream?.setTopics(['customers']);
  stream?.setTopics(['me']);
  stream?.setTopics(['segments']);
  // The next connection is the one for the topic that was not covered.
  expect((await call(1)).topics).toEqual(['segments']);
});

it('an ended session is told once, and the stream waits until somebody has signed in again', async () => {
  status = 401;
  open(['me']);
  await call(0);
  await vi.waitFor(() => expect(onSignedOut).toHaveBeenCalledTimes(1));
  status = 200;
  stream?.resume();
  await call(1);
  await vi.waitFor(() => expect(onState).toHaveBeenLastCalledWith('live'));
});

it('a reset, and what cannot be understood, mean that all is read again', async () => {
  open(['me']);
  const first = await call(0);
  onMessage.mockClear();
  first.send('id: 1-1\ndata: {"reset":{}}\n\nid: 1-2\ndata: {"change":\n\n');
  await vi.waitFor(() =>
    expect(onMessage.mock.calls.flat()).toEqual([
      { id: '1-1', change: undefined },
      { id: '1-2', change: undefined },
    ]),
  );
});
