import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { BrowserSession } from '~/shared/api/types';
import { postSession, readSession, useContinueSession, useSession } from '~/shared/session';
import { lastLogin } from '~/shared/session/last-login';
import { SignInForm } from './sign-in-form';

/** Above every other window of the page. */
const ABOVE_ALL = 500;

/**
 * The session ended while somebody worked: a window over the page, which stays as it is with all that was typed. The same
 * user goes on where they were; another one is told that the page begins anew.
 */
export default function SignInAgain() {
  const { t } = useTranslation('session');
  const before = useSession();
  const goOn = useContinueSession();
  const [other, setOther] = useState<BrowserSession>();

  const take = (session: BrowserSession, here: boolean) => {
    if (!before || session.userId === before.userId) goOn(session, { here });
    else setOther(session);
  };
  // Another tab may have signed in already, as the same user or as another.
  const taking = useRef(take);
  useEffect(() => {
    taking.current = take;
  });
  useEffect(() => {
    void readSession().then((session) => session && taking.current(session, false));
  }, []);

  return (
    <Modal
      opened
      onClose={() => undefined}
      closeOnEscape={false}
      closeOnClickOutside={false}
      withCloseButton={false}
      zIndex={ABOVE_ALL}
      size="sm"
      title={t(other ? 'other.title' : 'over.title')}
    >
      {other ? (
        <Stack gap="md">
          <Text size="sm">{t('other.text', { name: other.displayName, before: before?.displayName ?? '' })}</Text>
          <Group gap="xs" justify="flex-end">
            <Button variant="default" onClick={() => setOther(undefined)}>
              {t('other.back', { name: before?.displayName ?? '' })}
            </Button>
            <Button onClick={() => location.reload()} data-autofocus>
              {t('other.goOn')}
            </Button>
          </Group>
        </Stack>
      ) : (
        <Stack gap="md">
          <Text size="sm">{t('over.text', { name: before?.displayName ?? '' })}</Text>
          <SignInForm
            login={lastLogin(before?.userId)}
            size="sm"
            onSubmit={async (login, password) => take(await postSession(login, password), true)}
          />
        </Stack>
      )}
    </Modal>
  );
}
