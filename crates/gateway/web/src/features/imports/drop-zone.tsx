import { Text } from '@mantine/core';
import { IconFileUpload } from '@tabler/icons-react';
import { type DragEvent, useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useBytes } from '~/shared/lib/use-bytes';
import classes from './drop-zone.module.css';
import { MAX_FILE_BYTES } from './uploads';

const ACCEPTED = '.csv,.tsv,.txt,.gz,text/csv,text/plain,text/tab-separated-values';

type Props = { label: string; onFile: (file: File) => void };

/** Where a file is dropped, or chosen by a click or the keyboard. */
export function DropZone({ label, onFile }: Props) {
  const { t } = useTranslation('imports');
  const bytes = useBytes();
  const input = useId();
  const help = useId();
  const [over, setOver] = useState(false);
  const [error, setError] = useState<string>();

  const take = (files: FileList | null) => {
    const [file, second] = [...(files ?? [])];
    if (!file) return;
    if (second) return setError(t('file.onlyOne'));
    if (file.size === 0) return setError(t('file.empty', { name: file.name }));
    if (file.size > MAX_FILE_BYTES) {
      return setError(t('file.tooLarge', { name: file.name, size: bytes(file.size), max: bytes(MAX_FILE_BYTES) }));
    }
    setError(undefined);
    onFile(file);
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  return (
    <div>
      <label
        htmlFor={input}
        className={classes.zone}
        data-over={over || undefined}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <IconFileUpload size={28} stroke={1.4} aria-hidden className={classes.icon} />
        <span className={classes.label}>{label}</span>
        <input
          id={input}
          type="file"
          accept={ACCEPTED}
          className={classes.input}
          aria-describedby={help}
          aria-invalid={error !== undefined}
          onChange={(event) => {
            take(event.currentTarget.files);
            // The same file chosen again is a choice too.
            event.currentTarget.value = '';
          }}
        />
        <span id={help} className={classes.help}>
          {t('file.help', { max: bytes(MAX_FILE_BYTES) })}
        </span>
      </label>
      {error && (
        <Text size="sm" c="var(--mantine-color-error)" role="alert" mt={4}>
          {error}
        </Text>
      )}
    </div>
  );
}
