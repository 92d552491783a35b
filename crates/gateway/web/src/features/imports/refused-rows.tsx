import { Button, Skeleton, Text } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { type ReactNode, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { FieldViolation, Import } from '~/shared/api/types';
import { useViolationText } from '~/shared/i18n/violation-text';
import { useFormat } from '~/shared/lib/use-format';
import { ErrorState } from '~/shared/ui/error-state';
import { useImportFieldName } from './field-name';
import classes from './imports.module.css';
import { refusedQuery } from './queries';
import rowClasses from './refused-rows.module.css';

type Props = {
  imported: Import;
  /** Which run refused them: another run refuses other rows. */
  run: string;
  /** How many there are. */
  total: bigint;
};

const ROW_PX = 34;
/** Rows before the loaded end at which the next page is asked for. */
const AHEAD = 40;

/**
 * The refused rows with what is wrong, and all of them as a file to mend. There may be hundreds of thousands: the frame
 * scrolls, more come as its end comes near, and only what is in sight is in the document.
 */
export default function RefusedRows({ imported, run, total }: Props) {
  const { t } = useTranslation('imports');
  const format = useFormat();
  const pages = useInfiniteQuery(refusedQuery(imported.id, run));
  const rows = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.rows), [pages.data]);
  const frame = useRef<HTMLElement>(null);
  const virtualizer = useVirtualizer({
    count: rows.length,
    getScrollElement: () => frame.current,
    estimateSize: () => ROW_PX,
    overscan: 10,
  });
  const items = virtualizer.getVirtualItems();

  const last = items.at(-1)?.index ?? 0;
  const { hasNextPage, isFetching, isFetchNextPageError, fetchNextPage } = pages;
  useEffect(() => {
    if (rows.length > 0 && hasNextPage && !isFetching && !isFetchNextPageError && last >= rows.length - AHEAD) {
      void fetchNextPage();
    }
  }, [rows.length, hasNextPage, isFetching, isFetchNextPageError, last, fetchNextPage]);

  return (
    <>
      <h3 className={classes.sub}>{t('refused.title')}</h3>
      <div className={classes.actions} style={{ marginBottom: 8, marginTop: 0 }}>
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
        <Text size="xs" c="dimmed" component="span">
          {t('refused.help')}
        </Text>
      </div>
      {pages.isPending && <Skeleton height={120} radius="md" />}
      {pages.isError && rows.length === 0 && (
        <ErrorState title={t('refused.failed')} error={pages.error} onRetry={() => void pages.refetch()} />
      )}
      {rows.length > 0 && (
        <>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
          <section ref={frame} className={rowClasses.frame} tabIndex={0} aria-label={t('refused.title')}>
            {/* biome-ignore lint/a11y/useSemanticElements: a table cannot place virtual rows */}
            <div role="table" aria-rowcount={Number(total) + 1} aria-busy={isFetching}>
              {/* biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above */}
              <div role="row" aria-rowindex={1} className={rowClasses.head}>
                {(['line', 'field', 'reason', 'row'] as const).map((column) => (
                  // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above
                  <div key={column} role="columnheader">
                    {t(`refused.${column}`)}
                  </div>
                ))}
              </div>
              {/* biome-ignore lint/a11y/useSemanticElements: as above */}
              <div role="rowgroup" className={rowClasses.body} style={{ height: virtualizer.getTotalSize() }}>
                {items.map((item) => {
                  const row = rows[item.index];
                  if (!row) return null;
                  return (
                    // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above
                    <div
                      key={item.key}
                      role="row"
                      aria-rowindex={item.index + 2}
                      data-index={item.index}
                      ref={virtualizer.measureElement}
                      className={rowClasses.row}
                      style={{ transform: `translateY(${item.start}px)` }}
                    >
                      <Cell head className={rowClasses.line}>
                        {format.number(BigInt(row.line))}
                      </Cell>
                      <Violations violations={row.violations} />
                      <Values values={row.values} />
                    </div>
                  );
                })}
              </div>
            </div>
          </section>
          <div className={classes.line}>
            <span>{t('refused.shown', { shown: format.number(rows.length), total: format.number(total) })}</span>
            {isFetchNextPageError && (
              <Text size="sm" c="var(--mantine-color-error)" role="alert" component="span">
                {t('refused.moreFailed')}
              </Text>
            )}
            {(hasNextPage || isFetchNextPageError) && (
              <Button
                size="compact-sm"
                variant="default"
                loading={pages.isFetchingNextPage}
                onClick={() => void fetchNextPage()}
              >
                {t('more')}
              </Button>
            )}
          </div>
        </>
      )}
    </>
  );
}

function Cell({ children, className, head }: { children: ReactNode; className?: string; head?: boolean }) {
  return (
    <div role={head ? 'rowheader' : 'cell'} className={className}>
      {children}
    </div>
  );
}

/** What stands in the row: the first lines of it, and all of it for whoever asks. */
function Values({ values }: { values: string[] }) {
  const { t } = useTranslation('imports');
  const text = useRef<HTMLElement>(null);
  const [whole, setWhole] = useState(false);
  const [cut, setCut] = useState(false);
  useLayoutEffect(() => {
    const element = text.current;
    if (element && !whole) setCut(element.scrollHeight > element.clientHeight + 1);
  });
  return (
    <Cell className={rowClasses.values}>
      <bdi ref={text} data-whole={whole || undefined}>
        {values.join(' · ')}
      </bdi>
      {(cut || whole) && (
        <Button size="compact-xs" variant="subtle" aria-expanded={whole} onClick={() => setWhole(!whole)}>
          {t(whole ? 'refused.less' : 'refused.whole')}
        </Button>
      )}
    </Cell>
  );
}

/** The fields at fault beside what is wrong with each. */
function Violations({ violations }: { violations: FieldViolation[] }) {
  const fieldName = useImportFieldName();
  const violationText = useViolationText();
  return (
    <>
      <Cell>{violations.map(({ field }) => (field ? fieldName(field) : '—')).join('; ')}</Cell>
      <Cell className={classes.wrong}>{violations.map(violationText).join('; ')}</Cell>
    </>
  );
}
