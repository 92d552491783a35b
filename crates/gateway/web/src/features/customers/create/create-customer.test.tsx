import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import i18next from 'i18next';
import { beforeAll, expect, it, vi } from 'vitest';
import { changeLanguage, startI18n } from '~/shared/i18n';
import CreateCustomer from './create-customer';

beforeAll(async () => {
  await startI18n();
  await changeLanguage('es');
  await i18next.loadNamespaces('customers');
});

it('what the server refuses stands at its line in the reader’s language, and goes when the line is changed', async () => {
  const problem = {
    reason: 'INVALID_FIELD',
    errors: [
      {
        field: 'customer.emails[0].address',
        description: '`nowhere` is not an e-mail address',
        reason: 'EMAIL_INVALID',
        metadata: { value: 'nowhere' },
      },
    ],
  };
  vi.spyOn(globalThis, 'fetch').mockImplementation(() =>
    Promise.resolve(new Response(JSON.stringify(problem), { status: 400 })),
  );
  render(
    <MantineProvider env="test">
      <QueryClientProvider client={new QueryClient()}>
        <CreateCustomer onClose={() => undefined} onCreated={() => undefined} />
      </QueryClientProvider>
    </MantineProvider>,
  );
  const user = userEvent.setup();
  await user.type(await screen.findByRole('textbox', { name: /^Nombre/ }), 'Ana');
  const email = screen.getByRole('textbox', { name: /^Correo/ });
  await user.type(email, 'nowhere{Enter}');
  await screen.findByText('«nowhere» no es una dirección de correo como nombre@example.com');
  expect(email.getAttribute('aria-invalid')).toBe('true');
  await user.type(email, '@example.com');
  expect(screen.queryByText(/no es una dirección/)).toBeNull();
});
