import { useEffect, useState } from 'react';

/** After so long without a row somebody asks what is the matter. */
const LONG_MS = 15_000;

/** Whether something that should move has not moved for a while, as this page sees it. */
export function useStill(value: string | undefined): boolean {
  const [still, setStill] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: another value begins the waiting anew
  useEffect(() => {
    setStill(false);
    const timer = setTimeout(() => setStill(true), LONG_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return still;
}
