import { ActionIcon, Kbd, UnstyledButton } from '@mantine/core';
import { spotlight } from '@mantine/spotlight';
import { IconSearch } from '@tabler/icons-react';
import { Link, Outlet } from '@tanstack/react-router';
import { Suspense, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { lazyPart } from '~/shared/ui/part';
import { Bell } from './bell';
import { LanguageMenu } from './language-menu';
import { LiveIndicator } from './live-indicator';
import { MeMenu } from './me-menu';
import { Rail } from './rail';
import { PagePending } from './route-states';
import { SchemeMenu } from './scheme-menu';
import { SessionGuard } from './session-guard';
import classes from './shell.module.css';
import { useLiveStream } from './use-live-stream';

const CommandPalette = lazyPart(() => import('./command-palette'), { silent: true });

/** What stands around every page: the rail (a bar at the bottom of a phone), the search, and the menus. */
export function Shell() {
  const { t } = useTranslation();
  useLiveStream();
  const [paletteWanted, setPaletteWanted] = useState(false);
  const [paletteReady, setPaletteReady] = useState(false);

  // The palette is loaded after the page stands still: it must answer at once, yet not hold up the first page.
  useEffect(() => {
    const timer = setTimeout(() => setPaletteWanted(true), 1_000);
    return () => clearTimeout(timer);
  }, []);

  const openPalette = () => {
    setPaletteWanted(true);
    spotlight.open();
  };

  useEffect(() => {
    // Until the palette is there to listen itself.
    if (paletteReady) return;
    const listen = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        setPaletteWanted(true);
        spotlight.open();
      }
    };
    addEventListener('keydown', listen);
    return () => removeEventListener('keydown', listen);
  }, [paletteReady]);

  return (
    <div className={classes.shell}>
      <a href="#main" className={classes.skip}>
        {t('nav.skip')}
      </a>
      <header className={classes.top}>
        <Link to="/customers" className={classes.brand} aria-label="Clientele">
          <img src="/icon.svg" alt="" width={26} height={26} />
          <span className={classes.brandName}>Clientele</span>
        </Link>
        <UnstyledButton className={classes.search} onClick={openPalette} aria-keyshortcuts="Control+K">
          <IconSearch size={15} stroke={1.8} aria-hidden />
          <span>{t('palette.open')}</span>
          <Kbd size="xs" className={classes.kbd} aria-hidden>
            Ctrl K
          </Kbd>
        </UnstyledButton>
        <div className={classes.menus}>
          <ActionIcon
            className={classes.searchSmall}
            variant="subtle"
            color="gray"
            size="lg"
            onClick={openPalette}
            aria-label={t('palette.open')}
          >
            <IconSearch size={18} stroke={1.8} aria-hidden />
          </ActionIcon>
          <LiveIndicator />
          <Bell />
          <LanguageMenu />
          <SchemeMenu />
          <MeMenu />
        </div>
      </header>
      <Rail />
      <main id="main" className={classes.main} tabIndex={-1}>
        <Suspense fallback={<PagePending />}>
          <Outlet />
        </Suspense>
      </main>
      <SessionGuard />
      {paletteWanted && <CommandPalette onReady={() => setPaletteReady(true)} />}
    </div>
  );
}
