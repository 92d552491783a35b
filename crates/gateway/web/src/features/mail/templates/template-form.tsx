import '@mantine/core/styles/Switch.layer.css';
import { Button, Switch, Text, Textarea, TextInput } from '@mantine/core';
import { IconDeviceFloppy } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useId, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body, idempotencyKey } from '~/shared/api/client';
import { ApiError, fieldErrors, formPath } from '~/shared/api/problem';
import type { EmailTemplate, EmailTemplateInput } from '~/shared/api/types';
import { useViolationText } from '~/shared/i18n/violation-text';
import { useDraft } from '~/shared/lib/use-draft';
import { LetterFrame } from '~/shared/mail/letter-frame';
import { useMay } from '~/shared/session';
import { useErrorWords } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { PageHeading } from '~/shared/ui/page-heading';
import { templateQuery, templatesKey } from '../queries';
import { changedFields, type Draft, isUnchanged, readDraftOf, valuesOf } from './draft';
import classes from './templates.module.css';

type Props = { template: EmailTemplate | undefined; onSaved: (id: string) => void };

/** The texts of a template, with what they would look like beside them. */
export function TemplateForm({ template, onSaved }: Props) {
  const { t } = useTranslation('mail');
  const wordsOf = useErrorWords();
  const violationText = useViolationText();
  const queryClient = useQueryClient();
  const mayWrite = useMay('messaging.template.write');
  const { value, change, clear } = useDraft<Draft>(`template.${template?.id ?? 'new'}`, {
    read: (kept) => readDraftOf(kept, template),
    isEmpty: (draft) => isUnchanged(draft, template),
  });
  const [failure, setFailure] = useState<unknown>();
  const [fresh, setFresh] = useState<EmailTemplate>();
  const sent = useRef({ content: '', key: '' });
  const help = useId();

  const save = useMutation({
    mutationFn: (draft: Draft) => {
      const input: EmailTemplateInput = { ...draft.values, ...(template && { etag: draft.etag }) };
      const content = JSON.stringify(input);
      if (sent.current.content !== content) sent.current = { content, key: idempotencyKey() };
      const headers = { 'Idempotency-Key': sent.current.key };
      if (!template) return body(api.POST('/v1/emailTemplates', { body: { template: input }, headers }));
      return body(
        api.PATCH('/v1/emailTemplates/{id}', {
          params: { path: { id: template.id }, query: { updateMask: changedFields(draft, template).join(',') } },
          headers,
          body: input,
        }),
      );
    },
    onSuccess: (saved) => {
      clear();
      queryClient.setQueryData(templateQuery(saved.id).queryKey, saved);
      void queryClient.invalidateQueries({ queryKey: templatesKey });
      announce(t('template.saved', { name: saved.name }));
      onSaved(saved.id);
    },
    onError: async (error) => {
      if (error instanceof ApiError && error.isConflict && template) {
        setFresh(await queryClient.fetchQuery({ ...templateQuery(template.id), staleTime: 0 }));
        return;
      }
      setFailure(error);
    },
  });
  const problem = failure instanceof ApiError ? failure.problem : {};
  const { fields: errors, rest: others } = fieldErrors(
    problem,
    (path) => {
      const name = formPath(path, 'template');
      return name in value.values ? name : undefined;
    },
    violationText,
  );
  const rest = failure === undefined ? [] : problem.errors?.length ? others : wordsOf(failure);

  const set = (part: Partial<Draft['values']>) => {
    setFailure(undefined);
    change({ values: { ...value.values, ...part } });
  };
  const { name, subject, text, html, active } = value.values;
  const field = (key: 'name' | 'subject' | 'text' | 'html') => ({
    label: t(`template.${key}`),
    value: value.values[key],
    error: errors[key],
    readOnly: !mayWrite,
    onChange: (event: { currentTarget: { value: string } }) => set({ [key]: event.currentTarget.value }),
  });
  const incomplete = !name.trim() || !subject.trim() || (!text.trim() && !html.trim());
  return (
    <form
      className={classes.form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        setFailure(undefined);
        setFresh(undefined);
        save.mutate(value);
      }}
    >
      <div className={classes.head}>
        <PageHeading>{template?.name ?? t('template.new')}</PageHeading>
      </div>
      <div className={classes.columns}>
        <div className={classes.fields}>
          <TextInput {...field('name')} maxLength={200} />
          <TextInput {...field('subject')} maxLength={250} aria-describedby={help} />
          <Text id={help} size="xs" c="dimmed">
            {t('template.variablesHelp', {
              known: '{{ customer.name }}, {{ customer.email }}, {{ sender.name }}, {{ company.name }}',
              interpolation: { escapeValue: false },
            })}
          </Text>
          <Textarea {...field('html')} rows={12} maxLength={300_000} spellCheck={false} className={classes.code} />
          <Textarea {...field('text')} description={t('template.textHelp')} rows={6} maxLength={100_000} />
          {template && template.variables.length > 0 && (
            <Text size="sm">{t('template.asks', { names: template.variables.join(', ') })}</Text>
          )}
          <Switch
            checked={active}
            disabled={!mayWrite || !template}
            onChange={(event) => set({ active: event.currentTarget.checked })}
            label={t('template.offered')}
          />
        </div>
        <section className={classes.preview} aria-label={t('template.preview')}>
          <h2 className={classes.previewTitle}>{subject || t('letter.noSubject')}</h2>
          <LetterFrame label={t('template.preview')} text={text} html={html} />
        </section>
      </div>
      {fresh && (
        <div role="alert" className={classes.alert}>
          <Text size="sm">{t('template.conflict')}</Text>
          <div className={classes.tools}>
            <Button size="xs" onClick={() => save.mutate({ ...value, etag: fresh.etag })}>
              {t('template.keepMine')}
            </Button>
            <Button
              size="xs"
              variant="default"
              onClick={() => {
                change({ values: valuesOf(fresh), etag: fresh.etag });
                setFresh(undefined);
              }}
            >
              {t('template.takeTheirs')}
            </Button>
          </div>
        </div>
      )}
      {rest.length > 0 && (
        <div role="alert" className={classes.alert}>
          {rest.map((line) => (
            <Text key={line} size="sm">
              {line}
            </Text>
          ))}
        </div>
      )}
      {mayWrite && (
        <div className={classes.tools}>
          <Button
            type="submit"
            size="sm"
            leftSection={<IconDeviceFloppy size={16} aria-hidden />}
            loading={save.isPending}
            disabled={incomplete || isUnchanged(value, template)}
          >
            {t('template.save')}
          </Button>
          <Button
            size="sm"
            variant="subtle"
            color="gray"
            disabled={isUnchanged(value, template) || save.isPending}
            onClick={() => {
              clear();
              setFailure(undefined);
              setFresh(undefined);
            }}
          >
            {t('template.reset')}
          </Button>
        </div>
      )}
    </form>
  );
}
