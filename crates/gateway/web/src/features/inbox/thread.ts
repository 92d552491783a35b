import type { DialogMessage } from '~/shared/api/types';

/** A stretch of a dialog up to its end, as far as it has been read. */
export type Thread = {
  /** In order of their sequence numbers. */
  messages: DialogMessage[];
  /** Whether there are messages before these. */
  hasOlder: boolean;
};

const placeOf = (message: DialogMessage) => Number(message.sequence);

/** The messages of both, each once and in order; of two with one number the later read counts. */
export function merge(known: readonly DialogMessage[], read: readonly DialogMessage[]): DialogMessage[] {
  const byPlace = new Map(known.map((message) => [placeOf(message), message]));
  for (const message of read) byPlace.set(placeOf(message), message);
  return [...byPlace.values()].sort((a, b) => placeOf(a) - placeOf(b));
}

/** Up to which number nothing is missing: numbers have no gaps, so after one there is something to be read. */
export function readUpTo(messages: readonly DialogMessage[]): number {
  let last = messages[0] ? placeOf(messages[0]) - 1 : 0;
  for (const message of messages) {
    if (placeOf(message) !== last + 1) break;
    last = placeOf(message);
  }
  return last;
}

/** The messages up to the first gap: what lies behind it is shown once the gap is filled. */
export function withoutGap(messages: readonly DialogMessage[]): readonly DialogMessage[] {
  const last = readUpTo(messages);
  return messages.filter((message) => placeOf(message) <= last);
}
