import type { SendState } from '~/shared/api/types';

/** The letters that can be looked at by themselves, and the states they are in. */
export const KINDS = {
  waiting: ['SEND_STATE_QUEUED', 'SEND_STATE_CLAIMED'],
  unknown: ['SEND_STATE_UNKNOWN'],
  failed: ['SEND_STATE_FAILED'],
} as const satisfies Record<string, readonly SendState[]>;

export type Kind = keyof typeof KINDS;

/** What the address of the outbox holds: which letters are shown, all of them when not said. */
export type OutboxSearch = { kind?: Kind | undefined };

export const isKind = (raw: unknown): raw is Kind => typeof raw === 'string' && Object.hasOwn(KINDS, raw);

/** Reads an address that anybody may have typed: what is not understood is left out. */
export function parseOutboxSearch({ kind }: Record<string, unknown>): OutboxSearch {
  return isKind(kind) ? { kind } : {};
}
