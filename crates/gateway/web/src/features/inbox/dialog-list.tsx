import { Button, Checkbox, NativeSelect, Skeleton } from '@mantine/core';
import { IconMessages } from '@tabler/icons-react';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type KeyboardEvent, type Ref, useEffect, useRef, useSyncExternalStore } from 'react';
import { useTranslation } from 'react-i18next';
import type { Customer, Dialog } from '~/shared/api/types';
import { readDraft, subscribeDrafts } from '~/shared/lib/drafts';
import { useFormat } from '~/shared/lib/use-format';
import { useMay } from '~/shared/session';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { draftName } from './composer';
import classes from './dialog-list.module.css';
import { dialogsQuery } from './queries';
import type { InboxSearch } from './search';
import { useDialogName, useNoteText } from './texts';

/** So far before its end the list is read on. */
const AHEAD = '600px';

type Props = {
  ref: Ref<HTMLElement>;
  search: InboxSearch;
  userId: string;
  onSearch: (search: InboxSearch, options: { replace: boolean }) => void;
};

/** The dialogs that fit the filter, the one with the latest message first. */
export function DialogList({ ref, search, userId, onSearch }: Props) {
  const { t } = useTranslation('inbox');
  const format = useFormat();
  const mayCustomers = useMay('customers.customer.read');
  const list = useInfiniteQuery({
    ...dialogsQuery(search, userId, mayCustomers),
    enabled: userId !== '',
    placeholderData: keepPreviousData,
  });
  const pages = list.data?.pages ?? [];
  const dialogs = pages.flatMap((page) =>
    page.dialogs.map((dialog) => ({ dialog, customer: page.names.get(dialog.customerId) })),
  );
  const total = pages[0] && Number(pages[0].totalSize);
  const filter = (part: Partial<InboxSearch>) => onSearch({ ...search, ...part }, { replace: true });

  const more = useRef<HTMLButtonElement>(null);
  const { hasNextPage, isFetching, isFetchNextPageError, fetchNextPage } = list;
  const mayReadOn = hasNextPage && !isFetching && !isFetchNextPageError;
  useEffect(() => {
    const end = more.current;
    if (!mayReadOn || !end) return;
    const sight = new IntersectionObserver(
      (entries) => {
        if (entries.some(({ isIntersecting }) => isIntersecting)) void fetchNextPage();
      },
      { root: end.parentElement, rootMargin: AHEAD },
    );
    sight.observe(end);
    return () => sight.disconnect();
  }, [mayReadOn, fetchNextPage]);

  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (by === 0 || !(event.target as HTMLElement).matches('[data-dialog]')) return;
    event.preventDefault();
    const links = [...event.currentTarget.querySelectorAll<HTMLElement>('[data-dialog]')];
    links[links.indexOf(event.target as HTMLElement) + by]?.focus();
  };

  return (
    <section ref={ref} className={classes.list} aria-label={t('list.label')} onKeyDown={onKeyDown}>
      <header className={classes.head}>
        <div className={classes.titleLine}>
          <span className={classes.title} aria-hidden>
            {t('title')}
          </span>
          {total !== undefined && (
            <span className={classes.total}>{t('list.total', { count: total, shown: format.number(total) })}</span>
          )}
        </div>
        <div className={classes.filters}>
          <NativeSelect
            size="xs"
            aria-label={t('filter.state')}
            value={search.state ?? 'open'}
            onChange={(event) => {
              const { value } = event.currentTarget;
              filter({ state: value === 'closed' || value === 'all' ? value : undefined });
            }}
            data={(['open', 'closed', 'all'] as const).map((value) => ({ value, label: t(`filter.states.${value}`) }))}
          />
          <NativeSelect
            size="xs"
            aria-label={t('filter.assignee')}
            value={search.assignee ?? 'all'}
            onChange={(event) => {
              const { value } = event.currentTarget;
              filter({ assignee: value === 'mine' || value === 'nobody' ? value : undefined });
            }}
            data={(['all', 'mine', 'nobody'] as const).map((value) => ({
              value,
              label: t(`filter.assignees.${value}`),
            }))}
          />
          <Checkbox
            size="xs"
            label={t('filter.unread')}
            checked={search.unread === 'yes'}
            onChange={(event) => filter({ unread: event.currentTarget.checked ? 'yes' : undefined })}
          />
        </div>
      </header>
      <div className={classes.scroller} aria-busy={list.isFetching}>
        {list.isPending && (
          <div className={classes.skeleton}>
            <Skeleton height={52} />
            <Skeleton height={52} />
            <Skeleton height={52} />
          </div>
        )}
        {list.isError && dialogs.length === 0 && (
          <ErrorState title={t('list.failed')} error={list.error} onRetry={() => void list.refetch()} />
        )}
        {list.isSuccess && dialogs.length === 0 && (
          <EmptyState
            icon={IconMessages}
            title={t('list.empty')}
            text={t('list.emptyText')}
            action={
              search.state || search.assignee || search.unread ? (
                <Button
                  size="xs"
                  variant="default"
                  onClick={() => filter({ state: 'all', assignee: undefined, unread: undefined })}
                >
                  {t('list.showAll')}
                </Button>
              ) : undefined
            }
          />
        )}
        <ul className={classes.items}>
          {dialogs.map(({ dialog, customer }) => (
            <Item key={dialog.id} dialog={dialog} customer={customer} userId={userId} search={search} />
          ))}
        </ul>
        {(list.hasNextPage || list.isFetchNextPageError) && (
          <Button
            ref={more}
            className={classes.more}
            size="compact-sm"
            variant="default"
            loading={list.isFetchingNextPage}
            onClick={() => void list.fetchNextPage()}
          >
            {t('list.more')}
          </Button>
        )}
      </div>
    </section>
  );
}

