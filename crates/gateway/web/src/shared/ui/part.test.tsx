import { MantineProvider } from '@mantine/core';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { lazyPart } from './part';

it('a part whose code does not come leaves the page standing, and trying again helps', async () => {
  const load = vi.fn<() => Promise<{ default: () => string }>>();
  load.mockRejectedValueOnce(new TypeError('Failed to fetch dynamically imported module'));
  load.mockResolvedValueOnce({ default: () => 'the part' });
  const Part = lazyPart(load, { waiting: 'waiting' });
  render(
    <MantineProvider>
      <input aria-label="beside" />
      <Part />
    </MantineProvider>,
  );
  screen.getByText('waiting');
  const user = userEvent.setup();
  await user.type(screen.getByLabelText('beside'), 'typed');
  await user.click(await screen.findByRole('button'));
  await screen.findByText('the part');
  expect(screen.getByLabelText<HTMLInputElement>('beside').value).toBe('typed');
});

it('a part that is known already stands there at once', async () => {
  const Part = lazyPart(() => Promise.resolve({ default: () => 'the part' }), { waiting: 'waiting' });
  const first = render(<Part />);
  await first.findByText('the part');
  first.unmount();
  const second = render(<Part />);
  expect(second.container.textContent).toBe('the part');
});
