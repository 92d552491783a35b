/** What the address of the inbox holds. */
export type InboxSearch = {
  /** The dialog that is open. */
  dialog?: string | undefined;
  /** Which dialogs are listed; the open ones when not said. */
  state?: 'closed' | 'all' | undefined;
  /** Whose dialogs are listed; everybody's when not said. */
  assignee?: 'mine' | 'nobody' | undefined;
  /** Only those with unread messages. */
  unread?: 'yes' | undefined;
  /** Whether the customer stands in front, where there is no room for all. */
  panel?: 'customer' | undefined;
};

export type InboxFilter = Pick<InboxSearch, 'state' | 'assignee' | 'unread'>;

const ID = /^[0-9a-f-]{36}$/;

/** Reads an address that anybody may have typed: what is not understood is left out. */
export function parseInboxSearch(raw: Record<string, unknown>): InboxSearch {
  const search: InboxSearch = {};
  if (typeof raw.dialog === 'string' && ID.test(raw.dialog)) search.dialog = raw.dialog;
  if (raw.state === 'closed' || raw.state === 'all') search.state = raw.state;
  if (raw.assignee === 'mine' || raw.assignee === 'nobody') search.assignee = raw.assignee;
  if (raw.unread === 'yes') search.unread = 'yes';
  if (raw.panel === 'customer' && search.dialog) search.panel = 'customer';
  return search;
}
