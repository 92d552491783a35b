import { Button, Text } from '@mantine/core';
import { IconCircleCheck, IconCirclesRelation, IconHistory } from '@tabler/icons-react';
import { Link } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import type { Card, Membership } from '~/shared/api/types';
import { useReasonText } from '~/shared/rules/reason';
import { When } from '~/shared/ui/when';
import classes from './segments.module.css';

/** The segments the customer belongs to: since when, why, and when the rule looks again by itself. */
export default function Segments({ section, onLog }: { section: Card['segments']; onLog: () => void }) {
  const { t } = useTranslation('card');
  const memberships = section?.memberships ?? [];
  return (
    <>
      {memberships.length === 0 ? (
        <Text size="sm" c="dimmed">
          {t('segments.none')}
        </Text>
      ) : (
        <ul className={classes.list}>
          {memberships.map((membership) => (
            <Entry key={membership.segmentId} membership={membership} />
          ))}
        </ul>
      )}
      <Button
        size="compact-sm"
        variant="subtle"
        leftSection={<IconHistory size={14} aria-hidden />}
        onClick={onLog}
        aria-haspopup="dialog"
      >
        {t('segments.log')}
      </Button>
    </>
  );
}

function Entry({ membership }: { membership: Membership }) {
  const { t } = useTranslation('card');
  const reasonText = useReasonText();
  const { segmentId, segmentName, enteredAt, nextChangeAt, reasons } = membership;
  return (
    <li className={classes.entry}>
      <div className={classes.head}>
        <IconCirclesRelation size={15} stroke={1.7} aria-hidden />
        <Link to="/segments/$segmentId" params={{ segmentId }} className={classes.name}>
          {segmentName}
        </Link>
        {enteredAt && (
          <span className={classes.since}>
            {t('segments.since')} <When at={enteredAt} />
          </span>
        )}
      </div>
      {reasons.length > 0 && (
        <ul className={classes.reasons} aria-label={t('segments.why', { name: segmentName })}>
          {reasons.map((reason, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the reasons stand in the rule's order, and one may stand twice
            <li key={index}>
              <IconCircleCheck size={13} stroke={2} aria-hidden className={classes.holds} />
              {reasonText(reason)}
            </li>
          ))}
        </ul>
      )}
      {nextChangeAt && (
        <div className={classes.next}>
          {t('segments.next')} <When at={nextChangeAt} />
        </div>
      )}
    </li>
  );
}
