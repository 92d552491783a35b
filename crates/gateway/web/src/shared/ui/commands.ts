import type { ElementType } from 'react';
import { useEffect, useId, useSyncExternalStore } from 'react';

/** Something that can be done from the command palette. */
export type Command = {
  id: string;
  label: string;
  group: string;
  /** Further words by which it is found. */
  keywords?: string[];
  shortcut?: string;
  icon?: ElementType<{ size?: number; stroke?: number; 'aria-hidden'?: boolean }>;
  run: () => void;
};

const sources = new Map<string, Command[]>();
const listeners = new Set<() => void>();
let snapshot: Command[] = [];

function publish() {
  snapshot = [...sources.values()].flat();
  for (const listener of listeners) listener();
}

/** Offers commands in the palette while the calling component is shown. The list must keep its identity between renders. */
export function useCommands(commands: Command[]): void {
  const source = useId();
  useEffect(() => {
    sources.set(source, commands);
    publish();
    return () => {
      sources.delete(source);
      publish();
    };
  }, [source, commands]);
}

export function useAllCommands(): Command[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => snapshot,
  );
}
