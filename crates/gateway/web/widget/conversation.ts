import { type Api, Failure, type VisitorMessage } from './api';
import type { Keep, Unsent } from './storage';

/** What has become of a message of the visitor. */
export type State = 'queued' | 'failed' | 'sent';

/** A message as it is shown. */
export type Line = {
  id: string;
  mine: boolean;
  text: string;
  /** When it was written; absent until it has arrived. */
  at?: Date;
  state: State;
};

const CUSTOMER = 'DIALOG_MESSAGE_KIND_CUSTOMER';
/** How often a message is tried by itself; then the visitor decides. */
const ATTEMPTS = 8;
const LONGEST_PAUSE = 30_000;

/** What is said, kept and sent. It tells of each change through `changed`. */
export class Conversation {
  /** What the widget shows first; empty until the visit has begun. */
  greeting = '';
  /** Name of the channel. */
  title = '';
  /** What keeps the widget from working at all, in the gateway's words. */
  refused = '';
  /** Whether the gateway does not answer at the moment. */
  unreachable = false;
  /** Called after each change. */
  changed: () => void = () => {};

  readonly #api: Api;
  readonly #keep: Keep;
  readonly #network: EventTarget;
  readonly #lines = new Map<number, Line>();
  /** What did not arrive, and whether it may do so later without being changed. */
  readonly #failed = new Map<string, { passing: boolean }>();
  #seen = 0;
  /** The secret with which all that is here was read. */
  #secret = '';
  #dialog = false;
  #beginning: Promise<boolean> | undefined;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #sending = false;
  #listening = false;
  #connection = new AbortController();
  readonly #stop = new AbortController();
  /** The shortest pause before another try, doubled each time. */
  readonly #pause: number;

