import { ActionIcon, Badge, Button, Checkbox, Popover, SegmentedControl, Stack, Text, TextInput } from '@mantine/core';
import { IconFilter, IconX } from '@tabler/icons-react';
import { type FormEvent, useId, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat } from '~/shared/lib/use-format';
import classes from './filter-bar.module.css';
import { FILTER_KEYS, type FilterKey, type Filters, type YesNo } from './search';

type Props = { filters: Filters; onChange: (filters: Filters) => void };

/** The button that opens the filter, with the number of conditions. */
export function FilterButton({ filters, onChange }: Props) {
  const { t } = useTranslation('customers');
  const [opened, setOpened] = useState(false);
  const count = FILTER_KEYS.filter((key) => filters[key]).length;
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
          variant="default"
          className={classes.button}
          leftSection={<IconFilter size={16} aria-hidden />}
          rightSection={
            count > 0 ? (
              <Badge size="sm" circle>
                {count}
              </Badge>
            ) : undefined
          }
          onClick={() => setOpened(!opened)}
          aria-expanded={opened}
          aria-haspopup="dialog"
        >
          {t('filter.button')}
        </Button>
      </Popover.Target>
      <Popover.Dropdown role="dialog" aria-label={t('filter.title')} className={classes.dropdown}>
        <FilterForm
          filters={filters}
          onChange={(changed) => {
            setOpened(false);
            onChange(changed);
          }}
        />
      </Popover.Dropdown>
    </Popover>
  );
}

function FilterForm({ filters, onChange }: Props) {
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

/** The conditions in force, each with a button that lifts it. */
export function FilterChips({ filters, onChange }: Props) {
  const { t } = useTranslation('customers');
  const format = useFormat();
  const day = (value: string | undefined) => (value ? format.day(new Date(`${value}T00:00:00`)) : '');
  const text: Record<FilterKey, () => string> = {
    kind: () => t(filters.kind === 'company' ? 'kind.company' : 'kind.person'),
    country: () => t('chip.country', { value: filters.country }),
    source: () => t('chip.source', { value: filters.source }),
    from: () => t('chip.from', { day: day(filters.from) }),
    until: () => t('chip.until', { day: day(filters.until) }),
    phone: () => t(filters.phone === 'yes' ? 'chip.withPhone' : 'chip.withoutPhone'),
    email: () => t(filters.email === 'yes' ? 'chip.withEmail' : 'chip.withoutEmail'),
    duplicates: () => t('chip.duplicates'),
  };
  const active = FILTER_KEYS.filter((key) => filters[key]);
  if (active.length === 0) return null;
  return (
    <ul className={classes.chips} aria-label={t('filter.active')}>
      {active.map((key) => (
        <li key={key} className={classes.chip}>
          <span>{text[key]()}</span>
          <ActionIcon
            size={24}
            radius="xl"
            variant="transparent"
            color="gray"
            aria-label={t('chip.remove', { name: text[key]() })}
            onClick={() => onChange({ ...filters, [key]: undefined })}
          >
            <IconX size={13} aria-hidden />
          </ActionIcon>
        </li>
      ))}
    </ul>
  );
}