type ItemProps = { dialog: Dialog; customer: Customer | undefined; userId: string; search: InboxSearch };

function Item({ dialog, customer, userId, search }: ItemProps) {
  const { t } = useTranslation('inbox');
  const format = useFormat();
  const nameOf = useDialogName();
  const noteText = useNoteText();
  const draft = useSyncExternalStore(subscribeDrafts, () => readDraft(userId, draftName(dialog.id)));
  const { lastMessage: last, unreadCount: unread } = dialog;
  const at = dialog.lastMessageAt ? new Date(dialog.lastMessageAt) : undefined;
  const today = at?.toDateString() === new Date().toDateString();
  return (
    <li>
      <Link
        to="/inbox"
        search={{ ...search, dialog: dialog.id, panel: undefined }}
        className={classes.item}
        data-dialog
        data-unread={unread > 0 || undefined}
        aria-current={search.dialog === dialog.id}
      >
        <span className={classes.name}>{nameOf(dialog, customer)}</span>
        {at && (
          <time dateTime={at.toISOString()} className={classes.time}>
            {today ? format.time(at) : format.day(at)}
          </time>
        )}
        <span className={classes.last}>
          {draft ? (
            <>
              <span className={classes.draft}>{t('list.draft')}</span> {draft}
            </>
          ) : last?.kind === 'DIALOG_MESSAGE_KIND_SYSTEM' ? (
            noteText(last, new Map())
          ) : last ? (
            `${last.kind === 'DIALOG_MESSAGE_KIND_COLLEAGUE' ? `${t(last.userId === userId ? 'you' : 'us')}: ` : ''}${last.text}`
          ) : (
            ''
          )}
        </span>
        {unread > 0 && (
          <span className={classes.unread}>
            <span aria-hidden>{format.number(unread)}</span>
            <span className={classes.hidden}>{t('list.unread', { count: unread, shown: format.number(unread) })}</span>
          </span>
        )}
        <span className={classes.channel}>
          {dialog.channelName}
          {dialog.state === 'DIALOG_STATE_CLOSED' && ` · ${t('closed')}`}
          {dialog.state !== 'DIALOG_STATE_CLOSED' && dialog.assigneeId === '' && ` · ${t('unassigned')}`}
        </span>
      </Link>
    </li>
  );
}
