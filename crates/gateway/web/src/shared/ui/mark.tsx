import { type ElementType, type ReactNode, useMemo } from 'react';
import classes from './mark.module.css';

export type Tone = 'done' | 'waiting' | 'broken' | 'idle' | 'accent';

type Props = {
  tone: Tone;
  icon?: ElementType<{ size?: number; stroke?: number; 'aria-hidden'?: boolean }>;
  children: ReactNode;
};

/** A state in a word and, where there is one, an icon; the colour only repeats what they say. */
export function Mark({ tone, icon: Icon, children }: Props) {
  const glyph = useMemo(() => (Icon ? <Icon size={13} stroke={2} aria-hidden /> : null), [Icon]);
  return (
    <span className={classes.mark} data-tone={tone}>
      {glyph}
      {children}
    </span>
  );
}
