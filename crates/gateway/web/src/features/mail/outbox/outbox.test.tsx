import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createMemoryHistory, createRootRoute, createRouter, RouterProvider } from '@tanstack/react-router';
import { act, cleanup, render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import i18next from 'i18next';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import { changeLanguage, startI18n } from '~/shared/i18n';
import { sessionQuery } from '~/shared/session';
import { Outbox } from './outbox';
import { parseOutboxSearch } from './search';

beforeAll(async () => {
  await startI18n();
  await changeLanguage('en');
  await i18next.loadNamespaces('mail');
});
afterEach(() => {
  cleanup();
  vi.restoreAllMocks();
});

const letter = (id: string, reason: string) => ({
  id,
  customerId: '',
  toAddress: `${id}@example.org`,
  subject: `Subject ${id}`,
  state: 'SEND_STATE_UNKNOWN',
  reason,
  detail: '',
  createdAt: '2026-01-05T10:00:00Z',
});

/** A server with these letters, two to a page; what it was asked to release, in order. */
function server(letters: ReturnType<typeof letter>[], refuse: (id: string) => [number, string] | undefined) {
  const released: string[] = [];
  vi.spyOn(globalThis, 'fetch').mockImplementation((input) => {
    const request = input as Request;
    const url = new URL(request.url);
    const id = /^\/v1\/emails\/([^:]+):release$/.exec(url.pathname)?.[1];
    const json = (status: number, value: unknown) => Promise.resolve(new Response(JSON.stringify(value), { status }));
    if (id && request.method === 'POST') {
      const [status, reason] = refuse(id) ?? [];
      if (status) return json(status, { reason, detail: 'refused' });
      released.push(id);
      const held = letters.find((one) => one.id === id);
      if (held) Object.assign(held, { state: 'SEND_STATE_QUEUED', reason: '' });
      return json(200, held);
    }
    if (url.pathname !== '/v1/emails') return json(404, { reason: 'NOT_FOUND' });
    const states = url.searchParams.getAll('states');
    const from = Number(url.searchParams.get('pageToken') ?? 0);
    const found = letters.filter(({ state }) => states.includes(state));
    const next = from + 2 < found.length ? String(from + 2) : '';
    return json(200, { emails: found.slice(from, from + 2), nextPageToken: next, totalSize: '0' });
  });
  return released;
}

async function open(permissions: string[]) {
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  queryClient.setQueryDefaults(sessionQuery.queryKey, { staleTime: Number.POSITIVE_INFINITY });
  queryClient.setQueryData(sessionQuery.queryKey, { permissions } as never);
  const rootRoute = createRootRoute({ component: () => <Outbox search={{}} onSearch={() => undefined} /> });
  const router = createRouter({ routeTree: rootRoute, history: createMemoryHistory() });
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router as never} />
      </QueryClientProvider>
    </MantineProvider>,
  );
  await screen.findByText('Subject a');
}
const SENDER = ['messaging.email.read', 'messaging.email.send'];

it('a letter held since a restore is sent once somebody has said so, and others whose fate is unknown cannot be', async () => {
  const released = server([letter('a', 'RESTORED'), letter('b', 'NO_REPLY_AFTER_DATA')], () => undefined);
  await open(SENDER);
  await screen.findByText(/it was waiting when the house was restored from a backup/);
  expect(screen.getAllByRole('button', { name: /^Send “/ })).toHaveLength(1);
  const user = userEvent.setup();
  await user.click(screen.getByRole('button', { name: 'Send “Subject a” to a@example.org after all' }));
  const dialog = await screen.findByRole('dialog', { name: 'Send this letter after all?' });
  await within(dialog).findByText(/Then it arrives twice/);
  expect(document.activeElement?.textContent).toBe('Cancel');
  expect(released).toEqual([]);
  await user.click(within(dialog).getByRole('button', { name: 'Send' }));
  await vi.waitFor(() => expect(released).toEqual(['a']));
  await vi.waitFor(() => expect(screen.queryByRole('button', { name: /^Send “/ })).toBeNull());
  expect(screen.queryByRole('dialog')).toBeNull();
});

it('all that are held are sent at one word, whichever page they are on, and one released meanwhile is no failure', async () => {
  const letters = ['a', 'b', 'c', 'd', 'e'].map((id) => letter(id, id === 'b' ? 'WORKER_LOST_AFTER_DATA' : 'RESTORED'));
  const released = server(letters, (id) => (id === 'c' ? [400, 'NOT_HELD'] : undefined));
  await open(SENDER);
  const user = userEvent.setup();
  await user.click(await screen.findByRole('button', { name: 'Send all of them…' }));
  const dialog = await screen.findByRole('dialog', { name: 'Send 4 letters after all?' });
  await user.click(within(dialog).getByRole('button', { name: 'Send' }));
  await vi.waitFor(() => expect(released).toEqual(['a', 'd', 'e']));
  await vi.waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
});

it('where a release is refused the others wait, and what was done is said', async () => {
  const letters = ['a', 'b', 'c'].map((id) => letter(id, 'RESTORED'));
  const released = server(letters, (id) => (id === 'b' ? [403, 'PERMISSION_DENIED'] : undefined));
  await open(SENDER);
  const user = userEvent.setup();
  await user.click(await screen.findByRole('button', { name: 'Send all of them…' }));
  const dialog = await screen.findByRole('dialog', { name: 'Send 3 letters after all?' });
  await user.click(within(dialog).getByRole('button', { name: 'Send' }));
  expect((await within(dialog).findByRole('alert')).textContent).toContain('1 letter will be sent');
  expect(released).toEqual(['a']);
});

it('who closes the question while letters go out keeps the others', async () => {
  const letters = ['a', 'b', 'c'].map((id) => letter(id, 'RESTORED'));
  const released = server(letters, () => {
    act(() => screen.getByRole('button', { name: 'Cancel' }).click());
    return undefined;
  });
  await open(SENDER);
  const user = userEvent.setup();
  await user.click(await screen.findByRole('button', { name: 'Send all of them…' }));
  const dialog = await screen.findByRole('dialog', { name: 'Send 3 letters after all?' });
  await user.click(within(dialog).getByRole('button', { name: 'Send' }));
  await vi.waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  // What is asked anew is what the first letter alone is missing from.
  await user.click(await screen.findByRole('button', { name: 'Send all of them…' }));
  await screen.findByRole('dialog', { name: 'Send 2 letters after all?' });
  expect(released).toEqual(['a']);
});

it('who may not send sees that letters are held, and no button', async () => {
  server([letter('a', 'RESTORED')], () => undefined);
  await open(['messaging.email.read']);
  await screen.findByText(/They are not sent by themselves/);
  expect(screen.queryByRole('button', { name: /Send/ })).toBeNull();
});

it('of an address that anybody may have typed only kinds that exist are read', () => {
  expect(parseOutboxSearch({ kind: 'failed' })).toEqual({ kind: 'failed' });
  for (const kind of ['toString', '', 7, undefined, ['failed']]) expect(parseOutboxSearch({ kind })).toEqual({});
});
