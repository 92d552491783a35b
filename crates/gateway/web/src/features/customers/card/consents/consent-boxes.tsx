import { Checkbox, Tooltip, UnstyledButton } from '@mantine/core';
import { IconInfoCircle } from '@tabler/icons-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import type { Card, ConsentState } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { useActorName } from '../names';
import classes from './consent-boxes.module.css';
import { allowedBy, CHANNELS_OF, stateOf } from './consents';
import { useSetConsent } from './use-consents';

type Props = {
  customerId: string;
  target: 'phone' | 'email';
  contactPointId: string;
  address: string;
  states: readonly ConsentState[];
  people: Card['people'];
  editable: boolean;
  onLog: () => void;
};

/** What the customer agreed to at a contact point: a box for each channel, and who said so, when and how. */
export function ConsentBoxes({ customerId, target, contactPointId, address, states, people, editable, onLog }: Props) {
  return (
    <div className={classes.boxes}>
      {CHANNELS_OF[target].map((channel) => (
        <Box
          key={channel}
          customerId={customerId}
          address={address}
          state={stateOf(states, contactPointId, channel)}
          people={people}
          editable={editable}
          onLog={onLog}
        />
      ))}
    </div>
  );
}

type BoxProps = Pick<Props, 'customerId' | 'address' | 'people' | 'editable' | 'onLog'> & { state: ConsentState };

function Box({ customerId, address, state, people, editable, onLog }: BoxProps) {
  const { t } = useTranslation('card');
  const set = useSetConsent(customerId);
  const [busy, setBusy] = useState(false);
  const about = useConsentOrigin(people);
  const { channel } = state;
  if (channel === 'CONSENT_CHANNEL_UNSPECIFIED') return null;
  const allowed = allowedBy(state);
  const name = t(`consents.channel.${channel}`);
  const part = allowed === 'service' || allowed === 'marketing';
  const change = async () => {
    const granted = allowed !== 'all';
    setBusy(true);
    await set(
      state,
      { marketing: granted, service: granted },
      t(granted ? 'consents.granted' : 'consents.withdrawn', { channel: name, address }),
    );
    setBusy(false);
  };
  return (
    <span className={classes.box}>
      <Checkbox
        size="xs"
        checked={allowed === 'all'}
        indeterminate={part}
        disabled={!editable || busy}
        onChange={() => void change()}
        label={part ? `${name}: ${t(`consents.only.${allowed}`)}` : name}
        aria-label={`${name}, ${address}${part ? `: ${t(`consents.only.${allowed}`)}` : ''}`}
      />
      <Tooltip label={about(state)} events={{ hover: true, focus: true, touch: true }} withArrow multiline maw={280}>
        <UnstyledButton
          className={classes.about}
          onClick={onLog}
          aria-haspopup="dialog"
          aria-label={t('consents.about', { channel: name, address, what: about(state) })}
        >
          <IconInfoCircle size={14} stroke={1.8} aria-hidden />
        </UnstyledButton>
      </Tooltip>
    </span>
  );
}

/** Who agreed or withdrew, when, and how we know: "given on 12 May by Irina · web client". */
export function useConsentOrigin(people: Card['people']): (state: ConsentState) => string {
  const { t } = useTranslation('card');
  const format = useFormat();
  const actorName = useActorName(people);
  return ({ entry }) => {
    if (!entry) return t('consents.never');
    const by = [
      actorName(entry.actor),
      entry.origin !== 'ORIGIN_UNSPECIFIED' ? t(`origin.${entry.origin}`) : '',
      entry.integration,
    ]
      .filter(Boolean)
      .join(' · ');
    const at = entry.recordedAt ? format.exact(new Date(entry.recordedAt)) : '';
    return [t(entry.granted ? 'consents.givenAt' : 'consents.withdrawnAt', { at }), by, entry.evidence]
      .filter(Boolean)
      .join(' · ');
  };
}
