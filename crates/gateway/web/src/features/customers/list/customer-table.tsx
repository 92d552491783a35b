import { Button, Skeleton } from '@mantine/core';
import { useDebouncedCallback, useElementSize } from '@mantine/hooks';
import { IconArrowDown, IconArrowUp } from '@tabler/icons-react';
import { useTable } from '@tanstack/react-table';
import { defaultRangeExtractor, type Range, useVirtualizer } from '@tanstack/react-virtual';
import {
  type KeyboardEvent,
  type MouseEvent,
  useCallback,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import { useTranslation } from 'react-i18next';
import { useShortcuts } from '~/shared/ui/shortcuts';
import { type ColumnId, features, isPhone, type Row, track, visibleColumns } from './columns';
import classes from './customer-table.module.css';
import { nextSort, sortingOf } from './search';

const ROW_PX = 40;
const ROW_PHONE_PX = 56;
/** Rows before the loaded end at which the next page is asked for. */
const AHEAD = 30;
/** Until the table is measured. */
const UNMEASURED_PX = 1180;
const SKELETON_ROWS = 12;
/** Browsers cap the height of what scrolls; a list this long wants a filter, not more scrolling. */
const MAX_ROWS = 100_000;

type Props = {
  rows: Row[];
  /** How many match; undefined where it is not known exactly. */
  total: number | undefined;
  hasMore: boolean;
  loading: boolean;
  /** The next page could not be had. */
  moreFailed: boolean;
  onMore: () => void;
  sort: string | undefined;
  onSort: (sort: string) => void;
  /** The row one was at. */
  at: number | undefined;
  onAt: (at: number) => void;
  onOpen: (id: string, at: number) => void;
};

/** The list as a grid of virtual rows: only what is in sight is in the document, the whole is announced. */
export function CustomerTable(props: Props) {
  const { rows, total, hasMore, loading, moreFailed, onMore, sort, onSort, at, onAt, onOpen } = props;
  const { t } = useTranslation(['customers', 'common']);
  const scroller = useRef<HTMLDivElement>(null);
  const { ref: measured, width: known } = useElementSize();
  const width = known === 0 ? UNMEASURED_PX : known;
  const phone = isPhone(width);
  const [active, setActive] = useState(at ?? 0);
  // Set when the focus shall follow the active row, which may first have to come into the document.
  const focusWanted = useRef(at !== undefined);
  const restored = useRef(at === undefined);

  const sorting = sortingOf(sort);
  const columns = useMemo(() => visibleColumns(width, sorting.field), [width, sorting.field]);
  const table = useTable({
    features,
    columns,
    data: rows,
    getRowId: ({ customer }) => customer.id,
  });
  const shown = table.getAllLeafColumns();
  const template = { gridTemplateColumns: shown.map((column) => track(column.columnDef.meta)).join(' ') };

  const mayLoad = hasMore && rows.length < MAX_ROWS;
  const firstLoad = loading && rows.length === 0;
  const count = firstLoad ? SKELETON_ROWS : rows.length + (mayLoad ? 3 : 0);
  const last = Math.max(0, rows.length - 1);

  const virtualizer = useVirtualizer({
    count,
    getScrollElement: () => scroller.current,
    estimateSize: () => (phone ? ROW_PHONE_PX : ROW_PX),
    overscan: 12,
    scrollMargin: 0,
    // The row with the focus stays in the document when it is scrolled out of sight: a removed element loses the focus.
    rangeExtractor: useCallback(
      (range: Range) =>
        [...new Set([...defaultRangeExtractor(range), ...(active < range.count ? [active] : [])])].sort(
          (a, b) => a - b,
        ),
      [active],
    ),
  });
  const items = virtualizer.getVirtualItems();
  const lastVisible = virtualizer.range?.endIndex ?? 0;

  // biome-ignore lint/correctness/useExhaustiveDependencies: the heights follow the layout, which only `phone` tells of
  useEffect(() => virtualizer.measure(), [phone]);

  // More rows when the end comes near, or when the place to restore lies beyond what is loaded.
  const wanted = !restored.current && rows.length <= active;
  useEffect(() => {
    if (mayLoad && !loading && !moreFailed && (wanted || lastVisible >= rows.length - AHEAD)) onMore();
  }, [mayLoad, loading, moreFailed, wanted, lastVisible, rows.length, onMore]);

  useEffect(() => {
    if (restored.current || rows.length === 0 || (rows.length <= active && mayLoad)) return;
    restored.current = true;
    const index = Math.min(active, last);
    setActive(index);
    virtualizer.scrollToIndex(index, { align: 'center' });
  }, [rows.length, active, mayLoad, last, virtualizer]);

  // The list was read again and the row one is at has another index: the place goes with the row, not with the index.
  const activeId = useRef<string>(undefined);
  const knownRows = useRef(rows);
  const focused = useRef(false);
  useLayoutEffect(() => {
    const before = knownRows.current;
    knownRows.current = rows;
    const id = activeId.current;
    if (before !== rows && restored.current && id !== undefined && rows[active]?.customer.id !== id) {
      const index = rows.findIndex(({ customer }) => customer.id === id);
      if (index >= 0) {
        const frame = scroller.current;
        // Somebody at the top of the list sees what is new there; elsewhere nothing moves under the eye.
        if (frame && frame.scrollTop > 0) {
          frame.scrollTop += (index - active) * (phone ? ROW_PHONE_PX : ROW_PX);
        }
        setActive(index);
        return;
      }
    }
    activeId.current = rows[active]?.customer.id;
    // A row that was moved in the document has lost the focus that it had.
    if (focused.current && document.activeElement === document.body) focusWanted.current = true;
  }, [rows, active, phone]);

  useEffect(() => {
    if (!focusWanted.current || !restored.current) return;
    const row = scroller.current?.querySelector<HTMLElement>(`[data-index="${active}"]`);
    if (!row) return;
    focusWanted.current = false;
    row.focus({ preventScroll: true });
  });

  const remember = useDebouncedCallback(onAt, 250);
  const moveTo = useCallback(
    (index: number) => {
      const next = Math.max(0, Math.min(index, last));
      focusWanted.current = true;
      setActive(next);
      virtualizer.scrollToIndex(next, { align: 'auto' });
      // A row that is in the document takes the focus at once; another when it has been rendered.
      const row = scroller.current?.querySelector<HTMLElement>(`[data-index="${next}"]`);
      if (row) {
        focusWanted.current = false;
        row.focus({ preventScroll: true });
      }
      remember(next);
    },
    [last, virtualizer, remember],
  );

  // The place follows the eye: after scrolling it is the first row in sight, unless the active one is still visible.
  const onScroll = useDebouncedCallback(() => {
    const range = virtualizer.range;
    if (!range || !restored.current || focusWanted.current) return;
    if (active >= range.startIndex && active <= range.endIndex) return;
    if (scroller.current?.contains(document.activeElement) && document.activeElement?.matches('[data-index]')) return;
    const first = Math.min(range.startIndex + 1, last);
    setActive(first);
    onAt(first);
  }, 200);

  const open = (index: number) => {
    const id = rows[index]?.customer.id;
    if (!id) return;
    remember.cancel();
    onOpen(id, index);
  };

  const pageRows = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 400) / ROW_PX) - 2);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + pageRows,
      PageUp: active - pageRows,
      Home: 0,
      End: last,
    };
    const target = event.target as HTMLElement;
    if (!target.matches('[data-index]')) return;
    if (event.key === 'Enter') {
      event.preventDefault();
      open(active);
      return;
    }
    const next = steps[event.key];
    if (next === undefined) return;
    event.preventDefault();
    moveTo(next);
  };
  const inGrid = () => document.activeElement?.matches('[data-index]') ?? false;
  useShortcuts({
    j: () => moveTo(inGrid() ? active + 1 : active),
    k: () => moveTo(inGrid() ? active - 1 : active),
  });

  return (
    <div className={classes.frame} ref={measured}>
      <div className={classes.scroller} ref={scroller} onScroll={onScroll}>
        {/* biome-ignore lint/a11y/useSemanticElements: a table cannot place virtual rows */}
        <div
          role="grid"
          aria-label={t('list.label')}
          aria-rowcount={total === undefined ? -1 : total + 1}
          aria-colcount={shown.length}
          aria-busy={loading}
          onKeyDown={onKeyDown}
          onFocus={() => {
            focused.current = true;
          }}
          onBlur={() => {
            focused.current = false;
          }}
          tabIndex={-1}
          className={classes.grid}
        >
          {/* biome-ignore lint/a11y/useSemanticElements: as above */}
          {/* biome-ignore lint/a11y/useFocusableInteractive: the group itself takes no focus, its buttons do */}
          <div role="row" aria-rowindex={1} className={classes.head} style={template}>
            {shown.map((column) => {
              const meta = column.columnDef.meta;
              const name = t(`column.${column.id as ColumnId}`);
              const field = meta?.sort;
              const sorted = field !== undefined && sorting.field === field;
              const Arrow = sorting.descending ? IconArrowDown : IconArrowUp;
              return (
                // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above
                <div
                  key={column.id}
                  role="columnheader"
                  aria-sort={sorted ? (sorting.descending ? 'descending' : 'ascending') : undefined}
                  className={classes.headCell}
                  data-numeric={meta?.numeric || undefined}
                >
                  {field ? (
                    <button
                      type="button"
                      className={classes.sort}
                      data-sorted={sorted || undefined}
                      onClick={() => onSort(nextSort(sort, field))}
                    >
                      {name}
                      {sorted && <Arrow size={13} stroke={2} aria-hidden />}
                    </button>
                  ) : (
                    name
                  )}
                </div>
              );
            })}
          </div>
          <div role="presentation" className={classes.body} style={{ height: virtualizer.getTotalSize() }}>
            {items.map((item) => {
              const row = table.getRowModel().rows[item.index];
              const place = { ...template, height: item.size, transform: `translateY(${item.start}px)` };
              if (!row) {
                return (
                  <div key={item.key} role="presentation" aria-hidden className={classes.row} style={place}>
                    {shown.map((column) => (
                      <div
                        key={column.id}
                        className={classes.cell}
                        data-numeric={column.columnDef.meta?.numeric || undefined}
                      >
                        <Skeleton height={10} width={column.id === 'name' ? '70%' : '55%'} />
                      </div>
                    ))}
                  </div>
                );
              }
              return (
                // biome-ignore lint/a11y/useSemanticElements: as above
                <div
                  key={row.id}
                  role="row"
                  aria-rowindex={item.index + 2}
                  data-index={item.index}
                  tabIndex={item.index === active ? 0 : -1}
                  className={classes.row}
                  style={place}
                  onFocus={(event) => event.target === event.currentTarget && setActive(item.index)}
                  onClick={(event: MouseEvent) => {
                    // Links keep what a browser gives them: a new tab, copying the address.
                    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
                    event.preventDefault();
                    open(item.index);
                  }}
                  onKeyDown={() => undefined}
                >
                  {row.getAllCells().map((cell) => (
                    // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: as above; rows take the focus
                    <div
                      key={cell.id}
                      role="gridcell"
                      className={classes.cell}
                      data-numeric={cell.column.columnDef.meta?.numeric || undefined}
                    >
                      {cell.column.columnDef.cell ? <table.FlexRender cell={cell} /> : String(cell.getValue() ?? '')}
                    </div>
                  ))}
                </div>
              );
            })}
          </div>
        </div>
      </div>
      {moreFailed && (
        <div className={classes.foot} role="alert">
          {t('list.moreFailed')}
          <Button size="compact-xs" variant="default" onClick={onMore}>
            {t('common:action.tryAgain')}
          </Button>
        </div>
      )}
      {rows.length >= MAX_ROWS && hasMore && <div className={classes.foot}>{t('list.tooMany')}</div>}
    </div>
  );
}
