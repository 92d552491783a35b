import { Button, CloseButton, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { IconPlus, IconSearch, IconUserSearch, IconUsers } from '@tabler/icons-react';
import { useInfiniteQuery, useQueries, useQueryClient } from '@tanstack/react-query';
import { useCallback, useEffect, useMemo, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat } from '~/shared/lib/use-format';
import { useLiveRefresh } from '~/shared/realtime';
import { useMay } from '~/shared/session';
import { useCommands } from '~/shared/ui/commands';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { PageHeading } from '~/shared/ui/page-heading';
import { lazyPart } from '~/shared/ui/part';
import { useShortcuts } from '~/shared/ui/shortcuts';
import { rememberList } from '../last-list';
import type { Row } from './columns';
import classes from './customer-list.module.css';
import { CustomerTable } from './customer-table';
import { FilterButton, FilterChips } from './filter-bar';
import filterBar from './filter-bar.module.css';
import { customersQuery, figuresKey, figuresQuery } from './queries';
import { FILTER_KEYS, type Filters, type ListSearch } from './search';

const CreateCustomer = lazyPart(() => import('../create/create-customer'));

type Props = {
  search: ListSearch;
  /** Puts a new state into the address; `replace` where going back should not stop at it. */
  onSearch: (search: ListSearch, options: { replace: boolean }) => void;
  /** Opens a card; from a row, with the row's index as the place to come back to. */
  onOpen: (id: string, at?: number) => void;
};

export function CustomerList({ search, onSearch, onOpen }: Props) {
  const { t } = useTranslation('customers');
  const filters: Filters = Object.fromEntries(FILTER_KEYS.map((key) => [key, search[key]]));
  const mayWrite = useMay('customers.customer.write');
  const input = useRef<HTMLInputElement>(null);

  const list = useInfiniteQuery(customersQuery(search.q, filters, search.sort));
  const pages = list.data?.pages ?? [];
  const rows = useRows(pages);
  const first = pages[0];
  const total = first ? Number(first.totalSize) : undefined;
  const estimated = first?.totalSizeEstimated ?? false;

  // Another question starts at the top; the same question keeps its place.
  const change = useCallback(
    (part: ListSearch, replace = false) => onSearch({ ...search, at: undefined, ...part }, { replace }),
    [search, onSearch],
  );
  const setOpened = useCallback(
    (open: boolean) => onSearch({ ...search, new: open ? 'yes' : undefined }, { replace: !open }),
    [search, onSearch],
  );

  useCommands(
    useMemo(
      () => [
        ...(mayWrite
          ? [
              {
                id: 'customer.new',
                group: t('list.title'),
                label: t('create.title'),
                shortcut: 'N',
                icon: IconPlus,
                run: () => setOpened(true),
              },
            ]
          : []),
        {
          id: 'customer.search',
          group: t('list.title'),
          label: t('list.search'),
          shortcut: '/',
          icon: IconSearch,
          run: () => setTimeout(() => input.current?.focus(), 0),
        },
      ],
      [mayWrite, t, setOpened],
    ),
  );
  useShortcuts({
    '/': (event) => {
      event.preventDefault();
      input.current?.focus();
    },
    n: (event) => {
      if (!mayWrite) return;
      event.preventDefault();
      setOpened(true);
    },
  });

  useEffect(() => rememberList(search), [search]);

  const identity = JSON.stringify([search.q, filters, search.sort]);
  const news = useListNews(pages.length, list.dataUpdatedAt, list.refetch);

  const totalText = useTotalText(total, estimated);
  // Said once for each question: the list is read again whenever something changes.
  const told = useRef('');
  useEffect(() => {
    if (!totalText || list.isFetching || told.current === identity) return;
    told.current = identity;
    announce(totalText);
  }, [totalText, list.isFetching, identity]);

  const { fetchNextPage } = list;
  const onMore = useCallback(() => void fetchNextPage(), [fetchNextPage]);
  const narrowed = Boolean(search.q) || FILTER_KEYS.some((key) => search[key]);

  return (
    <div className={classes.page}>
      <header className={classes.head}>
        <PageHeading takesFocus={search.at === undefined}>{t('list.title')}</PageHeading>
        <span className={classes.total}>{totalText}</span>
        <div className={classes.tools}>
          <SearchBox inputRef={input} value={search.q ?? ''} onChange={(q) => change({ q: q || undefined }, true)} />
          <FilterButton filters={filters} onChange={(changed) => change(changed)} />
          {mayWrite && (
            <Button
              className={filterBar.button}
              leftSection={<IconPlus size={16} aria-hidden />}
              onClick={() => setOpened(true)}
              aria-keyshortcuts="N"
            >
              {t('create.button')}
            </Button>
          )}
        </div>
      </header>
      {news.waiting && (
        <div className={classes.news} role="status">
          {t('list.news')}
          <Button size="compact-xs" variant="default" loading={list.isFetching} onClick={news.show}>
            {t('list.showNews')}
          </Button>
        </div>
      )}
      <FilterChips filters={filters} onChange={(changed) => change(changed)} />
      {list.isError && rows.length === 0 ? (
        <ErrorState title={t('list.failed')} error={list.error} onRetry={() => void list.refetch()} />
      ) : list.isSuccess && rows.length === 0 ? (
        narrowed ? (
          <EmptyState
            icon={IconUserSearch}
            title={t('list.noMatch')}
            text={t('list.noMatchText')}
            action={
              <Button variant="default" onClick={() => onSearch({ sort: search.sort }, { replace: false })}>
                {t('list.showAll')}
              </Button>
            }
          />
        ) : (
          <EmptyState
            icon={IconUsers}
            title={t('list.empty')}
            text={t('list.emptyText')}
            action={mayWrite ? <Button onClick={() => setOpened(true)}>{t('create.title')}</Button> : undefined}
          />
        )
      ) : (
        <CustomerTable
          key={identity}
          rows={rows}
          total={total === undefined || estimated ? undefined : total}
          hasMore={list.hasNextPage}
          loading={list.isFetching}
          moreFailed={list.isFetchNextPageError}
          onMore={onMore}
          sort={search.sort}
          onSort={(sort) => change({ sort })}
          at={search.at}
          onAt={(at) => at !== (search.at ?? 0) && onSearch({ ...search, at: at || undefined }, { replace: true })}
          onOpen={onOpen}
        />
      )}
      {search.new && mayWrite && <CreateCustomer onClose={() => setOpened(false)} onCreated={onOpen} />}
    </div>
  );
}

/** So many pages are read again by themselves when a customer changes; of a longer list one is told, and asks. */
const PAGES_READ_AGAIN = 5;
/** A list that is slow to read is read again more seldom: it takes at most a fifth of the time. */
const SHARE = 4;
const SHORTEST_GAP_MS = 500;

/** Keeps the list as it is on the server: its place and its focus stay, only what has changed is drawn anew. */
function useListNews(
  loaded: number,
  readAt: number,
  refetch: () => Promise<unknown>,
): { waiting: boolean; show: () => void } {
  const queryClient = useQueryClient();
  const [waiting, setWaiting] = useState(false);
  const [gap, setGap] = useState(SHORTEST_GAP_MS);
  const read = async () => {
    const began = performance.now();
    await refetch();
    // Only what is on the page: figures of other lists are read again when these are shown.
    await queryClient.invalidateQueries({ queryKey: figuresKey });
    setGap(Math.max(SHORTEST_GAP_MS, (performance.now() - began) * SHARE));
  };
  const changed = () => {
    if (loaded > PAGES_READ_AGAIN) setWaiting(true);
    else if (loaded > 0) void read();
  };
  useLiveRefresh(['customers'], changed, gap);
  // Coming back to the list: it stands as it was left, and nothing was heard of changes meanwhile.
  const atFirst = useRef(changed);
  const [left] = useState(() => readAt > 0 && Date.now() - readAt > SHORTEST_GAP_MS);
  useEffect(() => {
    if (left) atFirst.current();
  }, [left]);
  const show = () => {
    setWaiting(false);
    void read();
  };
  return { waiting, show };
}

/** The rows of all pages, with figures that are asked for page by page and may come later or not at all. */
function useRows(pages: { customers: Row['customer'][] }[]): Row[] {
  const mayFigures = useMay('analytics.metric.read');
  const figures = useQueries({
    queries: pages.map((page) => {
      const ids = page.customers.map(({ id }) => id);
      return { ...figuresQuery(ids), enabled: mayFigures && ids.length > 0 };
    }),
    combine: (results) => results.map(({ data, isError }) => (isError ? null : data)),
  });
  return useMemo(
    () =>
      pages.flatMap((page, index) =>
        page.customers.map((customer) => {
          const known = figures[index];
          const metrics = !mayFigures || known === null ? null : known ? (known.get(customer.id) ?? null) : undefined;
          return { customer, metrics };
        }),
      ),
    [pages, figures, mayFigures],
  );
}

function useTotalText(total: number | undefined, estimated: boolean): string {
  const { t } = useTranslation('customers');
  const format = useFormat();
  if (total === undefined) return '';
  const shown = format.number(total);
  return estimated ? t('list.totalAbout', { count: total, shown }) : t('list.total', { count: total, shown });
}

type SearchBoxProps = {
  inputRef: React.RefObject<HTMLInputElement | null>;
  value: string;
  onChange: (value: string) => void;
};

/** The search: asks when the typing pauses, at once on Enter. */
function SearchBox({ inputRef, value, onChange }: SearchBoxProps) {
  const { t } = useTranslation('customers');
  const [text, setText] = useState(value);
  const [shown, setShown] = useState(value);
  const settle = useDebouncedCallback(onChange, 250);
  // The address changed by other means (back, "show all"): the box follows.
  if (shown !== value) {
    setShown(value);
    if (text.trim() !== value) setText(value);
  }
  const type = (next: string) => {
    setText(next);
    settle(next.trim());
  };
  return (
    <TextInput
      ref={inputRef}
      type="search"
      className={classes.search}
      value={text}
      maxLength={200}
      onChange={(event) => type(event.currentTarget.value)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') {
          settle.cancel();
          onChange(text.trim());
        }
        if (event.key === 'Escape') {
          // Left to itself the browser would empty the field.
          event.preventDefault();
          inputRef.current?.blur();
        }
      }}
      placeholder={t('list.search')}
      aria-label={t('list.search')}
      aria-keyshortcuts="/"
      leftSection={<IconSearch size={16} aria-hidden />}
      rightSection={
        text ? (
          <CloseButton
            size="sm"
            aria-label={t('list.clearSearch')}
            onClick={() => {
              settle.cancel();
              setText('');
              onChange('');
              inputRef.current?.focus();
            }}
          />
        ) : undefined
      }
    />
  );
}
