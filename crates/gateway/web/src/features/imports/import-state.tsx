import {
  IconArrowBackUp,
  IconCircleCheck,
  IconCircleX,
  IconClockOff,
  IconFileUpload,
  IconHandStop,
  IconListCheck,
  IconProgress,
} from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { ImportState as State } from '~/shared/api/types';
import { Mark, type Tone } from '~/shared/ui/mark';

const STATES: Record<Exclude<State, 'IMPORT_STATE_UNSPECIFIED'>, { tone: Tone; icon: typeof IconProgress }> = {
  IMPORT_STATE_AWAITING_FILE: { tone: 'waiting', icon: IconFileUpload },
  IMPORT_STATE_READY: { tone: 'accent', icon: IconListCheck },
  IMPORT_STATE_CHECKING: { tone: 'waiting', icon: IconProgress },
  IMPORT_STATE_RUNNING: { tone: 'waiting', icon: IconProgress },
  IMPORT_STATE_DONE: { tone: 'done', icon: IconCircleCheck },
  IMPORT_STATE_FAILED: { tone: 'broken', icon: IconCircleX },
  IMPORT_STATE_CANCELLED: { tone: 'idle', icon: IconHandStop },
  IMPORT_STATE_UNDOING: { tone: 'waiting', icon: IconArrowBackUp },
  IMPORT_STATE_UNDONE: { tone: 'idle', icon: IconArrowBackUp },
  IMPORT_STATE_EXPIRED: { tone: 'idle', icon: IconClockOff },
};

/** What has become of an import, in a word. */
export function ImportState({ state }: { state: State }) {
  const { t } = useTranslation('imports');
  if (state === 'IMPORT_STATE_UNSPECIFIED') return null;
  const { tone, icon } = STATES[state];
  return (
    <Mark tone={tone} icon={icon}>
      {t(`state.${state}`)}
    </Mark>
  );
}
