import { Button, Text } from '@mantine/core';
import { IconClockExclamation, IconLock, IconPlugConnectedX, IconRefresh } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import type { SectionStatus } from '~/shared/api/types';
import classes from './section.module.css';

type Props = { status: SectionStatus | undefined; onRetry: () => void; retrying: boolean; children: ReactNode };

const NOTICES = {
  SECTION_STATE_UNAVAILABLE: { text: 'section.unavailable', icon: IconPlugConnectedX },
  SECTION_STATE_LATE: { text: 'section.late', icon: IconClockExclamation },
  SECTION_STATE_FORBIDDEN: { text: 'section.forbidden', icon: IconLock },
} as const;

/** Shows a section of the card, or in its place why it could not be had; the rest of the card works. */
export function Section({ status, onRetry, retrying, children }: Props) {
  const { t } = useTranslation(['card', 'common']);
  const state = status?.state ?? 'SECTION_STATE_UNAVAILABLE';
  if (state === 'SECTION_STATE_OK') return children;
  const { text, icon: Icon } =
    state === 'SECTION_STATE_UNSPECIFIED' ? NOTICES.SECTION_STATE_UNAVAILABLE : NOTICES[state];
  return (
    <div className={classes.notice} role="status">
      <Icon size={20} stroke={1.7} aria-hidden className={classes.icon} />
      <div>
        <Text size="sm" fw={500}>
          {t(text)}
        </Text>
        {state !== 'SECTION_STATE_FORBIDDEN' && (
          <Text size="xs" c="dimmed">
            {t('section.restWorks')}
          </Text>
        )}
      </div>
      {state !== 'SECTION_STATE_FORBIDDEN' && (
        <Button
          size="xs"
          variant="default"
          leftSection={<IconRefresh size={14} aria-hidden />}
          loading={retrying}
          onClick={onRetry}
        >
          {t('common:action.tryAgain')}
        </Button>
      )}
    </div>
  );
}
