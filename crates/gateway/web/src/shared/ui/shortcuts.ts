import { useHotkeys } from '@mantine/hooks';
import { useSyncExternalStore } from 'react';
import { browserKept } from '~/shared/lib/kept';

const STORED = 'clientele.shortcuts';
const listeners = new Set<() => void>();

function enabled(): boolean {
  return browserKept.read(STORED) !== 'off';
}

/** Single-key shortcuts can be switched off: speech input and a slip of the hand would trigger them. */
export function setShortcuts(on: boolean): void {
  browserKept.write(STORED, on ? 'on' : 'off');
  for (const listener of listeners) listener();
}

export function useShortcutsEnabled(): boolean {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, enabled);
}

/** Single-key shortcuts of a page; silent while something is typed, while a dialog is open, and when switched off. */
export function useShortcuts(keys: Record<string, (event: KeyboardEvent) => void>): void {
  const on = useShortcutsEnabled();
  useHotkeys(
    Object.entries(keys).map(([key, run]) => [
      key,
      (event) => {
        if (on && !document.querySelector('[role="dialog"]')) run(event);
      },
      { preventDefault: false },
    ]),
  );
}
