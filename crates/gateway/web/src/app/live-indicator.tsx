import { IconPlugConnectedX, IconPointFilled } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useLiveState } from '~/shared/realtime';
import classes from './shell.module.css';

/** A connection that is back so soon was hardly away. */
const HARDLY_MS = 1_500;

/** Says whether what changes shows by itself now. */
export function LiveIndicator() {
  const { t } = useTranslation();
  const state = useLiveState();
  const [shown, setShown] = useState(state);
  useEffect(() => {
    const timer = setTimeout(() => setShown(state), state === 'reconnecting' ? HARDLY_MS : 0);
    return () => clearTimeout(timer);
  }, [state]);
  if (shown === 'off') return null;
  const live = shown === 'live';
  const Icon = live ? IconPointFilled : IconPlugConnectedX;
  return (
    <div className={classes.live} data-state={shown} role="status" title={t(live ? 'live.onText' : 'live.offText')}>
      <Icon size={14} aria-hidden />
      <span>{t(live ? 'live.on' : 'live.off')}</span>
    </div>
  );
}
