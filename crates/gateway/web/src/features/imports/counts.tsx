import { useTranslation } from 'react-i18next';
import type { ImportKind, ImportProgress } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import classes from './imports.module.css';

type Props = { progress: ImportProgress; kind: ImportKind; trial?: boolean };

/** What came of a run, or would come of it. */
export function Counts({ progress, kind, trial = false }: Props) {
  const { t } = useTranslation('imports');
  const orders = kind === 'IMPORT_KIND_ORDERS';
  const says = trial ? 'would' : 'did';
  const block = (created: string, updated: string, unchanged: string, refused?: string) => (
    <dl className={classes.counts}>
      <One label={t(`count.${says}.created`)} value={created} />
      <One label={t(`count.${says}.updated`)} value={updated} />
      <One label={t(`count.${says}.unchanged`)} value={unchanged} />
      {refused !== undefined && <One label={t('count.refusedRows')} value={refused} />}
    </dl>
  );
  return (
    <>
      {orders && (
        <>
          <h3 className={classes.countsTitle}>{t('kind.IMPORT_KIND_ORDERS')}</h3>
          {block(progress.ordersCreated, progress.ordersUpdated, progress.ordersUnchanged, progress.refused)}
          <h3 className={classes.countsTitle}>{t('kind.IMPORT_KIND_CUSTOMERS')}</h3>
        </>
      )}
      {block(progress.created, progress.updated, progress.unchanged, orders ? undefined : progress.refused)}
    </>
  );
}

function One({ label, value }: { label: string; value: string }) {
  const format = useFormat();
  return (
    <div>
      <dt>{label}</dt>
      <dd>{format.number(BigInt(value))}</dd>
    </div>
  );
}
