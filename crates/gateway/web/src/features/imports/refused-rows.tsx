import { Button, Skeleton } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import type { Import } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { ErrorState } from '~/shared/ui/error-state';
import { useImportFieldName } from './field-name';
import classes from './imports.module.css';
import { refusedQuery } from './queries';

type Props = {
  imported: Import;
  /** Which run refused them: another run refuses other rows. */
  run: string;
};

/** The refused rows with what is wrong, and all of them as a file to mend. */
export function RefusedRows({ imported, run }: Props) {
  const { t } = useTranslation('imports');
  const format = useFormat();
  const fieldName = useImportFieldName();
  const pages = useInfiniteQuery(refusedQuery(imported.id, run));
  const rows = (pages.data?.pages ?? []).flatMap((page) => page.rows);
  return (
    <>
      <h3 className={classes.sub}>{t('refused.title')}</h3>
      <div className={classes.actions} style={{ marginBottom: 8 }}>
        <Button
          component="a"
          href={`/v1/imports/${encodeURIComponent(imported.id)}/refusedRows:download`}
          download
          size="compact-sm"
          variant="default"
          leftSection={<IconDownload size={14} aria-hidden />}
        >
          {t('refused.download')}
        </Button>
        <span className={classes.dim}>{t('refused.help')}</span>
      </div>
      {pages.isPending && <Skeleton height={120} radius="md" />}
      {pages.isError && rows.length === 0 && (
        <ErrorState title={t('refused.failed')} error={pages.error} onRetry={() => void pages.refetch()} />
      )}
      {rows.length > 0 && (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
        <section className={classes.scroll} tabIndex={0} aria-label={t('refused.title')}>
          <table className={classes.grid}>
            <thead>
              <tr>
                <th scope="col">{t('refused.line')}</th>
                <th scope="col">{t('refused.field')}</th>
                <th scope="col">{t('refused.reason')}</th>
                <th scope="col">{t('refused.row')}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.line}>
                  <th scope="row" className={classes.rowHead}>
                    {format.number(BigInt(row.line))}
                  </th>
                  <td>{row.violations.map(({ field }) => (field ? fieldName(field) : '—')).join('; ')}</td>
                  <td className={classes.wrong}>{row.violations.map(({ description }) => description).join('; ')}</td>
                  <td className={classes.samples}>{row.values.join(' · ')}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      {(pages.hasNextPage || pages.isFetchNextPageError) && (
        <Button
          mt="xs"
          size="compact-sm"
          variant="default"
          loading={pages.isFetchingNextPage}
          onClick={() => void pages.fetchNextPage()}
        >
          {t('more')}
        </Button>
      )}
    </>
  );
}
