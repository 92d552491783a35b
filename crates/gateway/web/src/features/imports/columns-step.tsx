import { NativeSelect, Skeleton, Text } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { ApiError } from '~/shared/api/problem';
import type { FieldViolation, Import, ImportField, ImportPreview } from '~/shared/api/types';
import { useViolationText } from '~/shared/i18n/violation-text';
import { useFormat } from '~/shared/lib/use-format';
import { ErrorState, useErrorText } from '~/shared/ui/error-state';
import { useImportFieldName } from './field-name';
import classes from './imports.module.css';
import { isOpen } from './progress';
import { Step } from './step';
import { useUnderstood } from './understood';
import { useMine } from './use-mine';
import { useUpdate } from './use-update';

type Props = { imported: Import; waiting: boolean; preview: UseQueryResult<ImportPreview> };

/** Which column is which field, and the first rows as they are understood. */
export function ColumnsStep({ imported, waiting, preview }: Props) {
  const { t } = useTranslation('imports');
  const mine = useMine(imported);
  const open = isOpen(imported);
  const missing = open && (preview.data?.missing.length ?? 0) > 0;
  return (
    <Step
      number={3}
      title={t('step.columns')}
      state={waiting ? 'later' : open ? 'now' : 'done'}
      folded={!waiting && imported.progress !== undefined}
    >
      {!waiting && (
        <>
          <Columns imported={imported} fields={open && mine ? preview.data?.fields : undefined} />
          {missing && <Missing preview={preview.data} />}
          {open && preview.isPending && <Skeleton height={160} radius="md" mt="md" />}
          {open && preview.isError && (
            <ErrorState title={t('preview.failed')} error={preview.error} onRetry={() => void preview.refetch()} />
          )}
          {open && preview.data && <Preview preview={preview.data} imported={imported} />}
        </>
      )}
    </Step>
  );
}

function Missing({ preview }: { preview: ImportPreview | undefined }) {
  const { t } = useTranslation('imports');
  const violationText = useViolationText();
  const fieldName = useImportFieldName();
  return (
    <div className={classes.missing} role="status">
      {t('columns.missing')}
      <ul>
        {preview?.missing.map((missing) => (
          <li key={`${missing.field}.${missing.description}`}>
            <strong>{fieldName(missing.field)}</strong>: {violationText(missing)}
          </li>
        ))}
      </ul>
    </div>
  );
}

/** Fields that may be chosen are offered; without them the columns only say what they are. */
function Columns({ imported, fields }: { imported: Import; fields: ImportField[] | undefined }) {
  const { t } = useTranslation('imports');
  const textOf = useErrorText();
  const violationText = useViolationText();
  const fieldName = useImportFieldName();
  const update = useUpdate(imported.id);
  // What has just been chosen shows at once; the server's answer follows.
  const columns = update.isPending && 'columns' in update.variables ? update.variables.columns : imported.columns;
  const taken = new Set(columns.map(({ field }) => field));

  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section className={classes.scroll} tabIndex={0} aria-label={t('step.columns')}>
        <table className={classes.grid}>
          <thead>
            <tr>
              <th scope="col">{t('columns.column')}</th>
              <th scope="col">{t('columns.field')}</th>
              <th scope="col">{t('columns.samples')}</th>
            </tr>
          </thead>
          <tbody>
            {columns.map((column, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: columns are known by their place; names may repeat
              <tr key={index}>
                <td>{column.name}</td>
                <td>
                  {fields ? (
                    <NativeSelect
                      size="xs"
                      className={classes.select}
                      aria-label={t('columns.fieldOf', { column: column.name })}
                      value={column.field}
                      onChange={(event) => {
                        const field = event.currentTarget.value;
                        update.mutate({
                          columns: columns.map((one, at) => (at === index ? { ...one, field } : one)),
                        });
                      }}
                      data={[
                        { value: '', label: t('columns.leaveOut') },
                        ...fields.map((field) => ({
                          value: field.name,
                          label: field.required
                            ? t('columns.required', { field: fieldName(field.name) })
                            : fieldName(field.name),
                          disabled: !field.repeated && field.name !== column.field && taken.has(field.name),
                        })),
                      ]}
                    />
                  ) : column.field ? (
                    fieldName(column.field)
                  ) : (
                    <span className={classes.dim}>{t('columns.leftOut')}</span>
                  )}
                </td>
                <td className={classes.samples}>{column.samples.slice(0, 3).join(' · ')}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {update.isError && (
        <Text size="sm" c="var(--mantine-color-error)" role="alert" mt={4}>
          {update.error instanceof ApiError && update.error.problem.errors?.length
            ? update.error.problem.errors.map(violationText).join('; ')
            : textOf(update.error)}
        </Text>
      )}
    </>
  );
}

function Preview({ preview, imported: { columns, format: read } }: { preview: ImportPreview; imported: Import }) {
  const { t } = useTranslation('imports');
  const violationText = useViolationText();
  const understood = useUnderstood(read?.timeZone || 'UTC');
  const format = useFormat();
  const fieldName = useImportFieldName();
  // In the order of the columns; what is made of several columns follows.
  const chosen = columns.map(({ field }) => field).filter(Boolean);
  const fields = [...new Set([...chosen, ...preview.rows.flatMap((row) => Object.keys(row.understood))])].filter(
    (field) => preview.rows.some((row) => row.understood[field] !== undefined),
  );
  // What is wrong with the row as a whole is said without a field.
  const wrong = (violation: FieldViolation) =>
    [violation.field && fieldName(violation.field), violationText(violation)].filter(Boolean).join(': ');
  if (preview.rows.length === 0) return null;
  return (
    <>
      <h3 className={classes.sub}>{t('preview.title')}</h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section className={classes.scroll} tabIndex={0} aria-label={t('preview.title')}>
        <table className={classes.grid}>
          <thead>
            <tr>
              <th scope="col">{t('refused.line')}</th>
              <th scope="col">{t('preview.wrong')}</th>
              {fields.map((field) => (
                <th key={field} scope="col">
                  {fieldName(field)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {preview.rows.map((row) => (
              <tr key={row.line}>
                <th scope="row" className={classes.rowHead}>
                  {format.number(BigInt(row.line))}
                </th>
                <td className={row.violations.length > 0 ? classes.wrongRow : classes.dim}>
                  {row.violations.length === 0 ? t('preview.fine') : row.violations.map(wrong).join('; ')}
                </td>
                {fields.map((field) => (
                  <td key={field}>
                    <bdi>{understood(field, row.understood[field] ?? '')}</bdi>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </>
  );
}