  /** `network` says `online` when there is one again. */
  constructor(api: Api, keep: Keep, network: EventTarget, pause = 1000) {
    this.#api = api;
    this.#keep = keep;
    this.#network = network;
    this.#pause = pause;
    keep.watch(() => this.#otherTab());
    network.addEventListener('online', () => this.#online(), { signal: this.#stop.signal });
  }

  /** Whether the visitor has been here before. */
  get known(): boolean {
    return this.#keep.secret !== '';
  }

  /** Whether the visitor has written anything yet. */
  get begun(): boolean {
    return this.#lines.size > 0 || this.#keep.unsent.length > 0;
  }

  /** Whether there is an answer that was not shown yet. */
  get unread(): boolean {
    return this.#lastAnswer > this.#keep.read;
  }

  /** All there is has been shown. */
  markRead(): void {
    if (this.unread) this.#keep.read = this.#lastAnswer;
  }

  get #lastAnswer(): number {
    return Math.max(0, ...[...this.#lines].filter(([, line]) => !line.mine).map(([sequence]) => sequence));
  }

  /** The messages in order, those not known to have arrived last. */
  get lines(): Line[] {
    const arrived = [...this.#lines].sort(([a], [b]) => a - b).map(([, line]) => line);
    const there = new Set(arrived.map((line) => line.id));
    const waiting = this.#keep.unsent
      .filter((unsent) => !there.has(unsent.clientMessageId))
      .map<Line>((unsent) => ({
        id: unsent.clientMessageId,
        mine: true,
        text: unsent.text,
        state: this.#failed.has(unsent.clientMessageId) ? 'failed' : 'queued',
      }));
    return [...arrived, ...waiting];
  }

  /** Begins the visit, once; false when it could not be begun now. */
  begin(): Promise<boolean> {
    this.#beginning ??= this.#begin().then((begun) => {
      if (!begun) this.#beginning = undefined;
      return begun;
    });
    return this.#beginning;
  }

  /** Reads what may have been missed, for whoever comes back to the page. */
  refresh(): void {
    if (this.#dialog) void this.#read();
  }

  /** Ends everything, for tests and pages that take the widget away. */
  end(): void {
    this.#stop.abort();
  }

  /** Takes a message to be sent, at once or when that is possible. */
  say(text: string, name = '', email = ''): void {
    this.#keep.unsent = [...this.#keep.unsent, { clientMessageId: uuid(), text, name, email }];
    this.changed();
    void this.#send();
  }

  /** Tries a message that has failed once more: the same message, so it cannot arrive twice. */
  again(id: string): void {
    this.#failed.delete(id);
    this.changed();
    void this.#send();
  }

  async #begin(): Promise<boolean> {
    for (let attempt = 0; ; attempt += 1) {
      try {
        const { secret } = this.#keep;
        const visit = await this.#api.visit(secret);
        // Another tab was faster: all of them are the same visitor.
        if (this.#keep.secret !== secret) continue;
        this.#secret = visit.visitorSecret;
        this.#keep.secret = visit.visitorSecret;
        this.unreachable = false;
        this.greeting = visit.greeting;
        this.title = visit.channelName;
        this.#dialog = visit.dialogId !== '';
        this.changed();
        if (this.#dialog) {
          void this.#read();
          void this.#listen();
        }
        if (this.#keep.unsent.length > 0) void this.#send();
        return true;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (!error.passing) {
          this.refused = error.reason;
          console.error(`clientele: the widget is refused: ${error.reason}`);
          this.changed();
          return false;
        }
        // Whoever has only just lost the connection for a moment need not hear of it.
        if (attempt > 0 && !this.unreachable) {
          this.unreachable = true;
          this.changed();
        }
        if (attempt + 1 >= ATTEMPTS || !(await this.#wait(attempt, error.retryAfter))) return false;
      }
    }
  }

  /** Sends what is waiting, one after the other, in order. */
  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (;;) {
        const next = this.#keep.unsent.find((unsent) => !this.#failed.has(unsent.clientMessageId));
        if (!next) return;
        await this.#deliver(next);
        this.changed();
      }
    } finally {
      this.#sending = false;
    }
  }

  async #deliver(unsent: Unsent): Promise<void> {
    let passing = true;
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      let secret = '';
      try {
        if (!(await this.begin())) break;
        secret = this.#secret;
        const message = await this.#api.post({ visitorSecret: secret, ...unsent });
        this.#keep.unsent = this.#keep.unsent.filter((other) => other.clientMessageId !== unsent.clientMessageId);
        this.#take([message]);
        if (!this.#dialog) {
          this.#dialog = true;
          void this.#listen();
        }
        return;
      } catch (error) {
        if (!(error instanceof Failure)) throw error;
        if (error.status === 401) {
          // The gateway knows the secret no more: begin as somebody new, and send the same message.
          if (this.#keep.secret === secret) {
            this.#keep.secret = '';
            this.#keep.read = 0;
          }
          if (this.#secret === secret) this.#forget();
        } else if (!error.passing) {
          passing = false;
          break;
        }
        if (!(await this.#wait(attempt, error.retryAfter))) break;
      }
    }
    this.#failed.set(unsent.clientMessageId, { passing });
  }

  #forget(): void {
    this.#secret = '';
    this.#beginning = undefined;
    this.#dialog = false;
    this.#lines.clear();
    this.#seen = 0;
    this.#connection.abort();
  }

  /** Another tab has begun, written or read: this one goes along. */
  #otherTab(): void {
    const { secret, unsent } = this.#keep;
    if (secret !== '' && secret !== this.#secret) {
      this.#forget();
      void this.begin();
    } else if (secret !== '' && !this.#dialog && unsent.length === 0) {
      // What the other tab wrote has arrived, so there is a dialog now.
      this.#beginning = undefined;
      void this.begin();
    }
    this.changed();
  }

  /** The network is back: what was open over the one before may be dead without knowing it. */
  #online(): void {
    this.#connection.abort();
    for (const [id, { passing }] of this.#failed) if (passing) this.#failed.delete(id);
    if (this.#keep.unsent.length > 0) void this.#send();
    else if (this.unreachable) void this.begin();
  }

  /** Reads what is new. Asked for again while it reads, it reads once more. */
  async #read(): Promise<void> {
    this.#readAgain = true;
    this.#reading ??= this.#readOn().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOn(): Promise<void> {
    while (this.#readAgain) {
      this.#readAgain = false;
      const secret = this.#secret;
      try {
        const page = await this.#api.list(secret, this.#seen);
        // Meanwhile somebody new has begun: this is not theirs.
        if (secret !== this.#secret) return;
        this.#take(page.messages);
        this.#seen = Math.max(this.#seen, ...page.messages.map((message) => Number(message.sequence)));
        this.#readAgain ||= page.more;
      } catch (error) {
        // The stream, when it is there again, has everything read again.
        if (!(error instanceof Failure)) throw error;
      }
    }
  }

  #take(messages: VisitorMessage[]): void {
    for (const message of messages) {
      const mine = message.kind === CUSTOMER;
      this.#lines.set(Number(message.sequence), {
        id: message.clientMessageId || `sequence ${message.sequence}`,
        mine,
        text: message.text,
        at: new Date(message.createdAt),
        state: 'sent',
      });
      if (mine) {
        this.#keep.unsent = this.#keep.unsent.filter((unsent) => unsent.clientMessageId !== message.clientMessageId);
      }
    }
    this.changed();
  }

  async #listen(): Promise<void> {
    if (this.#listening) return;
    this.#listening = true;
    try {
      for (let attempt = 0; this.#dialog && !this.#stop.signal.aborted; attempt += 1) {
        let pause = 0;
        this.#connection = new AbortController();
        try {
          await this.#api.listen(
            this.#secret,
            (last) => {
              attempt = 0;
              if (last === 0 || last > this.#seen) void this.#read();
            },
            AbortSignal.any([this.#stop.signal, this.#connection.signal]),
          );
        } catch (error) {
          if (error instanceof Failure && !error.passing) return;
          if (error instanceof Failure) pause = error.retryAfter;
        }
        if (!(await this.#wait(attempt, pause))) return;
      }
    } finally {
      this.#listening = false;
    }
  }

  /** Waits before another try; false when there will be none. */
  async #wait(attempt: number, atLeast: number): Promise<boolean> {
    const pause = Math.min(this.#pause * 2 ** attempt, LONGEST_PAUSE) * (0.75 + Math.random() / 2);
    const { signal } = this.#stop;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#network.removeEventListener('online', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(pause, atLeast));
      // Whoever comes back from a tunnel need not wait.
      if (!atLeast) this.#network.addEventListener('online', done);
      signal.addEventListener('abort', done);
    });
    return !signal.aborted;
  }
}

/** A random UUID; pages without HTTPS have no `crypto.randomUUID`. */
function uuid(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  const hex = [...bytes].map((byte, index) => {
    const marked = index === 6 ? (byte & 0x0f) | 0x40 : index === 8 ? (byte & 0x3f) | 0x80 : byte;
    return marked.toString(16).padStart(2, '0');
  });
  return [hex.slice(0, 4), hex.slice(4, 6), hex.slice(6, 8), hex.slice(8, 10), hex.slice(10)]
    .map((part) => part.join(''))
    .join('-');
}
