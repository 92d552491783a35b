import { Button, NativeSelect, SegmentedControl, Skeleton, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconEye, IconPencil, IconSend } from '@tabler/icons-react';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useEffect, useId, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { idempotencyKey } from '~/shared/api/client';
import { ApiError, fieldErrors, formPath } from '~/shared/api/problem';
import type { Card, Customer, EmailTemplate } from '~/shared/api/types';
import { useViolationText } from '~/shared/i18n/violation-text';
import { useDraft } from '~/shared/lib/use-draft';
import { LetterFrame } from '~/shared/mail/letter-frame';
import { useReasonText } from '~/shared/mail/send-state';
import { useMay } from '~/shared/session';
import { ErrorState, useErrorText, useErrorWords } from '~/shared/ui/error-state';
import { lazyPart } from '~/shared/ui/part';
import { useConsentOrigin } from '../consents/consent-boxes';
import { previewQuery, templateQuery, templatesQuery } from '../queries';
import classes from './composer.module.css';
import {
  chosenRecipient,
  isEmptyLetter,
  type Letter,
  type LetterPurpose,
  readLetter,
  recipientsOf,
  requestOf,
} from './letter';
import type { SendLetter } from './use-outbox';

const Editor = lazyPart(() => import('./editor'), { waiting: <Skeleton height={180} radius="md" /> });
const PURPOSES: LetterPurpose[] = ['PURPOSE_SERVICE', 'PURPOSE_MARKETING'];
const LONGEST_SUBJECT = 250;
/** The preview follows when the typing pauses. */
const PREVIEW_MS = 400;

type Props = {
  customer: Customer;
  consents: Card['consents'];
  people: Card['people'];
  onSend: SendLetter;
  onClose: () => void;
  /** True when somebody has just asked to write; false for a draft that was there with the page. */
  takesFocus: boolean;
};

const isReused = (error: unknown) => error instanceof ApiError && error.problem.reason === 'REQUEST_ID_REUSED';

/** The field of the letter that a path of the API is about. */
function fieldOf(path: string): string | undefined {
  const name = formPath(path, 'email');
  return name === 'subject' || name === 'html' || name.startsWith('variables') ? name : undefined;
}

const draftName = (customerId: string) => `email.${customerId}`;

