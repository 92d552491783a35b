import { Button, Text } from '@mantine/core';
import { IconCloudOff } from '@tabler/icons-react';
import { type ComponentType, type ReactNode, useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import classes from './states.module.css';

type Options = {
  /** What stands there until the code has come. */
  waiting?: ReactNode;
  /** True where nothing is to be said when it does not come: what it does can be done in another way, or later. */
  silent?: boolean;
};

/**
 * A part of a page whose code comes when it is first shown. Where it does not come, only the part is missing: the page
 * around it stays, with all that was typed there.
 */
export function lazyPart<P extends object>(
  load: () => Promise<{ default: ComponentType<P> }>,
  { waiting = null, silent = false }: Options = {},
): ComponentType<P> {
  let known: ComponentType<P> | undefined;
  return function Part(props: P) {
    const [Shown, setShown] = useState(() => known);
    const [failed, setFailed] = useState(false);
    const wanted = !Shown && !failed;
    useEffect(() => {
      if (!wanted) return;
      let left = false;
      load().then(
        (module) => {
          known = module.default;
          if (!left) setShown(() => module.default);
        },
        () => {
          if (!left) setFailed(true);
        },
      );
      return () => {
        left = true;
      };
    }, [wanted]);
    if (Shown) return <Shown {...props} />;
    if (failed) return silent ? null : <MissingPart onRetry={() => setFailed(false)} />;
    return waiting;
  };
}

function MissingPart({ onRetry }: { onRetry: () => void }) {
  const { t } = useTranslation();
  return (
    <div className={classes.state} role="alert">
      <IconCloudOff size={24} stroke={1.6} aria-hidden className={classes.broken} />
      <Text size="sm" fw={600}>
        {t('error.missing')}
      </Text>
      <Button size="xs" variant="default" onClick={onRetry}>
        {t('action.tryAgain')}
      </Button>
    </div>
  );
}
