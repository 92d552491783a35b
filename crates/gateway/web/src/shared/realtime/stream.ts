import { EventParser } from './sse';
import type { LiveChange } from './wishes';

/** What a stream tells of: a change, or that changes may have been missed. */
export type StreamMessage = { id: string | undefined; change: LiveChange | undefined };

type Options = {
  onMessage: (message: StreamMessage) => void;
  onState: (state: 'live' | 'reconnecting') => void;
  /** How far the stream is, when nothing else is to be told. */
  onPlace: (id: string) => void;
  /** The session is over; the stream waits for `resume`. */
  onSignedOut: () => void;
  /** The last id that is known already, from a stream before this one. */
  lastId?: string | undefined;
};

/** The gateway says something at least every 15 seconds: after this silence the connection is taken as dead. */
const SILENCE_MS = 45_000;
const CONNECT_MS = 15_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
/** The gateway takes no more topics; the newest wishes come first, what is left out is read again on looking at it. */
export const MAX_TOPICS = 50;

/** A connection to the live stream that is made again whenever it breaks, and goes on where it ended. */
export class LiveStream {
  readonly #options: Options;
  #wanted: string[] = [];
  #lastId: string | undefined;
  /** From where new topics must be told: whoever wants them may have read before a later place was heard of. */
  #since: { id: string | undefined } | undefined;
  #connection: AbortController | undefined;
  #covered: ReadonlySet<string> = new Set();
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #paused = false;
  #stopped = false;

  constructor(options: Options) {
    this.#options = options;
    this.#lastId = options.lastId;
    globalThis.addEventListener?.('online', this.#online);
    globalThis.addEventListener?.('offline', this.#offline);
  }

  /** What to follow. A stream that covers it already is left alone. */
  setTopics(topics: string[]): void {
    this.#wanted = topics.slice(0, MAX_TOPICS);
    if (this.#stopped || this.#paused) return;
    if (this.#wanted.length === 0 || this.#wanted.every((topic) => this.#covered.has(topic))) return;
    this.#covered = new Set(this.#wanted);
    this.#since ??= { id: this.#lastId };
    // Components come and go together: one new connection for all of them.
    this.#schedule(30);
  }

  /** Goes on after somebody has signed in again. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#schedule(0);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#connection?.abort();
    globalThis.removeEventListener?.('online', this.#online);
    globalThis.removeEventListener?.('offline', this.#offline);
  }

  readonly #online = () => {
    if (this.#failures > 0 && !this.#paused && !this.#stopped) this.#schedule(0);
  };

  /** The browser knows at once what silence would tell only much later. */
  readonly #offline = () => this.#connection?.abort();

  #schedule(delay: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#connect(), delay);
  }

  async #connect(): Promise<void> {
    // What comes between the end of the one before and the beginning of this one follows by the last id.
    this.#connection?.abort();
    if (this.#stopped || this.#paused || this.#wanted.length === 0) return;
    const connection = new AbortController();
    this.#connection = connection;
    const topics = [...this.#wanted];
    const from = this.#since ? this.#since.id : this.#lastId;
    this.#covered = new Set(topics);
    let watchdog = setTimeout(() => connection.abort(), CONNECT_MS);
    try {
      const query = new URLSearchParams(topics.map((topic) => ['topics', topic]));
      const response = await fetch(`/v1/stream?${query}`, {
        headers: { Accept: 'text/event-stream', ...(from && { 'Last-Event-ID': from }) },
        cache: 'no-store',
        signal: connection.signal,
      });
      if (response.status === 401) {
        this.#paused = true;
        this.#options.onState('reconnecting');
        this.#options.onSignedOut();
        return;
      }
      if (!response.ok || !response.body) throw new Error(`the stream answered ${response.status}`);
      this.#options.onState('live');
      this.#since = undefined;
      // Without a place to go on from, what was read before this moment may be old.
      if (from === undefined) this.#options.onMessage({ id: undefined, change: undefined });
      const parser = new EventParser();
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        clearTimeout(watchdog);
        watchdog = setTimeout(() => connection.abort(), SILENCE_MS);
        const { done, value } = await reader.read();
        if (done) throw new Error('the stream has ended');
        this.#failures = 0;
        for (const event of parser.push(value)) this.#take(event);
      }
    } catch {
      // Another connection has taken over, or nobody listens any more.
      if (this.#connection !== connection || this.#stopped || this.#paused) return;
      this.#options.onState('reconnecting');
      const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#failures);
      this.#failures += 1;
      // Spread, so that not everybody comes back at the same moment after a restart.
      this.#schedule(wait * (0.5 + Math.random() / 2));
    } finally {
      clearTimeout(watchdog);
    }
  }

  #take({ id, data }: { id: string | undefined; data: string }): void {
    if (id) this.#lastId = id;
    if (data === '') {
      if (id) this.#options.onPlace(id);
      return;
    }
    const message = parse(data);
    // What cannot be understood is a change all the same.
    this.#options.onMessage({ id, change: message?.change });
  }
}

function parse(data: string): { change?: LiveChange } | undefined {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value !== 'object' || value === null || !('change' in value)) return undefined;
    const { change } = value as { change: Partial<LiveChange> };
    if (!Array.isArray(change?.topics)) return undefined;
    return {
      change: {
        topics: change.topics,
        context: change.context ?? '',
        aggregateType: change.aggregateType ?? '',
        aggregateId: change.aggregateId ?? '',
        version: change.version ?? '0',
        customerId: change.customerId ?? '',
      },
    };
  } catch {
    return undefined;
  }
}
