import { ActionIcon, Avatar, Menu } from '@mantine/core';
import { IconKeyboard, IconLogout } from '@tabler/icons-react';
import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import { signOut, useSession } from '~/shared/session';
import { useLeave } from '~/shared/session/leave';
import { useErrorText } from '~/shared/ui/error-state';
import { initials } from '~/shared/ui/initials';
import { announce } from '~/shared/ui/live-region';
import { setShortcuts, useShortcutsEnabled } from '~/shared/ui/shortcuts';

/** Ends the session and shows the sign-in page. */
export function useSignOutAndLeave() {
  const leave = useLeave();
  const textOf = useErrorText();
  return useCallback(async () => {
    try {
      await signOut();
    } catch (error) {
      announce(textOf(error));
      return;
    }
    await leave();
  }, [leave, textOf]);
}

export function MeMenu() {
  const { t } = useTranslation();
  const session = useSession();
  const leave = useSignOutAndLeave();
  const shortcuts = useShortcutsEnabled();
  const name = session?.displayName ?? '';
  return (
    <Menu position="bottom-end" withinPortal>
      <Menu.Target>
        <ActionIcon variant="subtle" color="gray" size="lg" radius="xl" aria-label={t('me.label', { name })}>
          <Avatar size={28} radius="xl" color="indigo" variant="filled" aria-hidden>
            {initials(name)}
          </Avatar>
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>{name}</Menu.Label>
        <Menu.CheckboxItem
          checked={shortcuts}
          onChange={setShortcuts}
          rightSection={<IconKeyboard size={16} stroke={1.7} aria-hidden />}
        >
          {t('shortcuts.label')}
        </Menu.CheckboxItem>
        <Menu.Item leftSection={<IconLogout size={16} stroke={1.7} aria-hidden />} onClick={() => void leave()}>
          {t('me.signOut')}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
