import classes from './progress-bar.module.css';

type Props = {
  label: string;
  /** From 0 to 1; undefined while it cannot be told. */
  share: number | undefined;
  /** The same in words. */
  text: string;
};

export function ProgressBar({ label, share, text }: Props) {
  const percent = share === undefined ? undefined : Math.floor(share * 100);
  return (
    <div
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={100}
      {...(percent !== undefined && { 'aria-valuenow': percent })}
      aria-valuetext={text}
      className={classes.track}
      data-unknown={share === undefined || undefined}
    >
      <div className={classes.bar} style={{ width: share === undefined ? '30%' : `${share * 100}%` }} />
    </div>
  );
}