/** Writes one letter to the customer: to an address that agreed, from a template or freely, seen before it goes. */
export default function Composer({ customer, consents, people, onSend, onClose, takesFocus }: Props) {
  const { t } = useTranslation(['mail', 'common']);
  const wordsOf = useErrorWords();
  const violationText = useViolationText();
  const draft = useDraft(draftName(customer.id), { read: readLetter, isEmpty: isEmptyLetter });
  const letter = draft.value;
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<unknown>();
  const [previewed, setPreviewed] = useState(false);
  // Another text than the one the editor began with is put into it by beginning again.
  const [edition, setEdition] = useState(0);

  const recipients = recipientsOf(customer, consents, letter.purpose);
  const recipient = chosenRecipient(recipients, letter.contactPointId);
  const mayTemplates = useMay('messaging.template.read');
  const template = useQuery({ ...templateQuery(letter.templateId), enabled: letter.templateId !== '' && mayTemplates });
  const missing = letter.templateId === '' ? !letter.subject.trim() || !letter.html : !template.data;
  const request = requestOf(customer.id, letter, recipient?.id ?? '');
  const [settled] = useDebouncedValue(JSON.stringify(request), PREVIEW_MS);
  const isSettled = settled === JSON.stringify(request);
  const unfilled = (template.data?.variables ?? []).some((name) => !letter.variables[name]);
  const preview = useQuery({
    ...previewQuery(settled),
    enabled: previewed && recipient !== undefined && isSettled && !missing && !unfilled,
    placeholderData: keepPreviousData,
  });

  const change = (part: Partial<Letter>) => {
    setFailure(undefined);
    draft.change(part);
  };
  const send = async () => {
    if (!recipient) return;
    const key = letter.key || idempotencyKey();
    draft.change({ key });
    setBusy(true);
    setFailure(undefined);
    try {
      await onSend(request, key, recipient.address);
      draft.clear();
      onClose();
    } catch (error) {
      setBusy(false);
      const reused = isReused(error);
      // Refused letters were not taken: what is sent next is another letter. After a lost answer nobody knows.
      if (
        error instanceof ApiError &&
        error.status >= 400 &&
        error.status < 500 &&
        !error.isUnauthenticated &&
        !reused
      ) {
        draft.change({ key: '' });
      }
      setFailure(error);
    }
  };
  const problem = failure instanceof ApiError ? failure.problem : {};
  const { fields: errors, rest: others } = fieldErrors(problem, fieldOf, violationText);
  const rest =
    failure === undefined
      ? []
      : isReused(failure)
        ? [t('compose.reused')]
        : problem.errors?.length
          ? others
          : wordsOf(failure);

  const blocked = recipient?.allowed === false;
  return (
    <form
      className={classes.composer}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !missing && !unfilled && !blocked && !busy)
          void send();
      }}
    >
      <Recipients
        recipients={recipients}
        chosen={recipient?.id}
        people={people}
        purpose={letter.purpose}
        disabled={busy}
        onChange={(contactPointId) => change({ contactPointId })}
      />
      <div className={classes.row}>
        <div>
          <Text size="sm" fw={500} component="span">
            {t('compose.purpose')}
          </Text>
          <SegmentedControl
            size="xs"
            aria-label={t('compose.purpose')}
            value={letter.purpose}
            disabled={busy}
            onChange={(value) => change({ purpose: value as LetterPurpose })}
            data={PURPOSES.map((value) => ({ value, label: t(`purpose.${value}`) }))}
            className={classes.purpose}
          />
        </div>
        {mayTemplates && (
          <Templates
            chosen={letter.templateId}
            disabled={busy}
            onChange={(templateId) => {
              change({ templateId, variables: {}, subject: '' });
              setPreviewed(templateId !== '');
            }}
          />
        )}
      </div>
      <TextInput
        label={t('compose.subject')}
        size="sm"
        value={letter.subject}
        maxLength={LONGEST_SUBJECT}
        disabled={busy}
        autoFocus={takesFocus}
        placeholder={template.data?.subject}
        error={errors.subject}
        onChange={(event) => change({ subject: event.currentTarget.value })}
      />
      {letter.templateId === '' ? (
        <div>
          <Editor
            key={edition}
            label={t('compose.text')}
            html={letter.html}
            disabled={busy}
            onChange={(html) => change({ html })}
          />
          {errors.html && (
            <Text size="xs" c="var(--mantine-color-error)">
              {errors.html}
            </Text>
          )}
        </div>
      ) : template.isError ? (
        <ErrorState title={t('template.failed')} error={template.error} onRetry={() => void template.refetch()} />
      ) : (
        <Variables
          template={template.data}
          values={letter.variables}
          errors={errors}
          disabled={busy}
          onChange={(variables) => change({ variables })}
        />
      )}
      {previewed && (
        <section className={classes.preview} aria-label={t('compose.preview')} aria-busy={preview.isFetching}>
          {unfilled && (
            <Text size="sm" c="dimmed">
              {t('compose.fillIn')}
            </Text>
          )}
          {preview.isLoading && <Skeleton height={160} radius="md" />}
          {preview.isError && <Refused error={preview.error} onRetry={() => void preview.refetch()} />}
          {preview.data && (
            <>
              <Text size="sm">
                <strong>{preview.data.subject}</strong> → {preview.data.toAddress}
              </Text>
              {!preview.data.maySend && <Reason reason={preview.data.reason} />}
              <LetterFrame label={t('compose.preview')} text={preview.data.text} html={preview.data.html} />
              {letter.templateId !== '' && (
                <Button
                  size="compact-sm"
                  variant="default"
                  leftSection={<IconPencil size={14} aria-hidden />}
                  className={classes.edit}
                  onClick={() => {
                    change({
                      templateId: '',
                      variables: {},
                      subject: preview.data.subject,
                      html: preview.data.html || asHtml(preview.data.text),
                    });
                    setEdition(edition + 1);
                    setPreviewed(false);
                  }}
                >
                  {t('compose.editText')}
                </Button>
              )}
            </>
          )}
        </section>
      )}
      {rest.length > 0 && (
        <div role="alert" className={classes.alert}>
          {rest.map((text) => (
            <Text key={text} size="sm">
              {text}
            </Text>
          ))}
          {isReused(failure) && (
            <Button size="compact-sm" variant="default" onClick={() => change({ key: '' })}>
              {t('compose.another')}
            </Button>
          )}
        </div>
      )}
      <div className={classes.actions}>
        <Button
          type="submit"
          size="sm"
          leftSection={<IconSend size={15} aria-hidden />}
          loading={busy}
          disabled={missing || unfilled || blocked || !recipient}
        >
          {t('compose.send')}
        </Button>
        <Button
          size="sm"
          variant="default"
          leftSection={<IconEye size={15} aria-hidden />}
          aria-pressed={previewed}
          disabled={busy || missing || !recipient}
          onClick={() => setPreviewed(!previewed)}
        >
          {t('compose.preview')}
        </Button>
        <span className={classes.gap} />
        <Button
          size="sm"
          variant="subtle"
          color="gray"
          disabled={busy}
          onClick={() => {
            draft.clear();
            onClose();
          }}
        >
          {t('compose.discard')}
        </Button>
        <Button size="sm" variant="subtle" disabled={busy} onClick={onClose}>
          {t('compose.later')}
        </Button>
      </div>
    </form>
  );
}

