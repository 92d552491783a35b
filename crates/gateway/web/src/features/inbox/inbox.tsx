import { IconMessages, IconPencil } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback, useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import { useLive, useLiveRefresh } from '~/shared/realtime';
import { useSession } from '~/shared/session';
import { useCommands } from '~/shared/ui/commands';
import { EmptyState } from '~/shared/ui/empty-state';
import { ErrorState } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { useShortcuts } from '~/shared/ui/shortcuts';
import { CustomerPanel } from './customer-panel';
import { DialogList } from './dialog-list';
import classes from './inbox.module.css';
import { dialogQuery } from './queries';
import { renewDialogs } from './renew';
import type { InboxSearch } from './search';
import { ThreadView } from './thread-view';

const LIVE = ['dialogs'];

type Props = { search: InboxSearch; onSearch: (search: InboxSearch, options: { replace: boolean }) => void };

/** Dialogs, the messages of one, and its customer: side by side, or one at a time where there is no room. */
export function Inbox({ search, onSearch }: Props) {
  const { t } = useTranslation('inbox');
  const queryClient = useQueryClient();
  const session = useSession();
  const userId = session?.userId ?? '';
  const list = useRef<HTMLElement>(null);
  const dialogId = search.dialog;
  // Which dialogs have changed since they were last read again; undefined when that is not known.
  const changed = useRef<Set<string> | undefined>(new Set());
  useLive(LIVE, (change) => {
    if (change?.aggregateType === 'dialog') changed.current?.add(change.aggregateId);
    else changed.current = undefined;
  });
  useLiveRefresh(LIVE, () => {
    const ids = changed.current;
    changed.current = new Set();
    void renewDialogs(queryClient, ids);
  });

  const close = useCallback(
    () => onSearch({ ...search, dialog: undefined, panel: undefined }, { replace: false }),
    [search, onSearch],
  );
  const setPanel = useCallback(
    (shown: boolean) => onSearch({ ...search, panel: shown ? 'customer' : undefined }, { replace: !shown }),
    [search, onSearch],
  );
  const reply = useCallback(() => document.querySelector<HTMLElement>('[data-composer]')?.focus(), []);
  useCommands(
    useMemo(
      () =>
        dialogId
          ? [
              {
                id: 'inbox.reply',
                group: t('title'),
                label: t('composer.label'),
                shortcut: 'R',
                icon: IconPencil,
                // The palette gives the focus back first.
                run: () => setTimeout(reply, 50),
              },
            ]
          : [],
      [dialogId, t, reply],
    ),
  );
  useShortcuts({
    r: (event) => {
      event.preventDefault();
      reply();
    },
    j: () => step(list.current, 1),
    k: () => step(list.current, -1),
  });

  const view = dialogId ? (search.panel ?? 'thread') : 'list';
  return (
    <>
      {/* On a phone the list with the title goes when a dialog is open; the page keeps its heading. */}
      <PageHeading hidden takesFocus={dialogId === undefined}>
        {t('title')}
      </PageHeading>
      <div className={classes.inbox} data-view={view}>
        <DialogList ref={list} search={search} userId={userId} onSearch={onSearch} />
        {dialogId ? (
          <Opened
            key={dialogId}
            dialogId={dialogId}
            userId={userId}
            onBack={close}
            panel={search.panel === 'customer'}
            onPanel={setPanel}
          />
        ) : (
          <div className={classes.none}>
            <EmptyState icon={IconMessages} title={t('chooseOne')} text={t('chooseOneText')} />
          </div>
        )}
      </div>
    </>
  );
}

type OpenedProps = {
  dialogId: string;
  userId: string;
  onBack: () => void;
  panel: boolean;
  onPanel: (shown: boolean) => void;
};

function Opened({ dialogId, userId, onBack, panel, onPanel }: OpenedProps) {
  const { t } = useTranslation('inbox');
  const found = useQuery(dialogQuery(dialogId));
  if (!found.data && found.isError) {
    const missing = found.error instanceof ApiError && found.error.isMissing;
    return (
      <div className={classes.none}>
        <ErrorState
          title={t(missing ? 'missing' : 'oneFailed')}
          error={found.error}
          onRetry={() => void found.refetch()}
        />
      </div>
    );
  }
  return (
    <>
      <ThreadView
        dialogId={dialogId}
        dialog={found.data}
        userId={userId}
        onBack={onBack}
        panel={panel}
        onPanel={onPanel}
      />
      <CustomerPanel dialog={found.data} onBack={() => onPanel(false)} />
    </>
  );
}

/** Moves the focus among the dialogs of the list. */
function step(list: HTMLElement | null, by: 1 | -1): void {
  const links = [...(list?.querySelectorAll<HTMLElement>('[data-dialog]') ?? [])];
  const at = links.indexOf(document.activeElement as HTMLElement);
  const open = links.findIndex((link) => link.getAttribute('aria-current') === 'true');
  links[at < 0 ? Math.max(0, open) : Math.max(0, Math.min(links.length - 1, at + by))]?.focus();
}
