import type { ReactNode } from 'react';
import { useId } from 'react';
import classes from './panel.module.css';

type Props = { title: string; aside?: ReactNode; children: ReactNode; tinted?: boolean };

/** A titled block of a page. */
export function Panel({ title, aside, children, tinted = false }: Props) {
  const id = useId();
  return (
    <section className={classes.panel} aria-labelledby={id} data-tinted={tinted || undefined}>
      <header className={classes.head}>
        <h2 id={id} className={classes.title}>
          {title}
        </h2>
        {aside && <div className={classes.aside}>{aside}</div>}
      </header>
      {children}
    </section>
  );
}
