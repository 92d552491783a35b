import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import imports from '~/locales/en/imports.json';
import mail from '~/locales/en/mail.json';
import problems from '~/locales/en/problems.json';
import violations from '~/locales/en/violations.json';
import { filled } from './reasons';

/** The services whose answers reach a browser. */
const CRATES = [
  'analytics',
  'campaigns',
  'customers',
  'gateway',
  'identity',
  'kernel',
  'messaging',
  'orders',
  'platform',
  'tabular',
];

/** What is written like a reason and is none, or none that a page of the client can meet. */
const NOT_SHOWN: Record<string, readonly string[]> = {
  'the status of the answer says the same, in words': [
    ...['ALREADY_EXISTS', 'DATA_LOSS', 'DEADLINE_EXCEEDED', 'FAILED_PRECONDITION', 'INVALID_ARGUMENT', 'NOT_FOUND'],
    ...[
      'OUT_OF_RANGE',
      'PERMISSION_DENIED',
      'RATE_LIMITED',
      'RESOURCE_EXHAUSTED',
      'SIGN_IN_THROTTLED',
      'TOKEN_EXPIRED',
    ],
  ],
  'of fields, each of which has a reason of its own': ['INVALID_FIELD', 'INVALID_TEXT'],
  'the client itself would be broken': [
    'INVALID_HEADER',
    'INVALID_JSON',
    'METHOD_NOT_ALLOWED',
    'NOT_JSON',
    'NO_SUCH_PATH',
    'BODY_MISSING',
    'MALFORMED_MESSAGE',
    'MESSAGE_TOO_LARGE',
  ],
  'between services and the bus': [
    ...['BUS_REFUSED', 'BUS_SETTINGS', 'BUS_TLS', 'BUS_TOO_OLD', 'BUS_UNAVAILABLE', 'CLAIM_ENDED', 'JOURNAL_RESTORED'],
  ],
  'of calls that only other systems make': [
    ...['CONCURRENT_BATCH', 'NOT_A_USER', 'ORDER_REFERENCE_TAKEN', 'PAYMENT_REFERENCE_TAKEN', 'PROOF_REFUSED'],
    ...['NOT_HELD', 'ROTATION_UNDER_WAY', 'TOO_MANY_LINES', 'TOO_MANY_PAYMENTS'],
  ],
  'for visitors of a site': ['NO_DIALOG', 'TOO_MANY_MESSAGES', 'TOO_MANY_VISITS', 'VISITOR_UNKNOWN'],
  'a fault of ours that the status tells': ['FILE_UNREADABLE', 'MASTER_KEY_UNKNOWN'],
  'operators of rules': [
    'AT_LEAST',
    'AT_MOST',
    'IS_ABSENT',
    'IS_PRESENT',
    'LESS_DAYS_AGO',
    'MORE_DAYS_AGO',
    'NOT_EQUAL',
  ],
  'the environment of the build and the process': [
    ...['API_KEY', 'CARGO_PKG_VERSION', 'CLIENTELE_CONFIG', 'CLIENTELE_TEST_CLOCK', 'DATA_DIR', 'NATS_SERVER'],
    ...['POSTGRES_BIN', 'WAL_ARCHIVE'],
  ],
};

/** Sources without their tests; settings are named in upper case too, in files of their own. */
function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.rs') && !/^(config|tests|main)\.rs$/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8').split(/^mod tests \{/m)[0] ?? '');
}

/** Every reason that the sources name: a string all in upper case with an underscore. */
function reasonsOfServer(): string[] {
  const crates = join(process.cwd(), '../..');
  const named = CRATES.flatMap((crate) => sources(join(crates, crate, 'src'))).flatMap((source) =>
    [...source.matchAll(/"([A-Z]+(?:_[A-Z]+)+)"/g)].map((match) => match[1] ?? ''),
  );
  return [...new Set(named)].sort();
}

const singular = (key: string) => key.replace(/_(one|two|few|many|other)$/, '');
const known = new Set([
  ...Object.keys(problems.reason),
  ...Object.keys(violations.reason),
  ...Object.keys(imports.warning).map(singular),
  ...Object.keys(mail.reason),
]);
const unseen = new Set(Object.values(NOT_SHOWN).flat());

it('every reason that the server can give has a text, or why it needs none is said here', () => {
  const reasons = reasonsOfServer();
  expect(reasons.length).toBeGreaterThan(100);
  expect(reasons.filter((reason) => !known.has(reason) && !unseen.has(reason))).toEqual([]);
});

it('what is wrong with a field or a row, and what was noticed in a file, has its text where the pages look for it', () => {
  const source = CRATES.flatMap((crate) => sources(join(process.cwd(), '../..', crate, 'src')));
  const given = (pattern: RegExp) => {
    const found = source.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1] ?? ''));
    expect(found.length).toBeGreaterThan(5);
    return [...new Set(found)];
  };
  const named = given(/(?:because\(|lacks\(\s*"[^"]+",)\s*"([A-Z_]+)"/g);
  expect(named.filter((reason) => !(reason in violations.reason))).toEqual([]);
  const warnings = new Set(Object.keys(imports.warning).map(singular));
  expect(given(/Warning::new\(\s*"([A-Z_]+)"/g).filter((reason) => !warnings.has(reason))).toEqual([]);
});

it('no text is kept for a reason that the server does not give any more', () => {
  const reasons = new Set(reasonsOfServer());
  // One word, so not found by its underscore.
  const single = ['OVERLOADED', 'RESTORED'];
  expect([...known, ...unseen].filter((reason) => !reasons.has(reason) && !single.includes(reason))).toEqual([]);
});

it('a text is filled with the facts of its reason, which are never read as texts themselves', () => {
  expect(filled('“{{value}}” is no {{kind}}', { value: '$t(common:error.title) {{kind}}', kind: 'date' })).toBe(
    '“$t(common:error.title) {{kind}}” is no date',
  );
});

it('a text that speaks of a fact which was not sent is not used', () => {
  expect(filled('at most {{most}}', {})).toBeUndefined();
  expect(filled('at most {{toString}}', {})).toBeUndefined();
});
