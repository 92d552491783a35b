import { Alert, Button, Checkbox, NativeSelect, Text, TextInput } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useId, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { ApiError, fieldErrors } from '~/shared/api/problem';
import type { Import, ImportFormat, ImportWarning } from '~/shared/api/types';
import { useViolationText } from '~/shared/i18n/violation-text';
import { exampleOf } from '~/shared/lib/date-example';
import { useMay } from '~/shared/session';
import { useErrorWords } from '~/shared/ui/error-state';
import { announce } from '~/shared/ui/live-region';
import classes from './imports.module.css';
import { isOpen } from './progress';
import { statusesQuery } from './queries';
import { DATE_FORMATS, DELIMITERS, ENCODINGS } from './reading';
import { Step } from './step';
import { useMine } from './use-mine';
import { useUpdate } from './use-update';
import { useWarningText } from './warning-text';

type Draft = ImportFormat & { source: string };
const KEYS = [
  'encoding',
  'delimiter',
  'hasHeader',
  'skipLines',
  'dateFormat',
  'decimalSeparator',
  'timeZone',
  'currency',
  'orderStatus',
  'source',
] as const;

const draftOf = (imported: Import): Draft => ({
  encoding: imported.format?.encoding ?? '',
  delimiter: imported.format?.delimiter ?? 'IMPORT_DELIMITER_UNSPECIFIED',
  hasHeader: imported.format?.hasHeader ?? false,
  skipLines: imported.format?.skipLines ?? 0,
  dateFormat: imported.format?.dateFormat ?? '',
  decimalSeparator: imported.format?.decimalSeparator ?? '',
  timeZone: imported.format?.timeZone ?? '',
  currency: imported.format?.currency ?? '',
  orderStatus: imported.format?.orderStatus ?? '',
  source: imported.source,
});

type Props = { imported: Import; waiting: boolean; onUnsaved: (unsaved: boolean) => void };

/** How the file is read: what was found in it, and what a person says instead. */
export function ReadingStep({ imported, waiting, onUnsaved }: Props) {
  const { t } = useTranslation('imports');
  const open = useMine(imported) && isOpen(imported);
  return (
    <Step
      number={2}
      title={t('step.reading')}
      state={waiting ? 'later' : open ? 'now' : 'done'}
      folded={!waiting && imported.progress !== undefined}
    >
      {!waiting && <Warnings warnings={imported.warnings} />}
      {!waiting && (open ? <Form imported={imported} onUnsaved={onUnsaved} /> : <Facts imported={imported} />)}
    </Step>
  );
}

function Warnings({ warnings }: { warnings: ImportWarning[] }) {
  const { t } = useTranslation('imports');
  const warningText = useWarningText();
  if (warnings.length === 0) return null;
  return (
    <ul className={classes.warnings} aria-label={t('warnings')}>
      {warnings.map((warning) => (
        <li key={`${warning.reason}.${warning.column}.${warning.description}`} className={classes.warning}>
          <IconAlertTriangle size={16} stroke={1.8} aria-hidden />
          <div>
            {warning.column && (
              <strong>
                <bdi>{warning.column}</bdi>:{' '}
              </strong>
            )}
            {warningText(warning)}
          </div>
        </li>
      ))}
    </ul>
  );
}

function Facts({ imported }: { imported: Import }) {
  const { t } = useTranslation('imports');
  const draft = draftOf(imported);
  const shown = KEYS.filter((key) => key !== 'orderStatus' || imported.kind === 'IMPORT_KIND_ORDERS');
  return (
    <dl className={classes.facts}>
      {shown.map((key) => (
        <div key={key}>
          <dt>{t(`reading.${key}`)}</dt>
          <dd>
            {key === 'hasHeader'
              ? t(draft.hasHeader ? 'reading.yes' : 'reading.no')
              : key === 'delimiter'
                ? t(`delimiter.${draft.delimiter}`)
                : key === 'dateFormat'
                  ? exampleOf(draft.dateFormat)
                  : key === 'decimalSeparator'
                    ? t(draft.decimalSeparator === ',' ? 'reading.comma' : 'reading.point')
                    : String(draft[key]) || '—'}
          </dd>
        </div>
      ))}
    </dl>
  );
}

