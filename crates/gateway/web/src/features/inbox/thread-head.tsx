import { ActionIcon, Button, NativeSelect, Text } from '@mantine/core';
import { IconArrowLeft, IconCheck, IconUser, IconUserCheck } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body } from '~/shared/api/client';
import type { Dialog } from '~/shared/api/types';
import { useMay, useSession } from '~/shared/session';
import { colleaguesQuery } from '~/shared/session/people';
import { useCommands } from '~/shared/ui/commands';
import { useErrorWords } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { Mark } from '~/shared/ui/mark';
import { dialogQuery } from './queries';
import { renewDialogs } from './renew';
import classes from './thread-view.module.css';

type Props = {
  dialog: Dialog | undefined;
  name: string;
  userId: string;
  names: ReadonlyMap<string, string>;
  onBack: () => void;
  panel: boolean;
  onPanel: (shown: boolean) => void;
};

/** Who it is with, who is responsible, and closing it. */
export function ThreadHead({ dialog, name, userId, names, onBack, panel, onPanel }: Props) {
  const { t } = useTranslation('inbox');
  const queryClient = useQueryClient();
  const wordsOf = useErrorWords();
  const session = useSession();
  const mayWrite = useMay('messaging.dialog.write');
  const mayReassign = useMay('messaging.dialog.reassign');
  const mayUsers = useMay('identity.user.read');
  const heading = useRef<HTMLHeadingElement>(null);
  const dialogId = dialog?.id ?? '';

  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  useEffect(() => {
    document.title = `${name} · Clientele`;
    return () => {
      document.title = `${t('title')} · Clientele`;
    };
  }, [name, t]);

  const change = useMutation({
    mutationFn: (to: { assignee: string } | 'closed') => {
      const params = { path: { dialogId } };
      return to === 'closed'
        ? body(api.POST('/v1/dialogs/{dialogId}:close', { params, body: {} }))
        : body(api.POST('/v1/dialogs/{dialogId}:assign', { params, body: { assigneeId: to.assignee } }));
    },
    onSuccess: (changed, to) => {
      queryClient.setQueryData(dialogQuery(dialogId).queryKey, changed);
      announce(t(to === 'closed' ? 'note.closed' : changed.assigneeId ? 'announceAssigned' : 'note.unassigned'));
    },
    onSettled: () => {
      void queryClient.invalidateQueries({ queryKey: ['dialogs', 'one', dialogId] });
      void renewDialogs(queryClient, new Set([dialogId]));
    },
  });
  const { mutate } = change;

  const free = dialog !== undefined && (dialog.assigneeId === '' || dialog.assigneeId === userId || mayReassign);
  const mine = dialog?.assigneeId === userId;
  const open = dialog?.state === 'DIALOG_STATE_OPEN';
  const colleagues = useQuery({ ...colleaguesQuery, enabled: mayUsers && mayWrite && free });
  const people = (colleagues.data ?? []).filter(({ id }) => id !== userId);
  const assigneeName = dialog?.assigneeId ? (names.get(dialog.assigneeId) ?? t('us')) : t('nobody');

  useCommands(
    useMemo(
      () => [
        ...(mayWrite && free && !mine
          ? [
              {
                id: 'dialog.take',
                group: t('title'),
                label: t('action.take'),
                icon: IconUserCheck,
                run: () => mutate({ assignee: userId }),
              },
            ]
          : []),
        ...(mayWrite && open && free
          ? [
              {
                id: 'dialog.close',
                group: t('title'),
                label: t('action.close'),
                icon: IconCheck,
                run: () => mutate('closed'),
              },
            ]
          : []),
      ],
      [t, mayWrite, free, mine, open, userId, mutate],
    ),
  );

  return (
    <header className={classes.head}>
      <ActionIcon
        className={classes.back}
        variant="subtle"
        color="gray"
        size="lg"
        aria-label={t('action.back')}
        onClick={onBack}
      >
        <IconArrowLeft size={18} aria-hidden />
      </ActionIcon>
      <div className={classes.who}>
        <h2 ref={heading} tabIndex={-1} className={classes.name}>
          {name}
        </h2>
        <span className={classes.channel}>{dialog?.channelName}</span>
      </div>
      {dialog && !open && (
        <Mark tone="idle" icon={IconCheck}>
          {t('closed')}
        </Mark>
      )}
      <div className={classes.actions}>
        {dialog && mayWrite && colleagues.data && free ? (
          <NativeSelect
            size="xs"
            className={classes.assignee}
            aria-label={t('action.assign')}
            value={dialog.assigneeId}
            disabled={change.isPending}
            onChange={(event) => change.mutate({ assignee: event.currentTarget.value })}
            data={[
              { value: '', label: t('nobody') },
              { value: userId, label: t('action.me', { name: session?.displayName ?? '' }) },
              ...people.map((one) => ({ value: one.id, label: one.name })),
              ...(dialog.assigneeId === '' || mine || people.some(({ id }) => id === dialog.assigneeId)
                ? []
                : [{ value: dialog.assigneeId, label: assigneeName }]),
            ]}
          />
        ) : (
          dialog && <span className={classes.responsible}>{t('responsible', { name: assigneeName })}</span>
        )}
        {dialog && mayWrite && free && !mine && (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconUserCheck size={15} aria-hidden />}
            loading={change.isPending && change.variables !== 'closed'}
            onClick={() => change.mutate({ assignee: userId })}
          >
            {t('action.take')}
          </Button>
        )}
        {mayWrite && open && free && (
          <Button
            size="xs"
            variant="default"
            leftSection={<IconCheck size={15} aria-hidden />}
            loading={change.isPending && change.variables === 'closed'}
            onClick={() => change.mutate('closed')}
          >
            {t('action.close')}
          </Button>
        )}
        <Button
          className={classes.toCustomer}
          size="xs"
          variant="default"
          leftSection={<IconUser size={15} aria-hidden />}
          aria-expanded={panel}
          onClick={() => onPanel(!panel)}
        >
          {t('customer.title')}
        </Button>
      </div>
      {change.isError && (
        <Text size="xs" c="var(--mantine-color-error)" role="alert" className={classes.error}>
          {wordsOf(change.error).join(' · ')}
        </Text>
      )}
    </header>
  );
}
