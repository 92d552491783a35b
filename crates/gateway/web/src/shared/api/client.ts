import createClient, { type Middleware } from 'openapi-fetch';
import { ApiError, errorOf } from './problem';
import type { paths } from './schema';

/** No request waits longer: a server that hangs is told apart from one that is slow. */
const DEADLINE_MS = 20_000;
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

let csrfToken: string | undefined;
let signedOut: () => void = () => undefined;

/** The token of the session, sent with every request that changes something. */
export function setCsrfToken(token: string | undefined): void {
  csrfToken = token;
}

/** What to do when the session turns out to be over. */
export function onSignedOut(handler: () => void): void {
  signedOut = handler;
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
  async onResponse({ response, schemaPath }) {
    if (response.ok) return response;
    const error = await errorOf(response);
    // On the session itself a 401 is an answer ("nobody", "wrong password"), elsewhere it means that the session ended.
    if (error.isUnauthenticated && schemaPath !== '/v1/session') signedOut();
    throw error;
  },
};

async function fetchWithDeadline(request: Request): Promise<Response> {
  try {
    return await fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(DEADLINE_MS)]) });
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
