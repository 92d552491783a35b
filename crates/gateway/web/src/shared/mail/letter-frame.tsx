import { SegmentedControl, Text } from '@mantine/core';
import { IconPhotoOff } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { cspNonce } from '~/shared/lib/csp';
import { letterDocument } from './letter-document';
import classes from './letter-frame.module.css';

type View = 'html' | 'text' | 'source';
type Props = {
  /** What the letter is called, for those who hear the page. */
  label: string;
  text: string;
  html: string;
  /** The whole letter as it goes over the wire, where that is to be had. */
  source?: string;
};

/** The text of a letter in each of its forms. HTML is shown in a frame that may do nothing. */
export function LetterFrame({ label, text, html, source }: Props) {
  const { t } = useTranslation('mail');
  const views: View[] = [...(html ? ['html' as const] : []), 'text', ...(source ? ['source' as const] : [])];
  const [wanted, setWanted] = useState<View>('html');
  const view = views.includes(wanted) ? wanted : 'text';
  const document = useMemo(() => (html ? letterDocument(html, cspNonce()) : undefined), [html]);
  return (
    <div className={classes.letter}>
      {views.length > 1 && (
        <SegmentedControl
          size="xs"
          aria-label={t('letter.view')}
          value={view}
          onChange={(value) => setWanted(value as View)}
          data={views.map((value) => ({ value, label: t(`letter.${value}`) }))}
          className={classes.views}
        />
      )}
      {view === 'html' && document ? (
        <>
          {document.leftOut > 0 && (
            <Text size="xs" c="dimmed" className={classes.note}>
              <IconPhotoOff size={14} aria-hidden /> {t('letter.leftOut', { count: document.leftOut })}
            </Text>
          )}
          <iframe
            className={classes.frame}
            title={label}
            srcDoc={document.html}
            sandbox="allow-popups allow-popups-to-escape-sandbox"
            referrerPolicy="no-referrer"
          />
        </>
      ) : (
        <div
          role="document"
          className={classes.plain}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
          tabIndex={0}
          aria-label={label}
          data-source={view === 'source' || undefined}
        >
          {view === 'source' ? source : text}
        </div>
      )}
    </div>
  );
}
