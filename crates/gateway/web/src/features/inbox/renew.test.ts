import { InfiniteQueryObserver, QueryClient } from '@tanstack/react-query';
import { beforeEach, expect, it, vi } from 'vitest';
import { dialogsQuery } from './queries';
import { renewDialogs } from './renew';

type Entry = { id: string; lastMessageAt: string; state: string; assigneeId: string };

/** A server with 120 open dialogs, the last the newest. */
let held: Entry[];
let asked: string[];
const time = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
const dialog = (id: number) => held[id] as Entry;

beforeEach(() => {
  held = Array.from({ length: 120 }, (_, index) => ({
    id: `d${index}`,
    lastMessageAt: time(index),
    state: 'DIALOG_STATE_OPEN',
    assigneeId: '',
  }));
  asked = [];
  vi.spyOn(globalThis, 'fetch').mockImplementation(async (request) => {
    const { pathname, searchParams } = new URL((request as Request).url);
    const token = searchParams.get('pageToken');
    asked.push(pathname === '/v1/dialogs' ? `page ${token ?? 1}` : pathname);
    if (pathname !== '/v1/dialogs') return Response.json(held.find(({ id }) => pathname.endsWith(`/${id}`)));
    // Paged by key, as the server does it.
    const open = held
      .filter(({ state }) => state === 'DIALOG_STATE_OPEN')
      .sort((a, b) => b.lastMessageAt.localeCompare(a.lastMessageAt));
    const rest = open.filter(({ lastMessageAt }) => !token || lastMessageAt < token);
    const dialogs = rest.slice(0, 50).map((one) => ({ ...one, customerId: '', unreadCount: 0 }));
    const nextPageToken = rest.length > 50 ? dialogs.at(-1)?.lastMessageAt : '';
    return Response.json({ dialogs, nextPageToken, totalSize: String(open.length) });
  });
});

/** The list as it is shown, with all its pages. */
async function shown(queryClient: QueryClient) {
  const observer = new InfiniteQueryObserver(queryClient, { ...dialogsQuery({}, 'irina', true), staleTime: 60_000 });
  observer.subscribe(() => undefined);
  await vi.waitFor(() => expect(observer.getCurrentResult().isSuccess).toBe(true));
  await observer.fetchNextPage();
  await observer.fetchNextPage();
  asked = [];
  return () => observer.getCurrentResult().data?.pages.flatMap(({ dialogs }) => dialogs.map(({ id }) => id)) ?? [];
}
const newestFirst = () =>
  held
    .filter(({ state }) => state === 'DIALOG_STATE_OPEN')
    .sort((a, b) => b.lastMessageAt.localeCompare(a.lastMessageAt))
    .map(({ id }) => id);

it('whatever is said, of a long list one page is read again', async () => {
  const queryClient = new QueryClient();
  const ids = await shown(queryClient);
  expect(ids()).toEqual(newestFirst());
  for (const [minute, id] of [7, 100, 65].entries()) {
    dialog(id).lastMessageAt = time(200 + minute);
    asked = [];
    await renewDialogs(queryClient, new Set([`d${id}`]));
    expect(asked).toEqual(['page 1']);
    expect(ids()).toEqual(newestFirst());
  }
  held.push({ id: 'd120', lastMessageAt: time(300), state: 'DIALOG_STATE_OPEN', assigneeId: '' });
  await renewDialogs(queryClient, new Set(['d120']));
  expect(ids()).toEqual(newestFirst());
});

it('a dialog that is closed leaves the list wherever it stands, and one that is taken shows by whom', async () => {
  const queryClient = new QueryClient();
  const ids = await shown(queryClient);
  for (const id of [115, 20]) {
    dialog(id).state = 'DIALOG_STATE_CLOSED';
    await renewDialogs(queryClient, new Set([`d${id}`]));
    expect(ids()).toEqual(newestFirst());
  }
  dialog(30).assigneeId = 'oleg';
  asked = [];
  await renewDialogs(queryClient, new Set(['d30']));
  expect(asked).toEqual(['page 1', '/v1/dialogs/d30']);
  const data = queryClient.getQueryData(dialogsQuery({}, 'irina', true).queryKey);
  const one = data?.pages.flatMap(({ dialogs }) => dialogs).find((each) => each.id === 'd30');
  expect(one?.assigneeId).toBe('oleg');
});

it('when it is not known what has changed, everything is read again', async () => {
  const queryClient = new QueryClient();
  const ids = await shown(queryClient);
  dialog(10).state = 'DIALOG_STATE_CLOSED';
  await renewDialogs(queryClient);
  await vi.waitFor(() => expect(asked).toHaveLength(3));
  await vi.waitFor(() => expect(ids()).toEqual(newestFirst()));
});
