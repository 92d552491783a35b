import { MantineProvider } from '@mantine/core';
import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import i18next from 'i18next';
import { beforeAll, expect, it } from 'vitest';
import { ApiError, type Problem } from '~/shared/api/problem';
import type { Customer } from '~/shared/api/types';
import { changeLanguage, startI18n } from '~/shared/i18n';
import { Editable } from './editable';

beforeAll(async () => {
  await startI18n();
  await changeLanguage('ru');
  await i18next.loadNamespaces('card');
});

/** Types an e-mail that the server refuses so. */
async function refuse(status: number, problem: Problem) {
  const view = render(
    <MantineProvider env="test">
      <Editable
        customer={{ id: 'c', displayName: 'Анна', phones: [], emails: [] } as unknown as Customer}
        editOf={(value) => ({ target: 'email', value })}
        label="Почта"
        type="email"
        maxLength={254}
        onSave={() => Promise.reject(new ApiError(status, problem))}
        onTake={() => undefined}
        editable
        opened
      />
    </MantineProvider>,
  );
  await userEvent.setup().type(screen.getByLabelText('Почта'), 'nowhere{Enter}');
  return view;
}

it('the first refusal of a session is said in the reader’s language, though its texts come only after it', async () => {
  for (const namespace of ['problems', 'violations']) expect(i18next.hasLoadedNamespace(namespace)).toBe(false);
  const { unmount } = await refuse(400, {
    reason: 'INVALID_FIELD',
    detail: 'customer.emails[0].address: `nowhere` is not an e-mail address',
    errors: [
      {
        field: 'customer.emails[0].address',
        description: '`nowhere` is not an e-mail address',
        reason: 'EMAIL_INVALID',
        metadata: { value: 'nowhere' },
      },
    ],
  });
  await screen.findByText('«nowhere» — не адрес почты вида name@example.com');
  expect(screen.queryByText(/is not an e-mail/)).toBeNull();
  unmount();
});

it('what has no text of ours is said in the server’s words', async () => {
  await refuse(400, {
    reason: 'INVALID_FIELD',
    errors: [{ field: 'customer.emails', description: 'are too many', reason: '', metadata: {} }],
  });
  await screen.findByText('are too many');
});
