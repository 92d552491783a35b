import { Menu, UnstyledButton } from '@mantine/core';
import { IconDots } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { unreadDialogsQuery } from '~/shared/inbox/unread';
import { useFormat } from '~/shared/lib/use-format';
import { useLiveRefresh } from '~/shared/realtime';
import { useMay } from '~/shared/session';
import { type Page, usePages } from './pages';
import classes from './rail.module.css';

/** So many find room in the bar of a phone; with more, the last place is for the rest. */
const ON_A_PHONE = 5;

/** Where one can go: a rail beside the page, a bar of five at the bottom of a phone. */
export function Rail() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const pages = usePages();
  const rest = pages.length > ON_A_PHONE ? pages.slice(ON_A_PHONE - 1) : [];
  return (
    <nav className={classes.rail} aria-label={t('nav.label')}>
      {pages.map((page, index) => (
        <Entry key={page.to} page={page} folded={rest.length > 0 && index >= ON_A_PHONE - 1} />
      ))}
      {rest.length > 0 && (
        <Menu position="top-end" withinPortal>
          <Menu.Target>
            <UnstyledButton className={classes.item} data-more>
              <IconDots size={20} stroke={1.7} aria-hidden />
              <span className={classes.name}>{t('nav.more')}</span>
            </UnstyledButton>
          </Menu.Target>
          <Menu.Dropdown>
            {rest.map(({ to, label, icon: Icon }) => (
              <Menu.Item
                key={to}
                leftSection={<Icon size={18} stroke={1.7} aria-hidden />}
                onClick={() => void navigate({ to })}
              >
                {t(label)}
              </Menu.Item>
            ))}
          </Menu.Dropdown>
        </Menu>
      )}
    </nav>
  );
}

function Entry({ page: { to, label, icon: Icon }, folded }: { page: Page; folded: boolean }) {
  const { t } = useTranslation();
  return (
    <Link to={to} className={classes.item} activeProps={{ 'aria-current': 'page' }} data-folded={folded || undefined}>
      <Icon size={20} stroke={1.7} aria-hidden />
      <span className={classes.name}>{t(label)}</span>
      {to === '/inbox' && <Unread />}
    </Link>
  );
}

/** How many dialogs wait for an answer. */
function Unread() {
  const { t } = useTranslation();
  const format = useFormat();
  const mayRead = useMay('messaging.dialog.read');
  const unread = useQuery({ ...unreadDialogsQuery, enabled: mayRead });
  useLiveRefresh(mayRead ? ['dialogs'] : [], () => void unread.refetch());
  if (!unread.data) return null;
  return (
    <span className={classes.count} role="img" aria-label={t('nav.unread', { count: unread.data })}>
      {unread.data > 99 ? '99+' : format.number(unread.data)}
    </span>
  );
}
