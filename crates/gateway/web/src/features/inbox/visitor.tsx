import { Button, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconUserPlus } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body, idempotencyKey } from '~/shared/api/client';
import { ApiError } from '~/shared/api/problem';
import type { CustomerInput, Dialog } from '~/shared/api/types';
import { useViolationText } from '~/shared/i18n/violation-text';
import { useCustomerName } from '~/shared/lib/use-customer-name';
import { useMay } from '~/shared/session';
import { useErrorWords } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import classes from './customer-panel.module.css';
import { candidatesQuery, dialogQuery } from './queries';

const MIN_WORDS = 2;

/** A visitor whom nobody knows yet: saved as a new customer, or recognised as one there is. */
export function Visitor({ dialog }: { dialog: Dialog }) {
  const { t } = useTranslation('inbox');
  const mayLink = useMay('messaging.dialog.write');
  const mayCreate = useMay('customers.customer.write') && mayLink;
  const maySearch = useMay('customers.customer.read') && mayLink;
  const link = useLink(dialog);
  return (
    <>
      <dl className={classes.facts}>
        <dt>{t('visitor.name')}</dt>
        <dd>{dialog.visitorName || '—'}</dd>
        <dt>{t('visitor.email')}</dt>
        <dd>{dialog.visitorEmail || '—'}</dd>
      </dl>
      <Text size="xs" c="dimmed">
        {t('visitor.unproved')}
      </Text>
      {mayCreate && <SaveAsCustomer dialog={dialog} link={link} />}
      {maySearch && <Recognise dialog={dialog} link={link} />}
    </>
  );
}

type LinkTo = ReturnType<typeof useLink>;

function useLink(dialog: Dialog) {
  const { t } = useTranslation('inbox');
  const queryClient = useQueryClient();
  return useMutation({
    mutationFn: (customerId: string) =>
      body(
        api.POST('/v1/dialogs/{dialogId}:linkCustomer', {
          params: { path: { dialogId: dialog.id } },
          body: { customerId },
        }),
      ),
    onSuccess: (changed) => {
      queryClient.setQueryData(dialogQuery(dialog.id).queryKey, changed);
      announce(t('note.linked'));
    },
    // Whatever came of it: somebody else may have linked it meanwhile.
    onSettled: () => queryClient.invalidateQueries({ queryKey: ['dialogs'] }),
  });
}

function useProblemText() {
  const wordsOf = useErrorWords();
  const violationText = useViolationText();
  return (error: unknown) => {
    const problem = error instanceof ApiError ? error.problem : undefined;
    return (problem?.errors ?? []).map(violationText).join('; ') || wordsOf(error).join(' · ');
  };
}

function SaveAsCustomer({ dialog, link }: { dialog: Dialog; link: LinkTo }) {
  const { t } = useTranslation('inbox');
  const problemText = useProblemText();
  const mayChannels = useMay('messaging.channel.read');
  const [name, setName] = useState(dialog.visitorName);
  const [email, setEmail] = useState(dialog.visitorEmail);
  const [tried, setTried] = useState(false);
  // One key for one content: pressed again after a lost answer it creates nobody twice.
  const sent = useRef({ content: '', key: '' });

  const save = useMutation({
    mutationFn: async () => {
      const storeId = mayChannels ? await storeOf(dialog.channelId) : '';
      const customer: CustomerInput = {
        kind: 'CUSTOMER_KIND_PERSON',
        displayName: name.trim(),
        ...(email.trim() && { emails: [{ address: email.trim() }] }),
        ...(storeId && { storeId }),
      };
      const content = JSON.stringify(customer);
      if (sent.current.content !== content) sent.current = { content, key: idempotencyKey() };
      const created = await body(
        api.POST('/v1/customers', { body: { customer }, headers: { 'Idempotency-Key': sent.current.key } }),
      );
      await link.mutateAsync(created.id);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (name.trim() !== '') save.mutate();
  };
  return (
    <form onSubmit={submit} noValidate className={classes.form} aria-label={t('visitor.save')}>
      <h3 className={classes.sub}>{t('visitor.save')}</h3>
      <TextInput
        size="xs"
        label={t('visitor.name')}
        required
        maxLength={300}
        value={name}
        error={tried && name.trim() === '' ? t('visitor.nameMissing') : undefined}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <TextInput
        size="xs"
        label={t('visitor.email')}
        maxLength={254}
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      {save.isError && (
        <Text size="xs" c="var(--mantine-color-error)" role="alert">
          {problemText(save.error)}
        </Text>
      )}
      <Button type="submit" size="xs" loading={save.isPending} leftSection={<IconUserPlus size={15} aria-hidden />}>
        {t('visitor.saveButton')}
      </Button>
    </form>
  );
}

/** The store whose customers come from the channel; none where it cannot be told. */
async function storeOf(channelId: string): Promise<string> {
  let pageToken = '';
  do {
    const page = await body(
      api.GET('/v1/channels', { params: { query: { pageSize: 200, ...(pageToken && { pageToken }) } } }),
    );
    const channel = page.channels.find(({ id }) => id === channelId);
    if (channel) return channel.storeId;
    pageToken = page.nextPageToken;
  } while (pageToken);
  return '';
}

function Recognise({ dialog, link }: { dialog: Dialog; link: LinkTo }) {
  const { t } = useTranslation('inbox');
  const nameOf = useCustomerName();
  const problemText = useProblemText();
  // Whoever has given the visitor's address to us before may be the visitor.
  const [words, setWords] = useState(dialog.visitorEmail);
  const [settled] = useDebouncedValue(words.trim(), 250);
  const found = useQuery({ ...candidatesQuery(settled), enabled: settled.length >= MIN_WORDS });
  const customers = settled.length >= MIN_WORDS ? (found.data ?? []) : [];
  return (
    <section className={classes.form} aria-label={t('visitor.recognise')}>
      <h3 className={classes.sub}>{t('visitor.recognise')}</h3>
      <TextInput
        size="xs"
        type="search"
        aria-label={t('visitor.search')}
        placeholder={t('visitor.search')}
        maxLength={200}
        value={words}
        onChange={(event) => setWords(event.currentTarget.value)}
      />
      {found.isSuccess && settled.length >= MIN_WORDS && customers.length === 0 && (
        <Text size="xs" c="dimmed" role="status">
          {t('visitor.noMatch')}
        </Text>
      )}
      {found.isError && (
        <Text size="xs" c="var(--mantine-color-error)" role="alert">
          {problemText(found.error)}
        </Text>
      )}
      <ul className={classes.candidates}>
        {customers.map((customer) => (
          <li key={customer.id} className={classes.candidate}>
            <span className={classes.candidateText}>
              <span>{nameOf(customer)}</span>
              <span className={classes.dim}>
                {[customer.emails[0]?.address, customer.phones[0]?.number, customer.country]
                  .filter(Boolean)
                  .join(' · ')}
              </span>
            </span>
            <Button
              size="compact-xs"
              variant="default"
              aria-label={t('visitor.linkTo', { name: nameOf(customer) })}
              loading={link.isPending && link.variables === customer.id}
              onClick={() => link.mutate(customer.id)}
            >
              {t('visitor.link')}
            </Button>
          </li>
        ))}
      </ul>
      {link.isError && (
        <Text size="xs" c="var(--mantine-color-error)" role="alert">
          {problemText(link.error)}
        </Text>
      )}
    </section>
  );
}
