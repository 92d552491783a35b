import { ActionIcon, Button } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import classes from './toasts.module.css';

type Toast = { id: number; text: string; action?: { label: string; run: () => void } };

/** Long enough to read it and to reach its button by keyboard; while the pointer or the focus is on it, it stays. */
const SHOWN_MS = 10_000;
const AT_MOST = 3;

let toasts: Toast[] = [];
let next = 1;
const listeners = new Set<() => void>();

function set(changed: Toast[]) {
  toasts = changed;
  for (const listener of listeners) listener();
}

/** Says what has been done, with a way to take it back. */
export function toast(text: string, action?: Toast['action']): void {
  const id = next++;
  set([...toasts, { id, text, ...(action && { action }) }].slice(-AT_MOST));
}

export function Toasts() {
  const { t } = useTranslation();
  const shown = useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => toasts,
  );
  return (
    // The region stands always: a reader only tells of what comes into one that is there.
    <div className={classes.toasts} role="log" aria-live="polite" aria-label={t('toasts')}>
      {shown.map((each) => (
        <ToastCard key={each.id} toast={each} onClose={() => set(toasts.filter(({ id }) => id !== each.id))} />
      ))}
    </div>
  );
}

function ToastCard({ toast: { text, action }, onClose }: { toast: Toast; onClose: () => void }) {
  const { t } = useTranslation();
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return;
    const timer = setTimeout(onClose, SHOWN_MS);
    return () => clearTimeout(timer);
  });
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: only stops the clock while somebody is at it
    <div
      className={classes.toast}
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span>{text}</span>
      {action && (
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            action.run();
            onClose();
          }}
        >
          {action.label}
        </Button>
      )}
      <ActionIcon variant="subtle" color="gray" size={24} aria-label={t('action.close')} onClick={onClose}>
        <IconX size={15} aria-hidden />
      </ActionIcon>
    </div>
  );
}
