import { Title } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';
import classes from './page-heading.module.css';

type Props = {
  children: ReactNode;
  /** The title of the window; the text of the heading when it is plain text. */
  title?: string;
  /** False where something else on the page takes the focus after navigation, for instance the row one came from. */
  takesFocus?: boolean;
  /** True while something else stands in its place; readers still find it. */
  hidden?: boolean;
};

/** The heading of a page: takes the focus after navigation, so that the keyboard and readers start at the top of the page. */
export function PageHeading({ children, title, takesFocus = true, hidden = false }: Props) {
  const ref = useRef<HTMLHeadingElement>(null);
  const name = title ?? (typeof children === 'string' ? children : undefined);

  useEffect(() => {
    if (takesFocus) ref.current?.focus({ preventScroll: true });
  }, [takesFocus]);

  useEffect(() => {
    document.title = name ? `${name} · Clientele` : 'Clientele';
  }, [name]);

  return (
    <Title order={1} ref={ref} tabIndex={-1} className={classes.heading} data-hidden={hidden || undefined}>
      {children}
    </Title>
  );
}
