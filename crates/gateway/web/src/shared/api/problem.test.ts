import { describe, expect, it } from 'vitest';
import { ApiError, errorOf, fieldErrors, formPath, type Problem } from './problem';

const answer = (body: string, status: number, headers: Record<string, string> = {}) =>
  new Response(body, { status, headers });

describe('an error of the API', () => {
  it('is of a record that is missing where there is none, or none can have such an id', () => {
    const refused = (...fields: string[]) =>
      new ApiError(400, { errors: fields.map((field) => ({ field, description: 'is no id' })) }).isMissing;
    expect(new ApiError(404, {}).isMissing).toBe(true);
    expect(refused('id')).toBe(true);
    expect(refused('customerId')).toBe(true);
    expect(refused('customerId', 'customer.name')).toBe(false);
    expect(refused('pageSize')).toBe(false);
    expect(new ApiError(400, {}).isMissing).toBe(false);
    expect(new ApiError(503, {}).isMissing).toBe(false);
  });

  it('carries status, reason and fields of the problem', async () => {
    const body = JSON.stringify({
      title: 'invalid',
      reason: 'INVALID_ARGUMENT',
      errors: [{ field: 'customer.name', description: 'is empty' }],
    });
    const error = await errorOf(answer(body, 400));
    expect(error.status).toBe(400);
    expect(error.problem.reason).toBe('INVALID_ARGUMENT');
    expect(error.problem.errors).toEqual([{ field: 'customer.name', description: 'is empty' }]);
  });

  it('survives a body that is not a problem at all', async () => {
    expect((await errorOf(answer('<html>bad gateway</html>', 502))).status).toBe(502);
    expect((await errorOf(answer('null', 500))).message).toBe('HTTP 500');
    expect((await errorOf(answer('{"errors":"what"}', 400))).problem.errors).toEqual([]);
  });

  it('reads when to try again from seconds and from a date', async () => {
    expect((await errorOf(answer('{}', 429, { 'retry-after': '17' }))).retryAfter).toBe(17);
    const date = new Date(Date.now() + 30_000).toUTCString();
    const { retryAfter } = await errorOf(answer('{}', 503, { 'retry-after': date }));
    expect(retryAfter).toBeGreaterThan(27);
    expect(retryAfter).toBeLessThanOrEqual(30);
    expect((await errorOf(answer('{}', 503, { 'retry-after': 'soon' }))).retryAfter).toBeUndefined();
  });

  it('tells a conflict of versions from a name that is taken', () => {
    expect(new ApiError(409, { reason: 'ETAG_MISMATCH' }).isConflict).toBe(true);
    expect(new ApiError(409, { reason: 'REFERENCE_TAKEN' }).isConflict).toBe(false);
    expect(new ApiError(409, {}).isConflict).toBe(false);
  });
});

describe('errors of fields', () => {
  it('go to the fields the form has, the rest is kept for the form', () => {
    const problem = {
      errors: [
        { field: 'customer.phones[1].value', description: 'is not a phone number' },
        { field: 'customer.phones[1].value', description: 'is too long' },
        { field: 'customer.owner', description: 'is unknown' },
      ],
    };
    const nameOf = (path: string) => (path.startsWith('customer.phones[1]') ? 'phones.1' : undefined);
    expect(fieldErrors(problem, nameOf, ({ description }) => description)).toEqual({
      fields: { 'phones.1': 'is not a phone number; is too long' },
      rest: ['customer.owner: is unknown'],
    });
  });
  it('are said in the words that are asked for', () => {
    const problem: Problem = {
      errors: [
        {
          field: 'customer.emails[0].address',
          description: 'no address',
          reason: 'EMAIL_INVALID',
          metadata: { value: 'x' },
        },
        { field: 'customer.owner', description: 'is unknown', reason: '', metadata: {} },
      ],
    };
    const said = fieldErrors(
      problem,
      (path) => (path.includes('emails') ? 'email' : undefined),
      ({ reason, metadata, description }) => (reason ? `${reason} ${metadata?.value}` : description),
    );
    expect(said).toEqual({ fields: { email: 'EMAIL_INVALID x' }, rest: ['customer.owner: is unknown'] });
  });
  it('are none where the problem names none', () => {
    expect(fieldErrors({}, () => undefined, String)).toEqual({ fields: {}, rest: [] });
  });
});

it('the path of a field becomes the name it has in a form', () => {
  expect(formPath('customer.phones[12].number', 'customer')).toBe('phones.12.number');
  expect(formPath('customer.display_name', 'customer')).toBe('displayName');
  expect(formPath('display_name', 'customer')).toBe('displayName');
});
