import { Button, Popover, Stack, TextInput } from '@mantine/core';
import { IconCalendarClock } from '@tabler/icons-react';
import { type FormEvent, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat } from '~/shared/lib/use-format';
import classes from './as-of.module.css';

type Props = { asOf: string | undefined; onChange: (asOf: string | undefined) => void };

/** The value of a `datetime-local` field for a moment, in the zone of the one who looks. */
function localValue(moment: Date): string {
  const shifted = new Date(moment.getTime() - moment.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 19);
}

/** Chooses the past moment the customer is shown as of. */
export function AsOfButton({ asOf, onChange }: Props) {
  const { t } = useTranslation('card');
  const [opened, setOpened] = useState(false);
  return (
    <Popover
      opened={opened}
      onChange={setOpened}
      position="bottom-end"
      shadow="md"
      trapFocus
      returnFocus
      withRoles={false}
    >
      <Popover.Target>
        <Button
          size="xs"
          variant="default"
          leftSection={<IconCalendarClock size={15} aria-hidden />}
          onClick={() => setOpened(!opened)}
          aria-expanded={opened}
          aria-haspopup="dialog"
        >
          {t('asOf.button')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown role="dialog" aria-label={t('asOf.title')} className={classes.dropdown}>
        <AsOfForm
          asOf={asOf}
          onChange={(moment) => {
            setOpened(false);
            onChange(moment);
          }}
        />
      </Popover.Dropdown>
    </Popover>
  );
}

function AsOfForm({ asOf, onChange }: Props) {
  const { t } = useTranslation('card');
  const [value, setValue] = useState(() => localValue(asOf ? new Date(asOf) : new Date()));
  const [error, setError] = useState<string>();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const moment = new Date(value);
    if (Number.isNaN(moment.getTime())) setError(t('asOf.noMoment'));
    else if (moment.getTime() > Date.now()) setError(t('asOf.future'));
    else onChange(moment.toISOString());
  };
  return (
    <form onSubmit={submit} noValidate>
      <Stack gap="sm">
        <TextInput
          type="datetime-local"
          step={1}
          label={t('asOf.moment')}
          value={value}
          max={localValue(new Date())}
          error={error}
          onChange={(event) => setValue(event.currentTarget.value)}
          data-autofocus
        />
        <div className={classes.actions}>
          {asOf && (
            <Button size="xs" variant="subtle" onClick={() => onChange(undefined)}>
              {t('asOf.now')}
            </Button>
          )}
          <Button size="xs" type="submit">
            {t('asOf.show')}
          </Button>
        </div>
      </Stack>
    </form>
  );
}

/** Names the moment that is shown, and what of the page it is true of. */
export function AsOfBanner({ asOf, onNow }: { asOf: string; onNow: () => void }) {
  const { t } = useTranslation('card');
  const format = useFormat();
  return (
    <div className={classes.banner} role="status">
      <IconCalendarClock size={18} stroke={1.7} aria-hidden />
      <span>
        <strong>{t('asOf.banner', { moment: format.exact(new Date(asOf)) })}</strong> {t('asOf.bannerRest')}
      </span>
      <Button size="compact-sm" variant="default" onClick={onNow}>
        {t('asOf.now')}
      </Button>
    </div>
  );
}
