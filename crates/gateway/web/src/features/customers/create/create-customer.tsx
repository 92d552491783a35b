import { ActionIcon, Alert, Button, Group, Modal, SegmentedControl, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconAlertTriangle, IconPlus, IconTrash } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body, idempotencyKey } from '~/shared/api/client';
import { ApiError, fieldErrors, formPath } from '~/shared/api/problem';
import type { CustomerInput, CustomerKind } from '~/shared/api/types';
import { useViolationText } from '~/shared/i18n/violation-text';
import { useErrorWords } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { useFocusReturn } from '~/shared/ui/use-focus-return';
import classes from './create-customer.module.css';

type Entry = { key: string; value: string };
type Values = { kind: CustomerKind; displayName: string; country: string; phones: Entry[]; emails: Entry[] };

const entry = (): Entry => ({ key: idempotencyKey(), value: '' });
const filled = (entries: Entry[]) => entries.filter(({ value }) => value.trim() !== '');

/** An error, and which line of the form a path of the API was when it was sent. */
type Refusal = { error: unknown; nameOf: (path: string) => string | undefined };

type Props = { onClose: () => void; onCreated: (id: string) => void };

/** The dialog for a new customer; what the server refuses is shown at its field. */
export default function CreateCustomer({ onClose, onCreated }: Props) {
  const { t } = useTranslation(['customers', 'common']);
  useFocusReturn();
  const queryClient = useQueryClient();
  const wordsOf = useErrorWords();
  const violationText = useViolationText();
  const [refusal, setRefusal] = useState<Refusal>();
  // One key for one content: repeated after a lost answer it creates nothing twice, changed after a refusal it is another request.
  const sent = useRef({ content: '', key: '' });

  const form = useForm<Values>({
    initialValues: { kind: 'CUSTOMER_KIND_PERSON', displayName: '', country: '', phones: [entry()], emails: [entry()] },
    validate: { displayName: (value) => (value.trim() === '' ? t('create.nameMissing') : null) },
  });

  const create = useMutation({
    mutationFn: (customer: CustomerInput) => {
      const content = JSON.stringify(customer);
      if (sent.current.content !== content) sent.current = { content, key: idempotencyKey() };
      return body(api.POST('/v1/customers', { body: { customer }, headers: { 'Idempotency-Key': sent.current.key } }));
    },
    onSuccess: (customer) => {
      void queryClient.invalidateQueries({ queryKey: ['customers'] });
      announce(t('create.done', { name: customer.displayName }));
      onCreated(customer.id);
    },
  });

  const submit = form.onSubmit((values) => {
    setRefusal(undefined);
    const phones = filled(values.phones);
    const emails = filled(values.emails);
    const customer: CustomerInput = {
      kind: values.kind,
      displayName: values.displayName.trim(),
      country: values.country.trim(),
      phones: phones.map(({ value }) => ({ number: value.trim() })),
      emails: emails.map(({ value }) => ({ address: value.trim() })),
    };
    // Lines left empty are not sent, so the server counts differently.
    const rowOf = (entries: Entry[], sentEntries: Entry[], index: string) => {
      const key = sentEntries[Number(index)]?.key;
      return entries.findIndex((line) => line.key === key);
    };
    create.mutate(customer, {
      onError: (error) => {
        const nameOf = (path: string) => {
          const name = formPath(path, 'customer');
          const [list, index] = name.split('.');
          if (list === 'phones' && index) return `phones.${rowOf(values.phones, phones, index)}.value`;
          if (list === 'emails' && index) return `emails.${rowOf(values.emails, emails, index)}.value`;
          return name in values ? name : undefined;
        };
        setRefusal({ error, nameOf });
      },
    });
  });

  const problem = refusal?.error instanceof ApiError ? refusal.error.problem : {};
  const named = refusal && fieldErrors(problem, refusal.nameOf, violationText);
  const rest = !refusal ? [] : problem.errors?.length ? (named?.rest ?? []) : wordsOf(refusal.error);
  // The form clears the error of a field that is changed; the texts may come after the errors.
  const fields = JSON.stringify(named?.fields ?? {});
  const { setErrors } = form;
  useEffect(() => setErrors(JSON.parse(fields) as Record<string, string>), [fields, setErrors]);

  const lines = (list: 'phones' | 'emails', label: string, add: string, type: string, limit: number) => (
    <fieldset className={classes.lines}>
      <legend>{label}</legend>
      {form.values[list].map(({ key }, index) => (
        <Group key={key} gap="xs" wrap="nowrap" align="flex-start">
          <TextInput
            className={classes.input}
            type={type}
            maxLength={limit}
            aria-label={form.values[list].length > 1 ? t('create.nth', { label, n: index + 1 }) : label}
            {...form.getInputProps(`${list}.${index}.value`)}
          />
          {form.values[list].length > 1 && (
            <ActionIcon
              size={36}
              variant="subtle"
              color="gray"
              aria-label={t('create.remove', { label, n: index + 1 })}
              onClick={() => form.removeListItem(list, index)}
            >
              <IconTrash size={16} aria-hidden />
            </ActionIcon>
          )}
        </Group>
      ))}
      <Button
        variant="subtle"
        size="compact-sm"
        leftSection={<IconPlus size={14} aria-hidden />}
        onClick={() => form.insertListItem(list, entry())}
        className={classes.add}
      >
        {add}
      </Button>
    </fieldset>
  );

  return (
    <Modal
      opened
      onClose={onClose}
      title={t('create.title')}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
      closeOnClickOutside={!form.isDirty()}
    >
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <SegmentedControl
            aria-label={t('filter.kind')}
            data={[
              { value: 'CUSTOMER_KIND_PERSON', label: t('kind.person') },
              { value: 'CUSTOMER_KIND_COMPANY', label: t('kind.company') },
            ]}
            {...form.getInputProps('kind')}
          />
          <TextInput
            label={t('create.name')}
            maxLength={300}
            data-autofocus
            required
            {...form.getInputProps('displayName')}
          />
          {lines('phones', t('create.phone'), t('create.addPhone'), 'tel', 50)}
          {lines('emails', t('create.email'), t('create.addEmail'), 'text', 254)}
          <TextInput label={t('create.country')} maxLength={100} {...form.getInputProps('country')} />
          {rest.length > 0 && (
            <Alert color="red" variant="outline" icon={<IconAlertTriangle size={18} aria-hidden />} role="alert">
              {rest.map((line) => (
                <div key={line}>{line}</div>
              ))}
            </Alert>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              {t('common:action.cancel')}
            </Button>
            <Button type="submit" loading={create.isPending}>
              {t('create.submit')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
