import { IconCheck } from '@tabler/icons-react';
import { type ReactNode, useId } from 'react';
import { useTranslation } from 'react-i18next';
import classes from './step.module.css';

type Props = {
  number: number;
  title: string;
  /** Behind us, where we are, or not yet to be done. */
  state: 'done' | 'now' | 'later';
  aside?: ReactNode;
  children?: ReactNode;
};

/** One step of an import. Steps that are done stay readable; those ahead only say what will come. */
export function Step({ number, title, state, aside, children }: Props) {
  const { t } = useTranslation('imports');
  const id = useId();
  return (
    <section
      className={classes.step}
      aria-labelledby={id}
      data-state={state}
      aria-current={state === 'now' ? 'step' : undefined}
    >
      <header className={classes.head}>
        <span className={classes.number} aria-hidden>
          {state === 'done' ? <IconCheck size={14} stroke={2.4} /> : number}
        </span>
        <h2 id={id} className={classes.title}>
          <span className={classes.hidden}>{t('step.number', { number })} </span>
          {title}
          {state === 'done' && <span className={classes.hidden}> {t('step.done')}</span>}
        </h2>
        {aside && <div className={classes.aside}>{aside}</div>}
      </header>
      {children && <div className={classes.body}>{children}</div>}
    </section>
  );
}
