import { ApiError } from '~/shared/api/problem';
import type { DialogMessage } from '~/shared/api/types';
import type { Kept } from '~/shared/lib/kept';
import { randomUuid } from '~/shared/lib/uuid';

/** A message on its way to the server, or that has not got there. */
export type Pending = {
  /** By it the server knows a repetition: sent again, it is the same message. */
  clientMessageId: string;
  dialogId: string;
  text: string;
  createdAt: string;
  /** Waits for those before it, is on its way, or did not arrive as far as is known. */
  state: 'queued' | 'sending' | 'failed';
  error?: unknown;
};

type Send = (pending: Pending) => Promise<DialogMessage>;
type OnSent = (message: DialogMessage) => void;

/**
 * The messages of one user that are not on the server yet. They are sent one after the other in each dialog, so that they
 * stand in the order in which they were written, and outlive a reload of the page.
 */
export class Outbox {
  readonly #key: string;
  readonly #kept: Pick<Kept, 'read' | 'write'>;
  readonly #send: Send;
  readonly #listeners = new Set<() => void>();
  readonly #onSent = new Map<string, OnSent>();
  readonly #busy = new Set<string>();
  #all: readonly Pending[];
  #byDialog = new Map<string, readonly Pending[]>();
  #over = false;

  constructor(userId: string, kept: Pick<Kept, 'read' | 'write'>, send: Send) {
    // Beside the drafts, and forgotten with them when the user signs out.
    this.#key = `clientele.draft.${userId}.outbox`;
    this.#kept = kept;
    this.#send = send;
    // What was on its way when the page was left may or may not have arrived; sending it again does no harm.
    this.#all = stored(kept.read(this.#key)).map((pending) => ({ ...pending, state: 'failed' }));
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** The messages of a dialog that are not sent, in order; the same list as long as nothing changes. */
  of(dialogId: string): readonly Pending[] {
    const known = this.#byDialog.get(dialogId);
    if (known) return known;
    const list = this.#all.filter((pending) => pending.dialogId === dialogId);
    this.#byDialog.set(dialogId, list);
    return list;
  }

  add(dialogId: string, text: string, onSent: OnSent): void {
    const clientMessageId = randomUuid();
    const createdAt = new Date().toISOString();
    this.#onSent.set(clientMessageId, onSent);
    this.#put([...this.#all, { clientMessageId, dialogId, text, createdAt, state: 'queued' }]);
    void this.#pump(dialogId);
  }

  retry(pending: Pending, onSent: OnSent): void {
    this.#onSent.set(pending.clientMessageId, onSent);
    this.#set(pending.clientMessageId, { state: 'queued', error: undefined });
    void this.#pump(pending.dialogId);
  }

  discard(clientMessageId: string): void {
    this.#onSent.delete(clientMessageId);
    this.#put(this.#all.filter((pending) => pending.clientMessageId !== clientMessageId));
  }

  /** Forgets what has turned out to be on the server: the answer to it was lost. */
  arrived(messages: readonly DialogMessage[]): void {
    const ids = new Set(messages.map(({ clientMessageId }) => clientMessageId).filter(Boolean));
    if (this.#all.some(({ clientMessageId, state }) => state !== 'sending' && ids.has(clientMessageId))) {
      this.#put(this.#all.filter(({ clientMessageId, state }) => state === 'sending' || !ids.has(clientMessageId)));
    }
  }

  /** The user has signed out: nothing of theirs is kept, shown or sent any more, whatever is still on its way. */
  end(): void {
    this.#put([]);
    this.#onSent.clear();
    this.#over = true;
  }

  async #pump(dialogId: string): Promise<void> {
    if (this.#busy.has(dialogId)) return;
    this.#busy.add(dialogId);
    try {
      for (;;) {
        const next = this.of(dialogId).find(({ state }) => state === 'queued');
        if (!next) return;
        const { clientMessageId } = next;
        this.#set(clientMessageId, { state: 'sending' });
        try {
          const message = await this.#send(next);
          const tell = this.#onSent.get(clientMessageId);
          // The message is shown as sent before it leaves the outbox: it must not be gone for a moment.
          tell?.(message);
          this.discard(clientMessageId);
        } catch (error) {
          this.#set(clientMessageId, { state: 'failed', error });
          // Without a connection or a session, those behind would fail as well.
          if (error instanceof ApiError && (error.status === 0 || error.isUnauthenticated))
            this.#failQueued(dialogId, error);
        }
      }
    } finally {
      this.#busy.delete(dialogId);
    }
  }

  #failQueued(dialogId: string, error: unknown): void {
    this.#put(
      this.#all.map((pending) =>
        pending.dialogId === dialogId && pending.state === 'queued' ? { ...pending, state: 'failed', error } : pending,
      ),
    );
  }

  #set(clientMessageId: string, part: Partial<Pending>): void {
    this.#put(
      this.#all.map((pending) => (pending.clientMessageId === clientMessageId ? { ...pending, ...part } : pending)),
    );
  }

  #put(all: readonly Pending[]): void {
    if (this.#over) return;
    this.#all = all;
    this.#byDialog = new Map();
    this.#kept.write(this.#key, all.length === 0 ? '' : JSON.stringify(all.map(({ error: _, ...kept }) => kept)));
    for (const listener of this.#listeners) listener();
  }
}

function stored(text: string): Pending[] {
  try {
    const value: unknown = JSON.parse(text || '[]');
    if (!Array.isArray(value)) return [];
    return value.filter(
      (one): one is Pending =>
        typeof one?.clientMessageId === 'string' && typeof one?.dialogId === 'string' && typeof one?.text === 'string',
    );
  } catch {
    return [];
  }
}
