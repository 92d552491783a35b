import { ActionIcon, Button, TextInput } from '@mantine/core';
import { IconCheck, IconPencil, IconX } from '@tabler/icons-react';
import { type KeyboardEvent, type ReactNode, useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import type { Customer } from '~/shared/api/types';
import { useViolationText } from '~/shared/i18n/violation-text';
import { useErrorText } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { type Edit, type Outcome, valueAt } from './edit';
import classes from './editable.module.css';

type Props = {
  customer: Customer;
  /** The edit for a value that was typed. */
  editOf: (value: string) => Edit;
  /** What the value is, for instance "Name" or "Phone 2". */
  label: string;
  type: 'text' | 'tel' | 'email';
  maxLength: number;
  /** Saves on a version of the customer. */
  onSave: (customer: Customer, edit: Edit) => Promise<Outcome>;
  /** The reader takes what somebody else wrote. */
  onTake: (customer: Customer) => void;
  editable: boolean;
  /** True for a place where something new is typed: it opens at once. */
  opened?: boolean;
  onClosed?: () => void;
  /** Tells when the editing begins and ends, for what stands around. */
  onEditing?: (editing: boolean) => void;
  children?: ReactNode;
};

/** In place of an error: nothing was typed. */
const EMPTY = Symbol('empty');

type Conflict = Extract<Outcome, { kind: 'conflict' }>;

/** A value that is edited where it stands: Enter saves, Esc cancels, the focus returns; a conflict shows both values. */
export function Editable(props: Props) {
  const {
    customer,
    editOf,
    label,
    type,
    maxLength,
    onSave,
    onTake,
    editable,
    opened = false,
    onClosed,
    onEditing,
    children,
  } = props;
  const { t } = useTranslation('card');
  const textOf = useErrorText();
  const violationText = useViolationText();
  const [editing, setEditing] = useState(opened);
  // The version the reader saw when the editing began: what comes in meanwhile must not be overwritten unseen.
  const [base, setBase] = useState(customer);
  const [draft, setDraft] = useState(() => valueAt(customer, editOf('')));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const [conflict, setConflict] = useState<Conflict>();
  const trigger = useRef<HTMLButtonElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const keepMine = useRef<HTMLButtonElement>(null);
  const focusBack = useRef(false);

  useEffect(() => {
    if (editing) input.current?.select();
    else if (focusBack.current) {
      focusBack.current = false;
      trigger.current?.focus();
    }
  }, [editing]);

  useEffect(() => {
    if (conflict) keepMine.current?.focus();
  }, [conflict]);

  const open = () => {
    setBase(customer);
    setDraft(valueAt(customer, editOf('')));
    setError(undefined);
    setConflict(undefined);
    setEditing(true);
    onEditing?.(true);
  };
  const close = () => {
    focusBack.current = true;
    setEditing(false);
    onEditing?.(false);
    setConflict(undefined);
    onClosed?.();
  };
  const save = async (on: Customer) => {
    const value = draft.trim();
    if (value === valueAt(on, editOf(value))) {
      close();
      return;
    }
    if (value === '') {
      setError(EMPTY);
      return;
    }
    setBusy(true);
    setError(undefined);
    try {
      const outcome = await onSave(on, editOf(value));
      if (outcome.kind === 'conflict') {
        setConflict(outcome);
        announce(t('edit.conflict'));
      } else {
        announce(t('edit.saved', { label }));
        close();
      }
    } catch (reason) {
      setError(reason);
      input.current?.focus();
    } finally {
      setBusy(false);
    }
  };
  const described = error instanceof ApiError ? error.problem.errors?.map(violationText).join('; ') : undefined;
  const message = error === undefined ? undefined : error === EMPTY ? t('edit.empty') : described || textOf(error);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  };

  if (!editing) {
    if (!editable) return <span className={classes.value}>{children}</span>;
    return (
      <span className={classes.value}>
        {children}
        <ActionIcon
          ref={trigger}
          size={24}
          variant="subtle"
          color="gray"
          className={classes.pencil}
          aria-label={t('edit.start', { label })}
          onClick={open}
        >
          <IconPencil size={14} stroke={1.8} aria-hidden />
        </ActionIcon>
      </span>
    );
  }

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: Esc cancels from anywhere inside
    <div className={classes.editor} onKeyDown={onKeyDown}>
      <form
        className={classes.form}
        onSubmit={(event) => {
          event.preventDefault();
          void save(base);
        }}
        noValidate
      >
        <TextInput
          ref={input}
          className={classes.input}
          size="xs"
          type={type === 'email' ? 'text' : type}
          inputMode={type}
          aria-label={label}
          maxLength={maxLength}
          value={draft}
          disabled={conflict !== undefined}
          error={message}
          onChange={(event) => setDraft(event.currentTarget.value)}
          autoFocus
        />
        <ActionIcon
          type="submit"
          size={30}
          loading={busy}
          disabled={conflict !== undefined}
          aria-label={t('edit.save')}
        >
          <IconCheck size={16} aria-hidden />
        </ActionIcon>
        <ActionIcon size={30} variant="default" aria-label={t('edit.cancel')} onClick={close}>
          <IconX size={16} aria-hidden />
        </ActionIcon>
      </form>
      {conflict && (
        <fieldset className={classes.conflict}>
          <legend>{t('edit.conflict')}</legend>
          <dl>
            <dt>{t('edit.mine')}</dt>
            <dd>{conflict.mine}</dd>
            <dt>{t('edit.theirs')}</dt>
            <dd>{conflict.theirs || t('edit.removed')}</dd>
          </dl>
          <div className={classes.choice}>
            <Button
              ref={keepMine}
              size="xs"
              loading={busy}
              onClick={() => {
                // The next save is made on what the reader has just seen.
                setBase(conflict.fresh);
                setConflict(undefined);
                void save(conflict.fresh);
              }}
            >
              {t('edit.keepMine')}
            </Button>
            <Button
              size="xs"
              variant="default"
              onClick={() => {
                onTake(conflict.fresh);
                close();
              }}
            >
              {t('edit.takeTheirs')}
            </Button>
          </div>
        </fieldset>
      )}
    </div>
  );
}
