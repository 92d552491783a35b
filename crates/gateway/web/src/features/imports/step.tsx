import { IconCheck } from '@tabler/icons-react';
import { type ReactNode, useEffect, useId, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import classes from './step.module.css';

type Props = {
  number: number;
  title: string;
  /** Behind us, where we are, or not yet to be done. */
  state: 'done' | 'now' | 'later';
  aside?: ReactNode;
  /** What is settled is folded away, one press from being read again. */
  folded?: boolean;
  children?: ReactNode;
};

/** One step of an import. Steps that are done stay readable; those ahead only say what will come. */
export function Step({ number, title, state, aside, folded = false, children }: Props) {
  const { t } = useTranslation('imports');
  const id = useId();
  const heading = useRef<HTMLHeadingElement>(null);
  const focused = useRef(false);
  const [opened, setOpened] = useState(false);
  // A button that has done its work goes, and the focus with it: then the heading of the step takes it, so that the
  // keyboard goes on from here and not from the top of the page.
  useEffect(() => {
    if (focused.current && document.activeElement === document.body) heading.current?.focus({ preventScroll: true });
  });
  return (
    <section
      className={classes.step}
      onFocus={() => {
        focused.current = true;
      }}
      onBlur={({ target, relatedTarget }) => {
        // A button that is disabled while it works loses the focus as well: that is nobody's wish.
        focused.current = relatedTarget === null && target.matches(':disabled');
      }}
      aria-labelledby={id}
      data-state={state}
      aria-current={state === 'now' ? 'step' : undefined}
    >
      <header className={classes.head}>
        <span className={classes.number} aria-hidden>
          {state === 'done' ? <IconCheck size={14} stroke={2.4} /> : number}
        </span>
        <h2 id={id} ref={heading} tabIndex={-1} className={classes.title}>
          <span className={classes.hidden}>{t('step.number', { number })} </span>
          {title}
          {state === 'done' && <span className={classes.hidden}> {t('step.done')}</span>}
        </h2>
        {aside && <div className={classes.aside}>{aside}</div>}
      </header>
      {children && folded && (
        <details className={classes.body} onToggle={(event) => setOpened(event.currentTarget.open)}>
          <summary className={classes.fold}>
            {t(opened ? 'step.hide' : 'step.show')}
            <span className={classes.hidden}>: {title}</span>
          </summary>
          {children}
        </details>
      )}
      {children && !folded && <div className={classes.body}>{children}</div>}
    </section>
  );
}
