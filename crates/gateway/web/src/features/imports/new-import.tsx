import { Alert, Button, Group, SegmentedControl, Text } from '@mantine/core';
import { IconAlertTriangle, IconFile } from '@tabler/icons-react';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { api, body, idempotencyKey } from '~/shared/api/client';
import type { ImportKind } from '~/shared/api/types';
import { useBytes } from '~/shared/lib/use-bytes';
import { useMay } from '~/shared/session';
import { useErrorText } from '~/shared/ui/error-state';
import { PageHeading } from '~/shared/ui/page-heading';
import { DropZone } from './drop-zone';
import classes from './imports.module.css';
import { importQuery, showImport } from './queries';
import { Step } from './step';
import { startUpload } from './uploads';

const MAX_NAME = 255;

type Props = { onCreated: (id: string) => void };

/** The first step: what the file holds, and which file it is. The upload goes on while the import's own page is shown. */
export function NewImport({ onCreated }: Props) {
  const { t } = useTranslation(['imports', 'common']);
  const queryClient = useQueryClient();
  const textOf = useErrorText();
  const bytes = useBytes();
  const mayOrders = useMay('orders.order.import');
  const [kind, setKind] = useState<ImportKind>('IMPORT_KIND_CUSTOMERS');
  const [file, setFile] = useState<File>();
  // One key for one file: pressed again after a lost answer, it is the same import.
  const sent = useRef<{ file: File; kind: ImportKind; key: string }>(undefined);

  const create = useMutation({
    mutationFn: async (chosen: File) => {
      if (sent.current?.file !== chosen || sent.current.kind !== kind) {
        sent.current = { file: chosen, kind, key: idempotencyKey() };
      }
      return body(
        api.POST('/v1/imports', {
          headers: { 'Idempotency-Key': sent.current.key },
          body: { kind, fileName: chosen.name.slice(-MAX_NAME) },
        }),
      );
    },
    onSuccess: (created, chosen) => {
      queryClient.setQueryData(importQuery(created.id).queryKey, created);
      void queryClient.invalidateQueries({ queryKey: ['imports', 'list'] });
      startUpload(created.id, chosen, (uploaded) => {
        showImport(queryClient, uploaded);
        void queryClient.invalidateQueries({ queryKey: ['imports', 'list'] });
      });
      onCreated(created.id);
    },
  });

  return (
    <div className={classes.page}>
      <Link to="/imports" className={classes.back}>
        ‹ {t('title')}
      </Link>
      <PageHeading>{t('new.title')}</PageHeading>
      <Step number={1} title={t('step.file')} state="now">
        <Text size="sm" fw={500} mb={4}>
          {t('field.kind')}
        </Text>
        <SegmentedControl
          aria-label={t('field.kind')}
          value={kind}
          onChange={(value) => setKind(value as ImportKind)}
          data={[
            { value: 'IMPORT_KIND_CUSTOMERS', label: t('kind.IMPORT_KIND_CUSTOMERS') },
            { value: 'IMPORT_KIND_ORDERS', label: t('kind.IMPORT_KIND_ORDERS'), disabled: !mayOrders },
          ]}
        />
        <Text size="xs" c="dimmed" mt={4} mb="sm">
          {t(kind === 'IMPORT_KIND_ORDERS' ? 'kindHelp.orders' : 'kindHelp.customers')}
          {!mayOrders && ` ${t('ordersForbidden')}`}
        </Text>
        <DropZone label={t(file ? 'file.other' : 'file.choose')} onFile={setFile} />
        {file && (
          <p className={classes.fileLine}>
            <IconFile size={18} stroke={1.6} aria-hidden />
            <span className={classes.fileName}>{file.name}</span>
            <span className={classes.dim}>{bytes(file.size)}</span>
          </p>
        )}
        {create.isError && (
          <Alert color="red" variant="outline" mt="sm" icon={<IconAlertTriangle size={18} aria-hidden />} role="alert">
            {textOf(create.error)}
          </Alert>
        )}
        <Group gap="xs" mt="md">
          <Button disabled={!file} loading={create.isPending} onClick={() => file && create.mutate(file)}>
            {t('action.upload')}
          </Button>
          <Button variant="default" component={Link} to="/imports">
            {t('common:action.cancel')}
          </Button>
        </Group>
      </Step>
    </div>
  );
}
