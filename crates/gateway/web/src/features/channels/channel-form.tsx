import { Alert, Button, Checkbox, Group, Modal, NativeSelect, Stack, Textarea, TextInput } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body, idempotencyKey } from '~/shared/api/client';
import { ApiError, fieldErrors } from '~/shared/api/problem';
import type { Channel } from '~/shared/api/types';
import { useViolationText } from '~/shared/i18n/violation-text';
import { useMay } from '~/shared/session';
import { storesQuery } from '~/shared/session/people';
import { useErrorWords } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import { useFocusReturn } from '~/shared/ui/use-focus-return';
import { readOrigins } from './origins';
import { channelsQuery } from './queries';

const MAX_ORIGINS = 20;
const FIELDS = ['name', 'allowedOrigins', 'storeId', 'greeting', 'active'] as const;
type Field = (typeof FIELDS)[number];
type Errors = Partial<Record<Field, string>>;

type Props = {
  /** The channel to change; a new one without. */
  channel: Channel | undefined;
  onClose: () => void;
};

const isConflict = (error: unknown) => error instanceof ApiError && error.isConflict;

/** The field of the form that a path of the API is about. */
function fieldOf(path: string): Field | undefined {
  const plain = path.replace(/^channel\./, '').replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return FIELDS.find((field) => plain === field || plain.startsWith(`${field}[`));
}

/** The dialog for a channel; what the server refuses is shown at its field. */
export default function ChannelForm({ channel, onClose }: Props) {
  const { t } = useTranslation(['channels', 'common']);
  useFocusReturn();
  const queryClient = useQueryClient();
  const wordsOf = useErrorWords();
  const violationText = useViolationText();
  const mayStores = useMay('identity.store.read');
  const stores = useQuery({ ...storesQuery, enabled: mayStores });
  const [name, setName] = useState(channel?.name ?? '');
  const [origins, setOrigins] = useState((channel?.allowedOrigins ?? []).join('\n'));
  const [storeId, setStoreId] = useState(channel?.storeId ?? '');
  const [greeting, setGreeting] = useState(channel?.greeting ?? '');
  const [active, setActive] = useState(channel?.active ?? true);
  // The version the reader saw when the editing began: what comes in meanwhile must not be overwritten unseen.
  const [base, setBase] = useState(channel);
  const [faults, setFaults] = useState<Errors>({});
  // One key for one content: repeated after a lost answer it creates nothing twice.
  const sent = useRef({ content: '', key: '' });

  const save = useMutation({
    mutationFn: (values: {
      name: string;
      allowedOrigins: string[];
      storeId: string;
      greeting: string;
      active: boolean;
    }) => {
      const content = JSON.stringify([values, base?.etag]);
      if (sent.current.content !== content) sent.current = { content, key: idempotencyKey() };
      const headers = { 'Idempotency-Key': sent.current.key };
      if (!base) {
        return body(
          api.POST('/v1/channels', { headers, body: { channel: { ...values, kind: 'CHANNEL_KIND_WIDGET' } } }),
        );
      }
      return body(
        api.PATCH('/v1/channels/{id}', {
          params: {
            path: { id: base.id },
            query: { updateMask: 'name,allowedOrigins,storeId,greeting,active' },
          },
          headers,
          body: { id: base.id, etag: base.etag, ...values },
        }),
      );
    },
    onSuccess: (saved) => {
      announce(t('saved', { name: saved.name }));
      void queryClient.invalidateQueries({ queryKey: ['channels'] });
      onClose();
    },
    onError: async (error) => {
      if (!isConflict(error)) return;
      // Saving again is on the version that the reader has been told of.
      await queryClient.invalidateQueries({ queryKey: channelsQuery.queryKey });
      const pages = queryClient.getQueryData(channelsQuery.queryKey)?.pages ?? [];
      const present = pages.flatMap((page) => page.channels).find(({ id }) => id === base?.id);
      if (present) setBase(present);
    },
  });
  const refused = fieldErrors(save.error instanceof ApiError ? save.error.problem : {}, fieldOf, violationText);
  const errors: Errors = { ...refused.fields, ...faults };
  // The live stream tells of it before anybody tries to save.
  const newer = channel?.etag !== base?.etag && !save.isPending && !save.isSuccess;
  const rest = !save.isError
    ? newer
      ? [t('conflict')]
      : []
    : isConflict(save.error)
      ? [t('conflict')]
      : save.error instanceof ApiError && save.error.problem.errors?.length
        ? refused.rest
        : wordsOf(save.error);

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = readOrigins(origins);
    const found: Errors = {};
    if (name.trim() === '') found.name = t('fault.name');
    if (read.wrong.length > 0) found.allowedOrigins = t('fault.origins', { wrong: read.wrong.join(', ') });
    else if (read.origins.length > MAX_ORIGINS) found.allowedOrigins = t('fault.tooMany', { max: MAX_ORIGINS });
    setFaults(found);
    save.reset();
    if (Object.keys(found).length > 0) return;
    save.mutate({ name: name.trim(), allowedOrigins: read.origins, storeId, greeting: greeting.trim(), active });
  };

  return (
    <Modal
      opened
      onClose={onClose}
      title={channel ? t('edit.of', { name: channel.name }) : t('new.title')}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
      closeOnClickOutside={false}
    >
      <form onSubmit={submit} noValidate>
        <Stack gap="md">
          <TextInput
            label={t('field.name')}
            description={t('help.name')}
            required
            maxLength={100}
            data-autofocus
            value={name}
            error={errors.name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Textarea
            label={t('field.origins')}
            description={t('help.origins')}
            placeholder="https://shop.example"
            rows={3}
            value={origins}
            error={errors.allowedOrigins}
            onChange={(event) => setOrigins(event.currentTarget.value)}
          />
          {stores.data && stores.data.length > 0 && (
            <NativeSelect
              label={t('field.store')}
              description={t('help.store')}
              value={storeId}
              error={errors.storeId}
              onChange={(event) => setStoreId(event.currentTarget.value)}
              data={[
                { value: '', label: t('noStore') },
                ...stores.data.map((store) => ({ value: store.id, label: store.name })),
              ]}
            />
          )}
          <Textarea
            label={t('field.greeting')}
            description={t('help.greeting')}
            maxLength={500}
            rows={3}
            value={greeting}
            error={errors.greeting}
            onChange={(event) => setGreeting(event.currentTarget.value)}
          />
          {channel && (
            <Checkbox
              label={t('field.active')}
              description={t('help.active')}
              checked={active}
              error={errors.active}
              onChange={(event) => setActive(event.currentTarget.checked)}
            />
          )}
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
            <Button type="submit" loading={save.isPending}>
              {t(channel ? 'action.save' : 'action.create')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
