import { Text } from '@mantine/core';
import type { ElementType, ReactNode } from 'react';
import classes from './states.module.css';

type Props = {
  icon: ElementType<{ size?: number; stroke?: number; className?: string; 'aria-hidden'?: boolean }>;
  title: string;
  text?: string;
  /** The one action that fills the place. */
  action?: ReactNode;
};

/** Nothing here: what would be, and the one action that fills it. */
export function EmptyState({ icon: Icon, title, text, action }: Props) {
  return (
    <div className={classes.state}>
      <Icon size={28} stroke={1.4} aria-hidden className={classes.idle} />
      <Text fw={600}>{title}</Text>
      {text && (
        <Text size="sm" c="dimmed">
          {text}
        </Text>
      )}
      {action}
    </div>
  );
}
