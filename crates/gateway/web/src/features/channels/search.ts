/** What the address of the channels holds. */
export type ChannelsSearch = {
  /** The channel that is open for changes, or `new`. */
  open?: string | undefined;
};

const ID = /^[0-9a-f-]{36}$/;

export function parseChannelsSearch(raw: Record<string, unknown>): ChannelsSearch {
  const { open } = raw;
  return typeof open === 'string' && (open === 'new' || ID.test(open)) ? { open } : {};
}
