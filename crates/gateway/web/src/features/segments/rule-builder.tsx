import { ActionIcon, Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { IconFolderPlus, IconPlus, IconTrash } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useEffect, useId, useRef } from 'react';
import { useTranslation } from 'react-i18next';
import type { Operator, SegmentField } from '~/shared/api/types';
import { useChoiceName, useOperatorName, useRuleFieldName } from '~/shared/rules/sentence';
import { useMay } from '~/shared/session';
import { colleaguesQuery, storesQuery } from '~/shared/session/people';
import {
  type ConditionDraft,
  countConditions,
  type GroupDraft,
  hasCurrency,
  isBare,
  isDays,
  MAX_CONDITIONS,
  newCondition,
  newGroup,
  type RuleDraft,
  replacePart,
  withField,
  withOperator,
} from './draft';
import classes from './rule-builder.module.css';

/** A group in the builder may hold groups so deep; with the conditions that is what the contract allows. */
const GROUP_LEVELS = 3;

type Props = {
  draft: GroupDraft;
  fields: readonly SegmentField[];
  /** What is wrong, by the key of the condition. */
  errors: ReadonlyMap<string, string>;
  onChange: (draft: GroupDraft) => void;
};

/** Conditions and groups of conditions, all reached and changed by keyboard. */
export function RuleBuilder({ draft, fields, errors, onChange }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const wanted = useRef<string>(undefined);
  const set = (key: string, next: RuleDraft | undefined) => {
    if (key === draft.key) onChange(next as GroupDraft);
    else onChange(replacePart(draft, key, next));
  };
  // What was added takes the focus; after a removal the group does.
  useEffect(() => {
    if (!wanted.current) return;
    const place = root.current?.querySelector(`[data-key="${wanted.current}"]`);
    place?.querySelector<HTMLElement>('[data-first]')?.focus();
    wanted.current = undefined;
  });
  return (
    <div ref={root}>
      <GroupEditor
        group={draft}
        level={1}
        fields={fields}
        errors={errors}
        full={countConditions(draft) >= MAX_CONDITIONS}
        onChange={set}
        onFocusWanted={(key) => {
          wanted.current = key;
        }}
      />
    </div>
  );
}

type PartProps = {
  fields: readonly SegmentField[];
  errors: ReadonlyMap<string, string>;
  /** No condition more fits. */
  full: boolean;
  onChange: (key: string, next: RuleDraft | undefined) => void;
  onFocusWanted: (key: string) => void;
};

function GroupEditor({
  group,
  level,
  parent,
  ...rest
}: PartProps & { group: GroupDraft; level: number; parent?: string }) {
  const { t } = useTranslation('segments');
  const label = useId();
  const { fields, full, onChange, onFocusWanted } = rest;
  const join = group.negated ? (group.join === 'all' ? 'notAll' : 'none') : group.join;
  const add = (part: RuleDraft) => {
    onChange(group.key, { ...group, parts: [...group.parts, part] });
    onFocusWanted(part.key);
  };
  const [first] = fields;
  return (
    <fieldset
      className={classes.group}
      data-key={group.key}
      data-nested={level > 1 || undefined}
      aria-labelledby={label}
    >
      <div className={classes.groupHead}>
        <NativeSelect
          data-first
          size="xs"
          aria-label={t('rule.join')}
          value={join}
          onChange={(event) => {
            const chosen = event.currentTarget.value;
            onChange(group.key, {
              ...group,
              join: chosen === 'any' || chosen === 'none' ? 'any' : 'all',
              negated: chosen === 'none' || chosen === 'notAll',
            });
          }}
          data={(['all', 'any', 'none', 'notAll'] as const).map((value) => ({ value, label: t(`rule.${value}`) }))}
        />
        <span id={label} className={classes.groupLabel}>
          {t('rule.ofThese')}
        </span>
        {parent !== undefined && (
          <ActionIcon
            variant="subtle"
            color="gray"
            size={30}
            aria-label={t('rule.removeGroup')}
            onClick={() => {
              onChange(group.key, undefined);
              onFocusWanted(parent);
            }}
          >
            <IconTrash size={16} aria-hidden />
          </ActionIcon>
        )}
      </div>
      <ul className={classes.parts}>
        {group.parts.map((part) => (
          <li key={part.key}>
            {part.type === 'group' ? (
              <GroupEditor {...rest} group={part} level={level + 1} parent={group.key} />
            ) : (
              <ConditionEditor {...rest} condition={part} parent={group.key} />
            )}
          </li>
        ))}
      </ul>
      <div className={classes.adds}>
        <Button
          size="compact-sm"
          variant="default"
          leftSection={<IconPlus size={14} aria-hidden />}
          disabled={full || !first}
          onClick={() => first && add(newCondition(first))}
        >
          {t('rule.addCondition')}
        </Button>
        {level < GROUP_LEVELS && (
          <Button
            size="compact-sm"
            variant="subtle"
            leftSection={<IconFolderPlus size={14} aria-hidden />}
            disabled={full || !first}
            onClick={() => first && add(newGroup(group.join === 'all' ? 'any' : 'all', [newCondition(first)]))}
          >
            {t('rule.addGroup')}
          </Button>
        )}
      </div>
    </fieldset>
  );
}