type RecipientsProps = {
  recipients: ReturnType<typeof recipientsOf>;
  chosen: string | undefined;
  people: Card['people'];
  purpose: LetterPurpose;
  disabled: boolean;
  onChange: (contactPointId: string) => void;
};

function Recipients({ recipients, chosen, people, purpose, disabled, onChange }: RecipientsProps) {
  const { t } = useTranslation('mail');
  const about = useConsentOrigin(people);
  const name = useId();
  return (
    <fieldset className={classes.recipients}>
      <legend>{t('compose.to')}</legend>
      {recipients.length === 0 && (
        <Text size="sm" c="dimmed">
          {t('compose.noAddress')}
        </Text>
      )}
      {recipients.map(({ id, address, allowed, entry }) => (
        <label key={id} className={classes.recipient} data-refused={allowed === false || undefined}>
          <input
            type="radio"
            name={name}
            value={id}
            checked={id === chosen}
            disabled={disabled || allowed === false}
            onChange={() => onChange(id)}
          />
          <span>
            {address}
            {allowed === false && (
              <span className={classes.why}>
                {t(`compose.refused.${purpose}`)}{' '}
                {about({
                  channel: 'CONSENT_CHANNEL_EMAIL',
                  contactPointId: id,
                  marketing: false,
                  service: false,
                  ...(entry && { entry }),
                })}
              </span>
            )}
            {allowed === undefined && <span className={classes.why}>{t('compose.unsure')}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Templates({
  chosen,
  disabled,
  onChange,
}: {
  chosen: string;
  disabled: boolean;
  onChange: (id: string) => void;
}) {
  const { t } = useTranslation('mail');
  const textOf = useErrorText();
  const templates = useQuery(templatesQuery);
  return (
    <NativeSelect
      size="xs"
      label={t('compose.template')}
      value={chosen}
      disabled={disabled || templates.isPending}
      error={templates.isError && textOf(templates.error)}
      onChange={(event) => onChange(event.currentTarget.value)}
      data={[
        { value: '', label: t('compose.freely') },
        ...(templates.data ?? []).map(({ id, name }) => ({ value: id, label: name })),
      ]}
      className={classes.template}
    />
  );
}

type VariablesProps = {
  template: EmailTemplate | undefined;
  values: Record<string, string>;
  errors: Record<string, string>;
  disabled: boolean;
  onChange: (values: Record<string, string>) => void;
};

/** Asks for what the template cannot know by itself. */
function Variables({ template, values, errors, disabled, onChange }: VariablesProps) {
  const { t } = useTranslation('mail');
  const first = useRef<HTMLInputElement>(null);
  const id = template?.id;
  useEffect(() => {
    if (id) first.current?.focus();
  }, [id]);
  if (!template) return <Skeleton height={56} radius="md" />;
  if (template.variables.length === 0) return null;
  return (
    <fieldset className={classes.variables}>
      <legend>{t('compose.variables')}</legend>
      {template.variables.map((name, index) => (
        <TextInput
          key={name}
          ref={index === 0 ? first : undefined}
          size="sm"
          label={name}
          value={values[name] ?? ''}
          disabled={disabled}
          error={errors[`variables.${name}`]}
          onChange={(event) => onChange({ ...values, [name]: event.currentTarget.value })}
        />
      ))}
    </fieldset>
  );
}

function Reason({ reason }: { reason: string }) {
  const { t } = useTranslation('mail');
  const reasonText = useReasonText();
  return (
    <Text size="sm" className={classes.refusal} role="status">
      {t('compose.mayNot', { reason: reasonText(reason) })}
    </Text>
  );
}

/** A preview that is refused says of which field: a variable that is missing, for instance. */
function Refused({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  const { t } = useTranslation('mail');
  const violationText = useViolationText();
  const errors = error instanceof ApiError ? (error.problem.errors ?? []) : [];
  if (errors.length === 0) return <ErrorState title={t('compose.previewFailed')} error={error} onRetry={onRetry} />;
  return (
    <ul className={classes.alert}>
      {errors.map((wrong) => (
        <li key={wrong.field + wrong.description}>
          {wrong.field}: {violationText(wrong)}
        </li>
      ))}
    </ul>
  );
}

/** Plain text as paragraphs, for the editor. */
function asHtml(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  return escaped
    .split(/\n{2,}/)
    .map((part) => `<p>${part.replaceAll('\n', '<br>')}</p>`)
    .join('');
}
