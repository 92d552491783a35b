import { useEffect, useState } from 'react';

/** Gives the focus back to what had it when the calling dialog opened, once the dialog is gone. */
export function useFocusReturn(): void {
  const [origin] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      if (origin instanceof HTMLElement && origin.isConnected) origin.focus({ preventScroll: true });
    },
    [origin],
  );
}
