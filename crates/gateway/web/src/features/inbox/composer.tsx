import { Button, Text, Textarea } from '@mantine/core';
import { IconSend } from '@tabler/icons-react';
import { type KeyboardEvent, useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { readDraft, writeDraft } from '~/shared/lib/drafts';
import { useFormat } from '~/shared/lib/use-format';
import classes from './thread-view.module.css';

/** The server takes no longer message. */
const MAX_LENGTH = 4_000;
/** From here on the writer is told how much is left. */
const TELL_FROM = 3_600;

export const draftName = (dialogId: string) => `dialog.${dialogId}`;

type Props = { dialogId: string; userId: string; name: string; onSend: (text: string) => void };

/** Where an answer is written: Enter sends, Shift+Enter makes a new line, what is not sent is kept as a draft. */
export function Composer({ dialogId, userId, name, onSend }: Props) {
  const { t } = useTranslation('inbox');
  const format = useFormat();
  const help = useId();
  const [text, setText] = useState(() => readDraft(userId, draftName(dialogId)));
  // The server counts characters, not the halves in which JavaScript keeps some of them.
  const length = [...text].length;
  const tooLong = length > MAX_LENGTH;

  const write = (next: string) => {
    setText(next);
    writeDraft(userId, draftName(dialogId), next);
  };
  const send = () => {
    const said = text.trim();
    if (said === '' || tooLong) return;
    write('');
    onSend(said);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // Enter that ends the choice of a character in an input method sends nothing.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <div className={classes.composer}>
      <Textarea
        className={classes.writing}
        data-composer
        aria-label={t('composer.to', { name })}
        aria-describedby={help}
        aria-keyshortcuts="R"
        placeholder={t('composer.placeholder')}
        autosize
        minRows={1}
        maxRows={8}
        value={text}
        error={tooLong}
        onChange={(event) => write(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <Button
        className={classes.send}
        leftSection={<IconSend size={16} aria-hidden />}
        disabled={text.trim() === '' || tooLong}
        onClick={send}
      >
        {t('composer.send')}
      </Button>
      <Text id={help} size="xs" c={tooLong ? 'var(--mantine-color-error)' : 'dimmed'} className={classes.help}>
        {length >= TELL_FROM
          ? t('composer.length', { length: format.number(length), max: format.number(MAX_LENGTH) })
          : t('composer.help')}
      </Text>
    </div>
  );
}