function ConditionEditor({
  condition,
  parent,
  fields,
  errors,
  onChange,
  onFocusWanted,
}: PartProps & { condition: ConditionDraft; parent: string }) {
  const { t } = useTranslation('segments');
  const fieldName = useRuleFieldName();
  const operatorName = useOperatorName();
  const errorId = useId();
  const field = fields.find(({ name }) => name === condition.field);
  const error = errors.get(condition.key);
  const set = (next: ConditionDraft) => onChange(condition.key, next);
  const moments = field?.kind === 'SEGMENT_FIELD_KIND_MOMENT';
  const described = error ? { error: true, 'aria-describedby': errorId } : {};
  return (
    <div className={classes.condition} data-key={condition.key}>
      <Checkbox
        className={classes.not}
        size="xs"
        label={t('rule.not')}
        checked={condition.negated}
        onChange={(event) => set({ ...condition, negated: event.currentTarget.checked })}
      />
      <NativeSelect
        data-first
        size="xs"
        aria-label={t('rule.field')}
        value={condition.field}
        onChange={(event) => {
          const next = fields.find(({ name }) => name === event.currentTarget.value);
          if (next) set(withField(condition, next, field));
        }}
        data={[
          ...fields.map(({ name }) => ({ value: name, label: fieldName(name) })),
          // A field the server no longer offers is shown rather than silently replaced.
          ...(field ? [] : [{ value: condition.field, label: condition.field }]),
        ]}
      />
      <NativeSelect
        size="xs"
        aria-label={t('rule.operator')}
        value={condition.operator}
        onChange={(event) => field && set(withOperator(condition, event.currentTarget.value as Operator, field))}
        data={(field?.operators ?? [condition.operator]).map((operator) => ({
          value: operator,
          label: operatorName(operator, moments),
        }))}
      />
      {field && !isBare(condition.operator) && (
        <ValueInput condition={condition} field={field} onChange={set} described={described} />
      )}
      {field && hasCurrency(field) && (
        <TextInput
          size="xs"
          className={classes.currency}
          aria-label={t('rule.currency')}
          placeholder={
            field.kind === 'SEGMENT_FIELD_KIND_MONEY' && !isBare(condition.operator) ? 'EUR' : t('rule.anyCurrency')
          }
          maxLength={3}
          value={condition.currency}
          onChange={(event) => set({ ...condition, currency: event.currentTarget.value.toUpperCase() })}
          {...described}
        />
      )}
      <ActionIcon
        variant="subtle"
        color="gray"
        size={30}
        className={classes.remove}
        aria-label={t('rule.removeCondition', { field: fieldName(condition.field) })}
        onClick={() => {
          onChange(condition.key, undefined);
          onFocusWanted(parent);
        }}
      >
        <IconTrash size={16} aria-hidden />
      </ActionIcon>
      {error && (
        <div id={errorId} className={classes.error} role="alert">
          {error}
        </div>
      )}
    </div>
  );
}

type ValueProps = {
  condition: ConditionDraft;
  field: SegmentField;
  onChange: (condition: ConditionDraft) => void;
  described: { error?: boolean; 'aria-describedby'?: string };
};

function ValueInput({ condition, field, onChange, described }: ValueProps) {
  const { t } = useTranslation(['segments', 'rules']);
  const choiceName = useChoiceName();
  const mayUsers = useMay('identity.user.read');
  const mayStores = useMay('identity.store.read');
  const users = useQuery({ ...colleaguesQuery, enabled: mayUsers && field.kind === 'SEGMENT_FIELD_KIND_USER' });
  const stores = useQuery({ ...storesQuery, enabled: mayStores && field.kind === 'SEGMENT_FIELD_KIND_STORE' });
  const { value } = condition;
  const set = (next: string) => onChange({ ...condition, value: next });
  const common = { size: 'xs', 'aria-label': t('rule.value'), className: classes.value, ...described } as const;

  const choices = (data: { value: string; label: string }[]) => (
    <NativeSelect
      {...common}
      value={value}
      onChange={(event) => set(event.currentTarget.value)}
      data={[
        ...(data.some((option) => option.value === value) ? [] : [{ value, label: value || t('rule.choose') }]),
        ...data,
      ]}
    />
  );

  if (isDays(condition.operator)) {
    return (
      <TextInput
        {...common}
        inputMode="numeric"
        maxLength={6}
        value={value}
        rightSection={<span className={classes.unit}>{t('rule.days')}</span>}
        rightSectionWidth={56}
        onChange={(event) => set(event.currentTarget.value)}
      />
    );
  }
  switch (field.kind) {
    case 'SEGMENT_FIELD_KIND_CHOICE':
      return choices(field.choices.map((choice) => ({ value: choice, label: choiceName(choice) })));
    case 'SEGMENT_FIELD_KIND_FLAG':
      return choices([
        { value: 'true', label: t('rules:yes') },
        { value: 'false', label: t('rules:no') },
      ]);
    case 'SEGMENT_FIELD_KIND_STORE':
      if (stores.data) return choices(stores.data.map(({ id, name }) => ({ value: id, label: name })));
      break;
    case 'SEGMENT_FIELD_KIND_USER':
      if (users.data) return choices(users.data.map(({ id, name }) => ({ value: id, label: name })));
      break;
    case 'SEGMENT_FIELD_KIND_MOMENT':
      return (
        <TextInput
          {...common}
          type="datetime-local"
          value={value}
          onChange={(event) => set(event.currentTarget.value)}
        />
      );
    default:
  }
  const numeric = field.kind === 'SEGMENT_FIELD_KIND_MONEY' || field.kind === 'SEGMENT_FIELD_KIND_NUMBER';
  return (
    <TextInput
      {...common}
      inputMode={numeric ? 'decimal' : 'text'}
      maxLength={numeric ? 24 : 200}
      value={value}
      onChange={(event) => set(event.currentTarget.value)}
    />
  );
}
