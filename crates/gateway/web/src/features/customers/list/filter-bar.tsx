import { ActionIcon, Badge, Button, Popover, Skeleton } from '@mantine/core';
import { IconFilter, IconX } from '@tabler/icons-react';
import { useRef, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { useFormat } from '~/shared/lib/use-format';
import { lazyPart } from '~/shared/ui/part';
import classes from './filter-bar.module.css';
import { FILTER_KEYS, type FilterKey, type Filters } from './search';

const loadForm = () => import('./filter-form');
const FilterForm = lazyPart(loadForm, { waiting: <Skeleton height={400} radius="md" /> });

/** So long a click may show nothing: then the window opens, and what it holds comes when it comes. */
const AT_ONCE_MS = 150;

type Props = { filters: Filters; onChange: (filters: Filters) => void };

/** The button that opens the filter, with the number of conditions. */
export function FilterButton({ filters, onChange }: Props) {
  const { t } = useTranslation('customers');
  const [opened, setOpened] = useState(false);
  const [loaded, setLoaded] = useState(false);
  const wanted = useRef(false);
  const show = (on: boolean) => {
    wanted.current = on;
    setOpened(on);
  };
  const open = () => {
    wanted.current = true;
    const openIfWanted = () => wanted.current && setOpened(true);
    const slow = setTimeout(openIfWanted, AT_ONCE_MS);
    const come = () => {
      clearTimeout(slow);
      setLoaded(true);
      openIfWanted();
    };
    // Where the form does not come, the window says so.
    void loadForm().then(come, come);
  };
  const count = FILTER_KEYS.filter((key) => filters[key]).length;
  return (
    <Popover
      opened={opened}
      onChange={show}
      position="bottom-end"
      shadow="md"
      // The focus goes to the form, so not before it is there.
      trapFocus={loaded}
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
          onClick={() => {
            if (opened) show(false);
            else open();
          }}
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
            show(false);
            onChange(changed);
          }}
        />
      </Popover.Dropdown>
    </Popover>
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
