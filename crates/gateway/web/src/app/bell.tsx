import { ActionIcon, Popover } from '@mantine/core';
import { IconBell } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { notificationsKey, unreadNotificationsQuery } from '~/shared/notifications/queries';
import { useLiveRefresh } from '~/shared/realtime';
import { announce } from '~/shared/ui/live-region';
import { lazyPart } from '~/shared/ui/part';
import classes from './bell.module.css';

const Notifications = lazyPart(() => import('./notifications'), { waiting: <div className={classes.waiting} /> });

/** What the house has to tell: how many things are new, and the list of them. */
export function Bell() {
  const { t } = useTranslation();
  const queryClient = useQueryClient();
  const [opened, setOpened] = useState(false);
  const unread = useQuery(unreadNotificationsQuery);
  useLiveRefresh(['me'], () => void queryClient.invalidateQueries({ queryKey: notificationsKey }));

  const count = unread.data ?? 0;
  const told = useRef<number>(undefined);
  useEffect(() => {
    if (unread.data === undefined) return;
    // What was there before the page was opened is no news.
    if (told.current !== undefined && unread.data > told.current) announce(t('bell.news', { count: unread.data }));
    told.current = unread.data;
  }, [unread.data, t]);

  return (
    <Popover
      opened={opened}
      onChange={setOpened}
      position="bottom-end"
      shadow="md"
      trapFocus
      returnFocus
      withRoles={false}
      keepMounted={false}
    >
      <Popover.Target>
        <ActionIcon
          variant="subtle"
          color="gray"
          size="lg"
          className={classes.bell}
          onClick={() => setOpened(!opened)}
          aria-expanded={opened}
          aria-haspopup="dialog"
          aria-label={count > 0 ? t('bell.unread', { count }) : t('bell.title')}
        >
          <IconBell size={19} stroke={1.7} aria-hidden />
          {count > 0 && (
            <span className={classes.count} aria-hidden>
              {count > 99 ? '99+' : count}
            </span>
          )}
        </ActionIcon>
      </Popover.Target>
      <Popover.Dropdown role="dialog" aria-label={t('bell.title')} className={classes.dropdown}>
        {opened && <Notifications unread={count} onClose={() => setOpened(false)} />}
      </Popover.Dropdown>
    </Popover>
  );
}
