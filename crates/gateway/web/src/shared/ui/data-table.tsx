import type { ReactNode } from 'react';
import classes from './data-table.module.css';

type Props = { label: string; children: ReactNode; dense?: boolean };

/** A plain table; cells with `data-numeric` stand right, those with `data-wide` go on a phone. */
export function DataTable({ label, children, dense = false }: Props) {
  return (
    <table className={classes.table} aria-label={label} data-dense={dense || undefined}>
      {children}
    </table>
  );
}
