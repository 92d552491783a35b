import { Button } from '@mantine/core';
import { IconCheck, IconCopy } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { announce } from '~/shared/ui/live-region';
import classes from './channels.module.css';
import { snippetOf } from './origins';

const SHOWN_MS = 2_500;

/** What to put into the pages of the company, with a button that copies it. */
export function Snippet({ siteKey }: { siteKey: string }) {
  const { t } = useTranslation('channels');
  const [copied, setCopied] = useState(false);
  const code = useRef<HTMLElement>(null);
  const text = snippetOf(location.origin, siteKey);

  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [copied]);

  const copy = async () => {
    try {
      // Only a secure origin has a clipboard.
      await navigator.clipboard.writeText(text);
      setCopied(true);
      announce(t('snippet.copied'));
    } catch {
      const range = document.createRange();
      if (code.current) range.selectNodeContents(code.current);
      getSelection()?.removeAllRanges();
      getSelection()?.addRange(range);
      announce(t('snippet.selected'));
    }
  };

  return (
    <div className={classes.snippet}>
      <code ref={code} className={classes.code}>
        {text}
      </code>
      <Button
        size="compact-sm"
        variant="default"
        leftSection={copied ? <IconCheck size={14} aria-hidden /> : <IconCopy size={14} aria-hidden />}
        onClick={() => void copy()}
      >
        {t(copied ? 'snippet.copied' : 'snippet.copy')}
      </Button>
    </div>
  );
}
