import createClient, { type Middleware } from 'openapi-fetch';
import { following } from '~/shared/lib/abort';
import { ApiError, errorOf } from './problem';
import type { paths } from './schema';

/** No request waits longer: a server that hangs is told apart from one that is slow. */
const DEADLINE_MS = 20_000;
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

let csrfToken: string | undefined;
let signInAgain: () => Promise<void> = () => Promise.resolve();

/** The token of the session, sent with every request that changes something. */
export function setCsrfToken(token: string | undefined): void {
  csrfToken = token;
}

/** How to get a session again when it turns out to be over; resolves when there is one. */
export function onSignedOut(handler: () => Promise<void>): void {
  signInAgain = handler;
}

/** What a request that changes something carries besides its body, for those that do not go through `api`. */
export function requestHeaders(): Record<string, string> {
  return csrfToken ? { 'X-CSRF-Token': csrfToken } : {};
}

/** Says that the session is over, for requests that do not go through `api`. */
export function sessionEnded(): void {
  // Without a token nobody was signed in: then a 401 is an answer, not an end.
  if (csrfToken) void signInAgain();
}

/** A key under which a repeated request has its effect once (32 hexadecimal digits). */
export function idempotencyKey(): string {
  // crypto.randomUUID exists on secure origins only; the client is also served over plain HTTP inside a network.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const middleware: Middleware = {
  onRequest({ request }) {
    if (!SAFE.has(request.method) && csrfToken) request.headers.set('X-CSRF-Token', csrfToken);
    return request;
  },
  async onResponse({ request, response, schemaPath }) {
    if (response.ok) return response;
    const error = await errorOf(response);
    error.change = !SAFE.has(request.method);
    if (!error.isUnauthenticated || !csrfToken) throw error;
    if (schemaPath === '/v1/session') {
      // Signing in with a wrong password is an answer; a session that cannot be read any more has ended.
      if (request.method === 'GET') sessionEnded();
      throw error;
    }
    if (!SAFE.has(request.method)) {
      // What changes something is never repeated by itself: whoever asked for it asks again, with all input in place.
      sessionEnded();
      throw error;
    }
    await Promise.race([signInAgain(), abortOf(request.signal)]);
    const again = await fetchWithDeadline(new Request(request));
    if (!again.ok) throw await errorOf(again);
    return again;
  },
};

function abortOf(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

async function fetchWithDeadline(request: Request): Promise<Response> {
  // The body is read under the same signal, so it is not let go of when the answer begins.
  const { signal } = following([request.signal], DEADLINE_MS);
  try {
    return await fetch(request, { signal });
  } catch (cause) {
    // A request that the client itself gave up is no failure to tell of.
    if (request.signal.aborted) throw cause;
    throw new ApiError(0, { detail: cause instanceof Error ? cause.message : String(cause) });
  }
}

/** The API, typed by the OpenAPI document. A refused request throws an `ApiError`. */
export const api = createClient<paths>({ baseUrl: globalThis.location?.origin ?? '', fetch: fetchWithDeadline });
api.use(middleware);

/** The body of an answer; one that should have a body and has none is an error of the server. */
export async function body<T>(answer: Promise<{ data?: T }>): Promise<T> {
  const { data } = await answer;
  if (data === undefined) throw new ApiError(0, { detail: 'the answer has no body' });
  return data;
}
