import { api, body } from '~/shared/api/client';
import { ApiError } from '~/shared/api/problem';
import type { Email } from '~/shared/api/types';

/** A letter that waited when the backup was made from which the house was restored: it may have gone out since. */
export function isHeld({ state, reason }: Pick<Email, 'state' | 'reason'>): boolean {
  return state === 'SEND_STATE_UNKNOWN' && reason === 'RESTORED';
}

/** All letters that are held. */
export async function findHeld(signal: AbortSignal): Promise<Email[]> {
  const held: Email[] = [];
  let pageToken: string | undefined;
  do {
    const page = await body(
      api.GET('/v1/emails', {
        signal,
        params: { query: { states: ['SEND_STATE_UNKNOWN'], pageSize: 200, ...(pageToken && { pageToken }) } },
      }),
    );
    held.push(...page.emails.filter(isHeld));
    pageToken = page.nextPageToken || undefined;
  } while (pageToken);
  return held;
}

/** Has a held letter sent. One that somebody else has released meanwhile is as it should be. */
export async function release(id: string): Promise<void> {
  try {
    await body(api.POST('/v1/emails/{id}:release', { params: { path: { id } }, body: {} }));
  } catch (error) {
    if (!(error instanceof ApiError) || error.problem.reason !== 'NOT_HELD') throw error;
  }
}
