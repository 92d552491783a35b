import { expect, it } from 'vitest';
import type { EmailTemplate } from '~/shared/api/types';
import { changedFields, isUnchanged, readDraftOf } from './draft';

const template = {
  id: 't1',
  name: 'Welcome',
  subject: 'Hello',
  text: '',
  html: '<p>Hi</p>',
  active: true,
  etag: '7',
  variables: [],
} as EmailTemplate;

it('a draft remembers the version it was begun on, and sends only what was changed', () => {
  const kept = JSON.parse(
    JSON.stringify({ values: { ...readDraftOf(undefined, template).values, subject: 'Hey' }, etag: '6' }),
  );
  const draft = readDraftOf(kept, template);
  expect(draft.etag).toBe('6');
  expect(changedFields(draft, template)).toEqual(['subject']);
});

it('a draft of an unknown shape is the template as it stands', () => {
  for (const kept of [undefined, null, 'x', {}, { values: 'x', etag: '1' }, { values: {}, etag: 1 }]) {
    expect(isUnchanged(readDraftOf(kept, template), template)).toBe(true);
    expect(isUnchanged(readDraftOf(kept, undefined), undefined)).toBe(true);
  }
});
