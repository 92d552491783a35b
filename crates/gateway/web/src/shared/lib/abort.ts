/**
 * A signal that follows several others, and ends by itself after some time. `AbortSignal.any` would do it, but browsers
 * that are otherwise served have not got it. `release` lets go of the others, once nothing waits any more.
 */
export function following(
  signals: readonly AbortSignal[],
  afterMs?: number,
): { signal: AbortSignal; release: () => void } {
  const own = new AbortController();
  const stop = () => own.abort(signals.find(({ aborted }) => aborted)?.reason);
  const timer =
    afterMs === undefined
      ? undefined
      : setTimeout(() => own.abort(new DOMException('it took too long', 'TimeoutError')), afterMs);
  for (const signal of signals) {
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop);
  }
  const release = () => {
    clearTimeout(timer);
    for (const signal of signals) signal.removeEventListener('abort', stop);
  };
  own.signal.addEventListener('abort', release);
  // One that had ended before is followed no more.
  if (own.signal.aborted) release();
  return { signal: own.signal, release };
}
