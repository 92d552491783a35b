import { Button, Group, Modal, Stack, Text } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Import } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { useFocusReturn } from '~/shared/ui/use-focus-return';

type Props = { imported: Import; busy: boolean; onClose: () => void; onConfirm: () => void };

/** Taking an import back cannot be undone itself: the question names the file and the counts. */
export default function AskUndo({ imported, busy, onClose, onConfirm }: Props) {
  const { t } = useTranslation(['imports', 'common']);
  const format = useFormat();
  useFocusReturn();
  const { progress } = imported;
  const sum = (a: string | undefined, b: string | undefined) => Number(a ?? 0) + Number(b ?? 0);
  const created = sum(progress?.created, progress?.ordersCreated);
  const updated = sum(progress?.updated, progress?.ordersUpdated);
  return (
    <Modal
      opened
      onClose={onClose}
      title={t('undo.ask', { name: imported.fileName })}
      closeButtonProps={{ 'aria-label': t('common:action.close') }}
    >
      <Stack gap="md">
        <Text size="sm">
          {t('undo.askCreated', { count: created, shown: format.number(created) })}{' '}
          {t('undo.askUpdated', { count: updated, shown: format.number(updated) })} {t('undo.askKept')}
        </Text>
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose} data-autofocus>
            {t('common:action.cancel')}
          </Button>
          <Button color="red.9" loading={busy} onClick={onConfirm}>
            {t('undo.confirm')}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
