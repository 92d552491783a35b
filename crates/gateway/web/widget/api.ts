import type { components } from '../src/shared/api/schema';
import { following } from '../src/shared/lib/abort';

type Schemas = components['schemas'];
export type Visit = Schemas['Visit'];
export type VisitorMessage = Schemas['VisitorMessage'];
export type Page = Schemas['ListVisitorMessagesResponse'];

/** A request that got no answer, or a refusal. */
export class Failure extends Error {
  constructor(
    /** The HTTP status; 0 when there was no answer. */
    readonly status: number,
    readonly reason: string,
    /** Milliseconds to wait, where the gateway says so. */
    readonly retryAfter = 0,
  ) {
    super(reason || 'no answer');
  }

  /** Whether the same request may succeed later. */
  get passing(): boolean {
    return this.status === 0 || this.status === 408 || this.status === 429 || this.status >= 500;
  }
}

/** No answer takes longer, unless it never comes. */
const PATIENCE = 15_000;
/** The gateway says something at least every 15 seconds. */
const SILENCE = 50_000;

/** What the widget asks of the gateway. */
export class Api {
  readonly #base: string;

  constructor(origin: string, site: string) {
    this.#base = `${origin}/v1/widget/${encodeURIComponent(site)}`;
  }

  visit(visitorSecret: string): Promise<Visit> {
    return this.#ask('visits', { visitorSecret });
  }

  post(message: Schemas['PostVisitorMessageRequest']): Promise<VisitorMessage> {
    return this.#ask('messages', message);
  }

  list(visitorSecret: string, after: number): Promise<Page> {
    return this.#ask('messages:list', { visitorSecret, after: String(after), pageSize: 200 });
  }

  /**
   * Follows the dialog until the stream ends or falls silent. Each news is the number of the last message, 0 when that
   * cannot be told.
   */
  async listen(visitorSecret: string, news: (last: number) => void, stop: AbortSignal): Promise<void> {
    const silence = new AbortController();
    const { signal, release } = following([stop, silence.signal]);
    let timer = setTimeout(() => silence.abort(), SILENCE);
    try {
      const response = await this.#send('listen', { visitorSecret }, signal);
      if (!response.body) return;
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      for (;;) {
        // A connection that breaks, or is given up, is nothing to wonder at; whatever else goes wrong is.
        const { done, value } = await reader.read().catch(() => {
          throw new Failure(0, '');
        });
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE);
        const blocks = (text + value).split('\n\n');
        text = blocks.pop() ?? '';
        for (const line of blocks.flatMap((block) => block.split('\n'))) {
          if (line.startsWith('data:')) news(Number(JSON.parse(line.slice(5)).lastSequence));
        }
      }
    } finally {
      clearTimeout(timer);
      release();
    }
  }

  async #ask<T>(path: string, body: object): Promise<T> {
    const { signal, release } = following([], PATIENCE);
    try {
      const response = await this.#send(path, body, signal);
      return (await response.json()) as T;
    } catch (error) {
      throw error instanceof Failure ? error : new Failure(0, '');
    } finally {
      release();
    }
  }

  async #send(path: string, body: object, signal: AbortSignal): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${this.#base}/${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        signal,
      });
    } catch {
      throw new Failure(0, '');
    }
    if (response.ok) return response;
    const problem: { reason?: string } = await response.json().catch(() => ({}));
    throw new Failure(response.status, problem.reason ?? '', Number(response.headers.get('Retry-After') ?? 0) * 1000);
  }
}
