import { following } from '../src/shared/lib/abort';
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
/** How often something is tried in short intervals. */
const ATTEMPTS = 8;
const LONGEST_PAUSE = 30_000;
/** What did not arrive after many tries is tried so often for ever: the gateway may be back at any time. */
const PATIENCE = 60_000;

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
  readonly #lines = new Map<number, Line>();
  /** What did not arrive; whether it may do so later without being changed, and whether it is to be tried again now. */
  readonly #failed = new Map<string, { passing: boolean; due: boolean }>();
  #seen = 0;
  /** The secret with which all that is here was read. */
  #secret = '';
  #dialog = false;
  #beginning: Promise<boolean> | undefined;
  #reading: Promise<void> | undefined;
  #readAgain = false;
  #sending = false;
  #listening = false;
  /** Whether nobody sees the page. */
  #paused = false;
  #later: ReturnType<typeof setTimeout> | undefined;
  /** Those who wait for the next try. */
  readonly #waiting = new Set<() => void>();
  #connection = new AbortController();
  readonly #stop = new AbortController();
  /** The shortest pause before another try, doubled each time. */
  readonly #pause: number;
  /** The pause between tries when many have failed, and how long another tab is trusted to send what it has taken. */
  readonly #patience: number;

  /** `network` says `online` when there is one again. */
  constructor(api: Api, keep: Keep, network: EventTarget, pause = 1000, patience = PATIENCE) {
    this.#api = api;
    this.#keep = keep;
    this.#pause = pause;
    this.#patience = patience;
    keep.watch((cleared) => this.#otherTab(cleared));
    network.addEventListener('online', () => this.#online(), { signal: this.#stop.signal });
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

  /**
   * Somebody sees the page, for the first time or again. Whoever has been here before, or has written something that was
   * never sent, is gone on with; of others nothing is sent before they open the widget.
   */
  resume(): void {
    this.#paused = false;
    if (this.refused) return;
    this.#tryAgain();
    if (this.#keep.secret !== '' || this.#keep.unsent.length > 0) void this.begin();
    if (!this.#dialog) return;
    void this.#read();
    void this.#listen();
  }

  /** Nobody sees the page: a browser opens few connections to one address, which tabs in sight need. */
  pause(): void {
    this.#paused = true;
    this.#connection.abort();
  }

  /** Ends everything, for tests and pages that take the widget away. */
  end(): void {
    this.#stop.abort();
    clearTimeout(this.#later);
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
        if (!(await this.#wait(attempt, error.retryAfter))) return false;
      }
    }
  }

  /** Sends what is waiting, one after the other, in order. */
  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (;;) {
        const next = this.#keep.unsent.find(({ clientMessageId }) => this.#failed.get(clientMessageId)?.due ?? true);
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
    // What has failed often is tried once at a time, and is shown as failed until it has arrived.
    const attempts = this.#failed.has(unsent.clientMessageId) ? 1 : ATTEMPTS;
    for (let attempt = 0; attempt < attempts; attempt += 1) {
      let secret = '';
      try {
        if (!(await this.begin())) {
          passing = this.refused === '';
          break;
        }
        secret = this.#secret;
        const message = await this.#api.post({ visitorSecret: secret, ...unsent });
        this.#failed.delete(unsent.clientMessageId);
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
        if (attempt + 1 < attempts && !(await this.#wait(attempt, error.retryAfter))) break;
      }
    }
    this.#failed.set(unsent.clientMessageId, { passing, due: false });
    if (passing) this.#tryLater();
  }

  /** Tries again what did not arrive, in a while. */
  #tryLater(): void {
    clearTimeout(this.#later);
    if (!this.#stop.signal.aborted) this.#later = setTimeout(() => this.#tryAgain(), this.#patience);
  }

  /** Tries again at once whatever waits for a better time. */
  #tryAgain(): void {
    clearTimeout(this.#later);
    for (const goOn of [...this.#waiting]) goOn();
    for (const failed of this.#failed.values()) failed.due = failed.passing;
    if (this.#keep.unsent.length > 0) void this.#send();
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
  #otherTab(cleared: boolean): void {
    if (cleared) this.#remember();
    const { secret, unsent } = this.#keep;
    // It sends what it has written, unless it is closed or cannot: sent twice, it is the same message.
    if (unsent.length > 0) this.#tryLater();
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
    this.#tryAgain();
    this.changed();
  }

  /** What the browser keeps was cleared: with the secret the visitor finds their dialog on the next page. */
  #remember(): void {
    if (this.#secret !== '' && this.#keep.secret === '') this.#keep.secret = this.#secret;
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
    this.#remember();
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
      for (let attempt = 0; this.#dialog && !this.#paused && !this.#stop.signal.aborted; attempt += 1) {
        let pause = 0;
        this.#connection = new AbortController();
        const { signal, release } = following([this.#stop.signal, this.#connection.signal]);
        try {
          await this.#api.listen(
            this.#secret,
            (last) => {
              attempt = 0;
              if (last === 0 || last > this.#seen) void this.#read();
            },
            signal,
          );
        } catch (error) {
          if (error instanceof Failure && !error.passing) return;
          if (error instanceof Failure) pause = error.retryAfter;
          else console.error('clientele: the widget cannot listen:', error);
        } finally {
          release();
        }
        if (!(await this.#wait(attempt, pause))) return;
      }
    } finally {
      this.#listening = false;
    }
  }

  /** Waits before another try; false when there will be none. */
  async #wait(attempt: number, atLeast: number): Promise<boolean> {
    const longest = attempt < ATTEMPTS ? LONGEST_PAUSE : this.#patience;
    const pause = Math.min(this.#pause * 2 ** attempt, longest) * (0.75 + Math.random() / 2);
    const { signal } = this.#stop;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(pause, atLeast));
      // Whoever comes back from a tunnel need not wait.
      if (!atLeast) this.#waiting.add(done);
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
