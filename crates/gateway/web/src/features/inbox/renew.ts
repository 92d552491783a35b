import type { InfiniteData, Query, QueryClient } from '@tanstack/react-query';
import { api, body } from '~/shared/api/client';
import type { Dialog } from '~/shared/api/types';
import { type DialogsPage, type dialogsQuery, readDialogs } from './queries';
import type { InboxFilter } from './search';

const LIST = ['dialogs', 'list'];
/** Of more dialogs that have changed, the whole list is read again. */
const ONE_BY_ONE = 8;

type Pages = InfiniteData<DialogsPage, string>;

/**
 * Reads again what has changed in the lists of dialogs: the first page, where whatever was said last stands, and those
 * further down that have changed without coming up. Everything where it is not known what has changed.
 */
export async function renewDialogs(queryClient: QueryClient, changed?: ReadonlySet<string>): Promise<void> {
  // What nobody looks at is read when somebody does.
  void queryClient.invalidateQueries({ queryKey: LIST, type: 'inactive', refetchType: 'none' });
  const shown = queryClient.getQueryCache().findAll({ queryKey: LIST, type: 'active' });
  await Promise.all(shown.map((query) => renew(queryClient, query, changed)));
}

async function renew(queryClient: QueryClient, query: Query, changed: ReadonlySet<string> | undefined): Promise<void> {
  const queryKey = query.queryKey as ReturnType<typeof dialogsQuery>['queryKey'];
  const all = () => queryClient.invalidateQueries({ queryKey, exact: true });
  const before = query.state.data as Pages | undefined;
  if (!changed || changed.size > ONE_BY_ONE || !before || before.pages.length < 2) return all();
  const [, , state, assignee, unread, userId, withCustomers] = queryKey as unknown as [
    string,
    string,
    InboxFilter['state'],
    InboxFilter['assignee'],
    InboxFilter['unread'],
    string,
    boolean,
  ];
  const filter = { ...(state && { state }), ...(assignee && { assignee }), ...(unread && { unread }) };
  try {
    const first = await readDialogs(filter, userId, withCustomers);
    const there = new Set(first.dialogs.map(({ id }) => id));
    const below = before.pages.flatMap(({ dialogs }) => dialogs).filter(({ id }) => changed.has(id) && !there.has(id));
    const read = await Promise.all(
      below.map(({ id }) => body(api.GET('/v1/dialogs/{id}', { params: { path: { id } } }))),
    );
    const named = new Set(before.pages.flatMap(({ names }) => [...names.keys()]));
    // Another page came meanwhile, or a customer whose name nobody has asked for: too much has changed at once.
    if (query.state.data !== before || query.state.fetchStatus !== 'idle') return await all();
    if (withCustomers && read.some(({ customerId }) => customerId && !named.has(customerId))) return await all();
    const fitting = new Map(read.map((dialog) => [dialog.id, fits(dialog, filter, userId) ? dialog : undefined]));
    queryClient.setQueryData(queryKey, { ...before, pages: withFirst(before.pages, first, fitting) });
  } catch {
    await all();
  }
}

/** The pages with the first one as it is now, and with what is known of dialogs below it; undefined: they fit no more. */
function withFirst(
  pages: readonly DialogsPage[],
  first: DialogsPage,
  changed: ReadonlyMap<string, Dialog | undefined>,
): DialogsPage[] {
  if (!first.nextPageToken) return [first];
  const there = new Set(first.dialogs.map(({ id }) => id));
  const end = at(first.dialogs.at(-1));
  return pages.map((page, index) => {
    const left = page.dialogs
      .filter((dialog) => !there.has(dialog.id) && (!changed.has(dialog.id) || changed.get(dialog.id)))
      .map((dialog) => changed.get(dialog.id) ?? dialog);
    if (index > 0) return { ...page, dialogs: left };
    // What came in has pushed some off the first page; the next one begins after these. Others have gone from it.
    const pushed = left.filter((dialog) => at(dialog) <= end);
    return { ...first, dialogs: [...first.dialogs, ...pushed], names: new Map([...page.names, ...first.names]) };
  });
}

const at = (dialog: Dialog | undefined) => Date.parse(dialog?.lastMessageAt ?? '');

/** Whether a dialog still belongs into a list, as the server would say. */
function fits(dialog: Dialog, { state, assignee, unread }: InboxFilter, userId: string): boolean {
  const closed = dialog.state === 'DIALOG_STATE_CLOSED';
  return (
    (state === 'all' || closed === (state === 'closed')) &&
    (!assignee || dialog.assigneeId === (assignee === 'mine' ? userId : '')) &&
    (!unread || dialog.unreadCount > 0)
  );
}
