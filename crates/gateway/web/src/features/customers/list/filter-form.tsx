import { Button, Checkbox, SegmentedControl, Stack, Text, TextInput } from '@mantine/core';
import { type FormEvent, useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import classes from './filter-bar.module.css';
import type { Filters, YesNo } from './search';

type Props = { filters: Filters; onChange: (filters: Filters) => void };

/** The conditions that a list can be held to. */
export default function FilterForm({ filters, onChange }: Props) {
  const { t } = useTranslation('customers');
  const [draft, setDraft] = useState(filters);
  const set = (part: Filters) => setDraft((before) => ({ ...before, ...part }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onChange({ ...draft, country: draft.country?.trim() || undefined, source: draft.source?.trim() || undefined });
  };
  return (
    <form onSubmit={submit}>
      <Stack gap="sm">
        <Choice
          label={t('filter.kind')}
          value={draft.kind}
          options={[
            ['person', t('kind.person')],
            ['company', t('kind.company')],
          ]}
          onChange={(kind) => set({ kind })}
        />
        <TextInput
          label={t('filter.country')}
          value={draft.country ?? ''}
          maxLength={100}
          onChange={(event) => set({ country: event.currentTarget.value })}
          data-autofocus
        />
        <TextInput
          label={t('filter.source')}
          value={draft.source ?? ''}
          maxLength={64}
          onChange={(event) => set({ source: event.currentTarget.value })}
        />
        <div className={classes.days}>
          <TextInput
            type="date"
            label={t('filter.from')}
            value={draft.from ?? ''}
            max={draft.until}
            onChange={(event) => set({ from: event.currentTarget.value || undefined })}
          />
          <TextInput
            type="date"
            label={t('filter.until')}
            value={draft.until ?? ''}
            min={draft.from}
            onChange={(event) => set({ until: event.currentTarget.value || undefined })}
          />
        </div>
        <Choice label={t('filter.phone')} value={draft.phone} options={yesNo(t)} onChange={(phone) => set({ phone })} />
        <Choice label={t('filter.email')} value={draft.email} options={yesNo(t)} onChange={(email) => set({ email })} />
        <Checkbox
          label={t('filter.duplicates')}
          checked={draft.duplicates === 'yes'}
          onChange={(event) => set({ duplicates: event.currentTarget.checked ? 'yes' : undefined })}
        />
        <div className={classes.actions}>
          <Button variant="subtle" onClick={() => onChange({})}>
            {t('filter.clear')}
          </Button>
          <Button type="submit">{t('filter.apply')}</Button>
        </div>
      </Stack>
    </form>
  );
}

function yesNo(t: (key: 'filter.yes' | 'filter.no') => string): [YesNo, string][] {
  return [
    ['yes', t('filter.yes')],
    ['no', t('filter.no')],
  ];
}

type ChoiceProps<T extends string> = {
  label: string;
  value: T | undefined;
  options: [T, string][];
  onChange: (value: T | undefined) => void;
};

function Choice<T extends string>({ label, value, options, onChange }: ChoiceProps<T>) {
  const { t } = useTranslation('customers');
  const id = useId();
  return (
    <div>
      <Text id={id} size="sm" fw="var(--mantine-font-weight-medium)" mb={4}>
        {label}
      </Text>
      <SegmentedControl
        fullWidth
        size="xs"
        aria-labelledby={id}
        value={value ?? ''}
        data={[
          { value: '', label: t('filter.any') },
          ...options.map(([option, text]) => ({ value: option, label: text })),
        ]}
        onChange={(picked) => onChange(options.find(([option]) => option === picked)?.[0])}
      />
    </div>
  );
}
