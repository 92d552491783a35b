import { useCallback, useEffect, useRef, useState } from 'react';
import { useSession } from '~/shared/session';
import { onForget, readDraft, writeDraft } from './drafts';

const SETTLE_MS = 300;

/**
 * What is being written in a form, kept by `drafts` under a name: it outlives a reload and an ended session. `read` makes
 * sense of what was kept, which may be of an earlier release; `isEmpty` says when there is nothing to keep.
 */
export function useDraft<T>(
  name: string,
  { read, isEmpty }: { read: (kept: unknown) => T; isEmpty: (value: T) => boolean },
): { value: T; change: (part: Partial<T>) => void; clear: () => void } {
  const userId = useSession()?.userId ?? '';
  const [value, setValue] = useState<T>(() => read(parse(readDraft(userId, name))));
  const latest = useRef({ value, read, isEmpty });
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);

  const flush = useCallback(() => {
    if (timer.current === undefined) return;
    clearTimeout(timer.current);
    timer.current = undefined;
    const { value: now, isEmpty: nothing } = latest.current;
    writeDraft(userId, name, nothing(now) ? '' : JSON.stringify(now));
  }, [userId, name]);

  useEffect(() => {
    addEventListener('pagehide', flush);
    const stay = onForget(() => {
      clearTimeout(timer.current);
      timer.current = undefined;
    });
    return () => {
      removeEventListener('pagehide', flush);
      flush();
      stay();
    };
  }, [flush]);

  const change = useCallback(
    (part: Partial<T>) => {
      const next = { ...latest.current.value, ...part };
      latest.current.value = next;
      setValue(next);
      clearTimeout(timer.current);
      timer.current = setTimeout(flush, SETTLE_MS);
    },
    [flush],
  );
  const clear = useCallback(() => {
    clearTimeout(timer.current);
    timer.current = undefined;
    writeDraft(userId, name, '');
    latest.current.value = latest.current.read(undefined);
    setValue(latest.current.value);
  }, [userId, name]);
  return { value, change, clear };
}

function parse(kept: string): unknown {
  try {
    return kept === '' ? undefined : JSON.parse(kept);
  } catch {
    return undefined;
  }
}
