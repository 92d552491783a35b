import { IconArchive, IconCircleCheck, IconProgress } from '@tabler/icons-react';
import { useTranslation } from 'react-i18next';
import type { Segment } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { Mark } from '~/shared/ui/mark';

/** Whether a segment is in use, and whether its members are all found. */
export function SegmentState({ segment }: { segment: Segment }) {
  const { t } = useTranslation('segments');
  const format = useFormat();
  if (!segment.active) {
    return (
      <Mark tone="idle" icon={IconArchive}>
        {t('state.away')}
      </Mark>
    );
  }
  const { build } = segment;
  if (build && !build.complete) {
    const examined = format.number(BigInt(build.examined));
    return (
      <Mark tone="waiting" icon={IconProgress}>
        {Number(build.total) > 0
          ? t('state.buildingOf', { examined, total: format.number(BigInt(build.total)) })
          : t('state.building')}
      </Mark>
    );
  }
  return (
    <Mark tone="done" icon={IconCircleCheck}>
      {t('state.current')}
    </Mark>
  );
}
