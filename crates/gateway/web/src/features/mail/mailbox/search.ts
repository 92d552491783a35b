/** What the address of the mailbox holds. */
export type MailboxSearch = { letter?: string | undefined };

/** Reads an address that anybody may have typed: what is not understood is left out. */
export function parseMailboxSearch(raw: Record<string, unknown>): MailboxSearch {
  return typeof raw.letter === 'string' && /^[0-9a-f-]{36}$/.test(raw.letter) ? { letter: raw.letter } : {};
}
