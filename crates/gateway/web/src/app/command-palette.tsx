import { useMantineColorScheme } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { Spotlight, type SpotlightActionGroupData } from '@mantine/spotlight';
import { IconKeyboard, IconLanguage, IconLogout, IconSearch, IconUser } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body } from '~/shared/api/client';
import { changeLanguage, LANGUAGES } from '~/shared/i18n';
import { useCustomerName } from '~/shared/lib/use-customer-name';
import { type Command, useAllCommands } from '~/shared/ui/commands';
import { setShortcuts, useShortcutsEnabled } from '~/shared/ui/shortcuts';
import { useSignOutAndLeave } from './me-menu';
import { usePages } from './pages';
import { SCHEMES } from './scheme-menu';

const MATCHES = 6;

/** Search and every action under one key: customers by any part of their data, pages, and what the present page offers. */
export default function CommandPalette({ onReady }: { onReady: () => void }) {
  const { t } = useTranslation();
  const nameOf = useCustomerName();
  const navigate = useNavigate();
  const { setColorScheme } = useMantineColorScheme();
  const shortcuts = useShortcutsEnabled();
  const leave = useSignOutAndLeave();
  const pages = usePages();
  const ofPage = useAllCommands();
  const [query, setQuery] = useState('');
  const [settled] = useDebouncedValue(query.trim(), 180);

  const ready = useRef(onReady);
  useEffect(() => ready.current(), []);

  const customers = useQuery({
    queryKey: ['customers', 'palette', settled],
    queryFn: ({ signal }) =>
      body(api.GET('/v1/customers', { signal, params: { query: { query: settled, pageSize: MATCHES } } })),
    enabled: settled.length > 1,
  });

  const commands: Command[] = [
    ...ofPage,
    ...pages.map(({ to, label, icon }) => ({
      id: to,
      group: t('palette.pages'),
      label: t(label),
      icon,
      run: () => void navigate({ to }),
    })),
    ...LANGUAGES.map(({ code, name }) => ({
      id: `language.${code}`,
      group: t('palette.settings'),
      label: `${t('language.label')}: ${name}`,
      icon: IconLanguage,
      run: () => void changeLanguage(code),
    })),
    ...SCHEMES.map(({ scheme, label, icon }) => ({
      id: `scheme.${scheme}`,
      group: t('palette.settings'),
      label: `${t('scheme.label')}: ${t(label)}`,
      icon,
      run: () => setColorScheme(scheme),
    })),
    {
      id: 'shortcuts',
      group: t('palette.settings'),
      label: shortcuts ? t('shortcuts.off') : t('shortcuts.on'),
      icon: IconKeyboard,
      run: () => setShortcuts(!shortcuts),
    },
    { id: 'sign-out', group: t('palette.settings'), label: t('me.signOut'), icon: IconLogout, run: () => void leave() },
  ];

  const groups = new Map<string, SpotlightActionGroupData>();
  for (const { id, group, label, keywords, icon: Icon, shortcut, run } of commands) {
    const entry = groups.get(group) ?? { group, actions: [] };
    entry.actions.push({
      id,
      label,
      keywords,
      leftSection: Icon && <Icon size={18} stroke={1.6} aria-hidden />,
      rightSection: shortcut && <kbd aria-hidden>{shortcut}</kbd>,
      onClick: run,
    });
    groups.set(group, entry);
  }

  const found = settled.length > 1 && settled === query.trim() ? (customers.data?.customers ?? []) : [];
  if (found.length > 0) {
    groups.set('found', {
      group: t('palette.found'),
      actions: found.map((customer) => ({
        id: `customer.${customer.id}`,
        label: nameOf(customer),
        description: [customer.phones[0]?.number, customer.emails[0]?.address, customer.country]
          .filter(Boolean)
          .join(' · '),
        // The server matched it by whatever was typed; the palette's own filter must not drop it again.
        keywords: [query],
        leftSection: <IconUser size={18} stroke={1.6} aria-hidden />,
        onClick: () => void navigate({ to: '/customers/$customerId', params: { customerId: customer.id } }),
      })),
    });
  }

  return (
    <Spotlight
      actions={[...groups.values()]}
      query={query}
      onQueryChange={setQuery}
      nothingFound={customers.isFetching ? t('state.loading') : t('palette.nothing')}
      shortcut="mod + K"
      scrollable
      maxHeight={420}
      attributes={{ content: { 'aria-label': t('palette.open') } }}
      searchProps={{
        leftSection: <IconSearch size={18} stroke={1.7} aria-hidden />,
        placeholder: t('palette.placeholder'),
        'aria-label': t('palette.placeholder'),
      }}
    />
  );
}
