import { Tooltip } from '@mantine/core';
import { useEffect, useState } from 'react';
import { useFormat } from '~/shared/lib/use-format';
import classes from './when.module.css';

const MINUTE_MS = 60_000;

type Props = {
  at: string | Date;
  /** "3 days ago" unless said otherwise; the day, or the time of a day that is named beside it. */
  show?: 'relative' | 'day' | 'time';
  className?: string;
};

/** A moment in few words; the exact one shows on hover, focus and touch. */
export function When({ at, show = 'relative', className }: Props) {
  const format = useFormat();
  const [now, setNow] = useState(() => new Date());
  useEffect(() => {
    if (show !== 'relative') return;
    const timer = setInterval(() => setNow(new Date()), MINUTE_MS);
    return () => clearInterval(timer);
  }, [show]);
  const moment = typeof at === 'string' ? new Date(at) : at;
  // The clock of the page may be behind: a moment just read must not lie in the future.
  const reference = new Date(Math.max(now.getTime(), Date.now()));
  return (
    <Tooltip label={format.exact(moment)} events={{ hover: true, focus: true, touch: true }} withArrow>
      <time
        dateTime={moment.toISOString()}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the exact time must be reachable by keyboard
        tabIndex={0}
        className={[classes.when, className].filter(Boolean).join(' ')}
      >
        {show === 'relative'
          ? format.relative(moment, reference)
          : show === 'day'
            ? format.day(moment)
            : format.time(moment)}
      </time>
    </Tooltip>
  );
}
