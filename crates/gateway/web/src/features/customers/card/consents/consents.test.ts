import { expect, it } from 'vitest';
import { allowedBy, stateOf, stepsTo } from './consents';

const nothing = { marketing: false, service: false };
const all = { marketing: true, service: true };
const service = { marketing: false, service: true };

it('a contact point of which nothing is known allows nothing', () => {
  expect(allowedBy(stateOf([], 'p1', 'CONSENT_CHANNEL_SMS'))).toBe('none');
});

it('a box ticked or cleared is one entry for every purpose', () => {
  expect(stepsTo(nothing, all)).toEqual([{ purpose: 'CONSENT_PURPOSE_UNSPECIFIED', granted: true }]);
  expect(stepsTo(service, nothing)).toEqual([{ purpose: 'CONSENT_PURPOSE_UNSPECIFIED', granted: false }]);
  expect(stepsTo(all, all)).toEqual([]);
});

it('going back to service messages alone withdraws advertising alone', () => {
  expect(stepsTo(all, service)).toEqual([{ purpose: 'CONSENT_PURPOSE_MARKETING', granted: false }]);
  expect(stepsTo(nothing, service)).toEqual([{ purpose: 'CONSENT_PURPOSE_SERVICE', granted: true }]);
});