const OTHER = 'other';
/** Warnings that must be decided before a run. */
const DOUBTS = ['DATE_FORMAT_AMBIGUOUS', 'DECIMAL_AMBIGUOUS'];

/** The setting that a path of the API is about. */
function keyOf(path: string): keyof Draft | undefined {
  const name = path
    .replace(/^import\./, '')
    .replace(/^format\./, '')
    .replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
  return KEYS.find((key) => key === name);
}

function Form({ imported, onUnsaved }: { imported: Import; onUnsaved: (unsaved: boolean) => void }) {
  const { t } = useTranslation('imports');
  const wordsOf = useErrorWords();
  const violationText = useViolationText();
  const zones = useId();
  const currencies = useId();
  const stored = useMemo(() => draftOf(imported), [imported]);
  const [changes, setChanges] = useState<Partial<Draft>>({});
  const [otherDate, setOtherDate] = useState(false);
  const update = useUpdate(imported.id);
  const draft: Draft = { ...stored, ...changes };
  const unsaved = KEYS.some((key) => draft[key] !== stored[key]);
  // What was guessed is confirmed by applying it as it is: without that no run begins.
  const doubtful = imported.warnings.some(({ reason }) => DOUBTS.includes(reason));
  const set = (part: Partial<Draft>) => setChanges((before) => ({ ...before, ...part }));

  useEffect(() => onUnsaved(unsaved), [unsaved, onUnsaved]);
  useEffect(() => () => onUnsaved(false), [onUnsaved]);

  const problem = update.error instanceof ApiError ? update.error.problem : undefined;
  const refused = fieldErrors(problem ?? {}, keyOf, violationText);
  const rest = update.isError ? (problem?.errors?.length ? refused.rest : wordsOf(update.error)) : [];

  const submit = (event: FormEvent) => {
    event.preventDefault();
    const { source, ...format } = draft;
    update.mutate(
      { format, source },
      {
        onSuccess: () => {
          setChanges({});
          announce(t('reading.applied'));
        },
      },
    );
  };

  const options = (values: readonly string[], present: string) =>
    present === '' || values.includes(present) ? [...values] : [present, ...values];

  return (
    <form onSubmit={submit} noValidate>
      <div className={classes.form}>
        <NativeSelect
          label={t('reading.encoding')}
          value={draft.encoding}
          error={refused.fields.encoding}
          data={options(ENCODINGS, draft.encoding)}
          onChange={(event) => set({ encoding: event.currentTarget.value })}
        />
        <NativeSelect
          label={t('reading.delimiter')}
          value={draft.delimiter}
          error={refused.fields.delimiter}
          data={DELIMITERS.map((value) => ({ value, label: t(`delimiter.${value}`) }))}
          onChange={(event) => set({ delimiter: event.currentTarget.value as Draft['delimiter'] })}
        />
        <TextInput
          label={t('reading.skipLines')}
          inputMode="numeric"
          maxLength={3}
          value={String(draft.skipLines)}
          error={refused.fields.skipLines}
          onChange={(event) => set({ skipLines: Number(event.currentTarget.value.replace(/\D/g, '')) })}
        />
        <Checkbox
          label={t('reading.hasHeader')}
          checked={draft.hasHeader}
          error={refused.fields.hasHeader}
          mt={28}
          onChange={(event) => set({ hasHeader: event.currentTarget.checked })}
        />
        <div>
          <NativeSelect
            label={t('reading.dateFormat')}
            value={otherDate ? OTHER : draft.dateFormat}
            error={otherDate ? undefined : refused.fields.dateFormat}
            data={[
              ...['', ...options(DATE_FORMATS, draft.dateFormat)].map((value) => ({ value, label: exampleOf(value) })),
              { value: OTHER, label: t('reading.otherDate') },
            ]}
            onChange={(event) => {
              const chosen = event.currentTarget.value;
              setOtherDate(chosen === OTHER);
              if (chosen !== OTHER) set({ dateFormat: chosen });
            }}
          />
          {otherDate && (
            <TextInput
              mt={4}
              aria-label={t('reading.dateFormat')}
              description={t('reading.dateHelp')}
              maxLength={40}
              value={draft.dateFormat}
              error={refused.fields.dateFormat}
              onChange={(event) => set({ dateFormat: event.currentTarget.value })}
            />
          )}
        </div>
        <NativeSelect
          label={t('reading.decimalSeparator')}
          value={draft.decimalSeparator}
          error={refused.fields.decimalSeparator}
          data={[
            { value: '.', label: t('reading.point') },
            { value: ',', label: t('reading.comma') },
          ]}
          onChange={(event) => set({ decimalSeparator: event.currentTarget.value })}
        />
        <TextInput
          label={t('reading.timeZone')}
          description={t('reading.timeZoneHelp')}
          list={zones}
          maxLength={64}
          value={draft.timeZone}
          error={refused.fields.timeZone}
          onChange={(event) => set({ timeZone: event.currentTarget.value.trim() })}
        />
        <TextInput
          label={t('reading.currency')}
          description={t('reading.currencyHelp')}
          list={currencies}
          maxLength={3}
          value={draft.currency}
          error={refused.fields.currency}
          onChange={(event) => set({ currency: event.currentTarget.value.trim().toUpperCase() })}
        />
        {imported.kind === 'IMPORT_KIND_ORDERS' && (
          <OrderStatus
            value={draft.orderStatus}
            error={refused.fields.orderStatus}
            onChange={(orderStatus) => set({ orderStatus })}
          />
        )}
        <TextInput
          label={t('reading.source')}
          description={t('reading.sourceHelp')}
          maxLength={64}
          value={draft.source}
          error={refused.fields.source}
          onChange={(event) => set({ source: event.currentTarget.value.trim() })}
        />
        <datalist id={zones}>
          {Intl.supportedValuesOf('timeZone').map((zone) => (
            <option key={zone} value={zone} />
          ))}
        </datalist>
        <datalist id={currencies}>
          {Intl.supportedValuesOf('currency').map((currency) => (
            <option key={currency} value={currency} />
          ))}
        </datalist>
      </div>
      {rest.length > 0 && (
        <Alert color="red" variant="outline" mt="sm" icon={<IconAlertTriangle size={18} aria-hidden />} role="alert">
          {rest.map((line) => (
            <div key={line}>{line}</div>
          ))}
        </Alert>
      )}
      <div className={classes.actions}>
        <Button type="submit" size="xs" disabled={!unsaved && !doubtful} loading={update.isPending}>
          {t('action.apply')}
        </Button>
        {unsaved && (
          <>
            <Button
              size="xs"
              variant="default"
              onClick={() => {
                setChanges({});
                setOtherDate(false);
                update.reset();
              }}
            >
              {t('action.discard')}
            </Button>
            <Text size="xs" c="dimmed" component="span">
              {t('reading.unsaved')}
            </Text>
          </>
        )}
      </div>
    </form>
  );
}

type StatusProps = { value: string; error: string | undefined; onChange: (code: string) => void };

/** The status of orders that say none: chosen from those there are, where the reader may see them. */
function OrderStatus({ value, error, onChange }: StatusProps) {
  const { t } = useTranslation('imports');
  const mayRead = useMay('orders.order.read');
  const statuses = useQuery({ ...statusesQuery, enabled: mayRead });
  const common = { label: t('reading.orderStatus'), description: t('reading.orderStatusHelp'), error };
  if (!statuses.data) {
    return (
      <TextInput
        {...common}
        maxLength={64}
        value={value}
        onChange={(event) => onChange(event.currentTarget.value.trim())}
      />
    );
  }
  const data = [...statuses.data].map(([code, name]) => ({ value: code, label: name }));
  return (
    <NativeSelect
      {...common}
      value={value}
      data={statuses.data.has(value) ? data : [{ value, label: value || '—' }, ...data]}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
