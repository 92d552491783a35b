/** A field of a request and what is wrong with it. */
export type FieldError = {
  field: string;
  /** In the server's words. */
  description: string;
  /** Stable UPPER_SNAKE name of what is wrong; empty or absent where it has none. */
  reason?: string;
  /** Facts that belong to the reason. */
  metadata?: Record<string, string>;
};

/** An error as the API tells it (RFC 9457). */
export type Problem = {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  /** Stable UPPER_SNAKE name of what went wrong. */
  reason?: string;
  requestId?: string;
  errors?: FieldError[];
  /** Facts that belong to the reason. */
  metadata?: Record<string, string>;
};

/** The part of an address that names a record: `id`, `customerId`. */
const ID = /^(id|[a-z]+(Id|_id))$/;

/** A request that was refused or could not be made. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** Whether the request was to change something: what was refused then was not done. */
  change = false;

  constructor(
    /** HTTP status; 0 when no answer came. */
    readonly status: number,
    readonly problem: Problem,
    /** Seconds after which it is worth trying again, where the server says so. */
    readonly retryAfter?: number,
  ) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
  }

  /** The record was changed by somebody else since it was read. */
  get isConflict(): boolean {
    return this.problem.reason === 'ETAG_MISMATCH';
  }

  get isUnauthenticated(): boolean {
    return this.status === 401;
  }

  /** Nothing is at the address that was asked for: no such record, or one whose id nothing can have. */
  get isMissing(): boolean {
    const { errors = [] } = this.problem;
    return (
      this.status === 404 || (this.status === 400 && errors.length > 0 && errors.every(({ field }) => ID.test(field)))
    );
  }
}

/** Reads the error out of an answer, whatever its body is: a proxy in between may send HTML. */
export async function errorOf(response: Response): Promise<ApiError> {
  const text = await response.text().catch(() => '');
  return problemOf(response.status, text, response.headers.get('retry-after'));
}

/** The error that an answer tells, by its status, its body and its `Retry-After`. */
export function problemOf(status: number, text: string, retryAfter: string | null): ApiError {
  return new ApiError(status, parseProblem(text, status), secondsOf(retryAfter));
}

function parseProblem(text: string, status: number): Problem {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return { status };
    const problem = value as Problem;
    return Array.isArray(problem.errors) ? problem : { ...problem, errors: [] };
  } catch {
    return { status };
  }
}

/** `Retry-After` in seconds; the header may also hold a date. */
function secondsOf(value: string | null): number | undefined {
  if (!value) return undefined;
  const seconds = /^\d+$/.test(value.trim()) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : undefined;
}

/**
 * The messages of the fields a form has, by the form's own names, and the rest for the form as a whole. They are made where
 * they are shown: the texts may come after the error.
 */
export function fieldErrors(
  problem: Problem,
  /** Path in the API (`customer.phones[0].value`, any prefix left out) to name in the form; undefined where the form has none. */
  nameOf: (path: string) => string | undefined,
  /** What is wrong, in the reader's language. */
  textOf: (error: FieldError) => string,
): { fields: Record<string, string>; rest: string[] } {
  const fields: Record<string, string> = {};
  const rest: string[] = [];
  for (const error of problem.errors ?? []) {
    const name = nameOf(error.field);
    const text = textOf(error);
    if (name === undefined) rest.push(`${error.field}: ${text}`);
    else fields[name] = fields[name] ? `${fields[name]}; ${text}` : text;
  }
  return { fields, rest };
}

/** The path of a field as a form names it: `customer.phones[0].number` within `customer` gives `phones.0.number`. */
export function formPath(path: string, within: string): string {
  return path
    .replace(new RegExp(`^${within}\\.`), '')
    .replace(/\[(\d+)\]/g, '.$1')
    .replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
