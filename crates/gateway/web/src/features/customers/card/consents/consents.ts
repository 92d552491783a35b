import type { ConsentChannel, ConsentState } from '~/shared/api/types';

/** What may be sent over a channel to a contact point: all, only what the customer asked for, only advertising, nothing. */
export type Allowed = 'all' | 'service' | 'marketing' | 'none';

export function allowedBy(state: Pick<ConsentState, 'marketing' | 'service'>): Allowed {
  if (state.marketing && state.service) return 'all';
  if (state.service) return 'service';
  return state.marketing ? 'marketing' : 'none';
}

/** The channels of a contact point, in the order in which they are shown. */
export const CHANNELS_OF = {
  phone: ['CONSENT_CHANNEL_SMS', 'CONSENT_CHANNEL_CALL'],
  email: ['CONSENT_CHANNEL_EMAIL'],
} as const satisfies Record<'phone' | 'email', readonly ConsentChannel[]>;

/** What holds for a channel at a contact point; nothing was ever agreed to where the section does not say. */
export function stateOf(
  states: readonly ConsentState[],
  contactPointId: string,
  channel: ConsentChannel,
): ConsentState {
  return (
    states.find((state) => state.contactPointId === contactPointId && state.channel === channel) ?? {
      channel,
      contactPointId,
      marketing: false,
      service: false,
    }
  );
}

export type Step = {
  purpose: 'CONSENT_PURPOSE_UNSPECIFIED' | 'CONSENT_PURPOSE_MARKETING' | 'CONSENT_PURPOSE_SERVICE';
  granted: boolean;
};

/** The entries that lead from what holds to what shall hold: one for all purposes where that says it. */
export function stepsTo(
  now: Pick<ConsentState, 'marketing' | 'service'>,
  wanted: Pick<ConsentState, 'marketing' | 'service'>,
): Step[] {
  if (wanted.marketing === wanted.service) {
    return now.marketing === wanted.marketing && now.service === wanted.service
      ? []
      : [{ purpose: 'CONSENT_PURPOSE_UNSPECIFIED', granted: wanted.marketing }];
  }
  const steps: Step[] = [];
  if (now.marketing !== wanted.marketing)
    steps.push({ purpose: 'CONSENT_PURPOSE_MARKETING', granted: wanted.marketing });
  if (now.service !== wanted.service) steps.push({ purpose: 'CONSENT_PURPOSE_SERVICE', granted: wanted.service });
  return steps;
}
