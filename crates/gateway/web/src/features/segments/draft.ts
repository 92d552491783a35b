import type { Condition, Operator, Rule, SegmentField } from '~/shared/api/types';
import { decimalOf, minorOf } from '~/shared/lib/money';
import { randomUuid } from '~/shared/lib/uuid';

/** A condition as it is being written: every value as text, until it can be read. */
export type ConditionDraft = {
  type: 'condition';
  key: string;
  negated: boolean;
  field: string;
  operator: Operator;
  value: string;
  /** ISO 4217; of the amount, or of the figures asked for. Empty for all currencies together. */
  currency: string;
};

/** Conditions and groups that must all hold, or one of which must. */
export type GroupDraft = { type: 'group'; key: string; negated: boolean; join: 'all' | 'any'; parts: RuleDraft[] };
export type RuleDraft = ConditionDraft | GroupDraft;

/** The bounds of `Rule` in the contract. */
export const MAX_CONDITIONS = 50;
export const MAX_LEVELS = 4;

/** What is wrong with a condition. */
export type Fault = 'value' | 'amount' | 'number' | 'days' | 'moment' | 'currency' | 'operator';

export const isDays = (operator: Operator) =>
  operator === 'OPERATOR_MORE_DAYS_AGO' || operator === 'OPERATOR_LESS_DAYS_AGO';
export const isBare = (operator: Operator) => operator === 'OPERATOR_IS_PRESENT' || operator === 'OPERATOR_IS_ABSENT';

/** Figures of purchases are kept by currency; conditions on them may name one. */
export const hasCurrency = (field: SegmentField) => field.name.startsWith('metrics.');

export function newCondition(field: SegmentField): ConditionDraft {
  return {
    type: 'condition',
    key: randomUuid(),
    negated: false,
    field: field.name,
    operator: field.operators[0] ?? 'OPERATOR_UNSPECIFIED',
    value: firstValue(field, field.operators[0]),
    currency: '',
  };
}

export function newGroup(join: 'all' | 'any', parts: RuleDraft[]): GroupDraft {
  return { type: 'group', key: randomUuid(), negated: false, join, parts };
}

function firstValue(field: SegmentField, operator: Operator | undefined): string {
  if (operator && isBare(operator)) return '';
  if (field.kind === 'SEGMENT_FIELD_KIND_FLAG') return 'true';
  if (field.kind === 'SEGMENT_FIELD_KIND_CHOICE') return field.choices[0] ?? '';
  return '';
}

/** The condition with another field: the operator and the value stay where the new field knows them. */
export function withField(
  draft: ConditionDraft,
  field: SegmentField,
  before: SegmentField | undefined,
): ConditionDraft {
  const operator = field.operators.includes(draft.operator)
    ? draft.operator
    : (field.operators[0] ?? 'OPERATOR_UNSPECIFIED');
  const keeps = before?.kind === field.kind && field.kind !== 'SEGMENT_FIELD_KIND_CHOICE';
  return {
    ...draft,
    field: field.name,
    operator,
    value: keeps ? draft.value : firstValue(field, operator),
    currency: hasCurrency(field) ? draft.currency : '',
  };
}

/** The condition with another operator: a number of days is no date. */
export function withOperator(draft: ConditionDraft, operator: Operator, field: SegmentField): ConditionDraft {
  const same = isDays(operator) === isDays(draft.operator) && !isBare(operator) && !isBare(draft.operator);
  return { ...draft, operator, value: same ? draft.value : firstValue(field, operator) };
}

/** The rule as it can be edited: always a group at the top. */
export function draftOf(rule: Rule | undefined): GroupDraft {
  const draft = rule ? partOf(rule) : undefined;
  if (draft?.type === 'group') return draft;
  return newGroup('all', draft ? [draft] : []);
}

function partOf(rule: Rule): RuleDraft | undefined {
  if (rule.not) {
    const inner = partOf(rule.not);
    return inner && { ...inner, negated: !inner.negated };
  }
  if (rule.condition) return conditionDraftOf(rule.condition);
  const join = rule.any ? 'any' : 'all';
  const parts = (rule[join]?.rules ?? []).flatMap((part) => partOf(part) ?? []);
  return newGroup(join, parts);
}

function conditionDraftOf(condition: Condition): ConditionDraft {
  const { field, operator, money, number, moment, flag, text } = condition;
  const value = money
    ? decimalOf(money.minor, money.currency)
    : (number ?? (moment ? localMoment(moment) : flag === undefined ? (text ?? '') : String(flag)));
  return {
    type: 'condition',
    key: randomUuid(),
    negated: false,
    field,
    operator,
    value,
    currency: money?.currency ?? condition.currency,
  };
}

/** A moment as `<input type="datetime-local">` holds it, where the reader is. */
function localMoment(moment: string): string {
  const at = new Date(moment);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}T${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** How many conditions there are. */
export function countConditions(draft: RuleDraft): number {
  return draft.type === 'condition' ? 1 : draft.parts.reduce((sum, part) => sum + countConditions(part), 0);
}

/** How many levels the rule has as the contract counts them: a condition is one, and so is each negation. */
export function levelsOf(draft: RuleDraft): number {
  const own = draft.negated ? 1 : 0;
  if (draft.type === 'condition') return own + 1;
  return own + 1 + Math.max(0, ...draft.parts.map(levelsOf));
}

export type Reading = {
  rule: Rule | undefined;
  /** What is wrong, by the key of the condition. */
  faults: ReadonlyMap<string, Fault>;
  /** Where in the rule a condition stands (`rule.all.rules[1].condition`), with its key. */
  paths: ReadonlyMap<string, string>;
};

/** The rule that a draft means, or what is wrong with which condition. Groups without conditions are left out. */
export function readDraft(draft: GroupDraft, fields: readonly SegmentField[]): Reading {
  const faults = new Map<string, Fault>();
  const paths = new Map<string, string>();
  const byName = new Map(fields.map((field) => [field.name, field]));
  const read = (part: RuleDraft, path: string): Rule | undefined => {
    const inner = part.negated ? `${path}.not` : path;
    const rule = part.type === 'condition' ? readCondition(part, inner) : readGroup(part, inner);
    return rule && part.negated ? { not: rule } : rule;
  };
  const readGroup = (group: GroupDraft, path: string): Rule | undefined => {
    const rules: Rule[] = [];
    for (const part of group.parts) {
      const rule = read(part, `${path}.${group.join}.rules[${rules.length}]`);
      if (rule) rules.push(rule);
    }
    return rules.length > 0 ? { [group.join]: { rules } } : undefined;
  };
  const readCondition = (condition: ConditionDraft, path: string): Rule | undefined => {
    const field = byName.get(condition.field);
    const value = field ? readValue(condition, field) : 'operator';
    if (typeof value === 'string') {
      faults.set(condition.key, value);
      return undefined;
    }
    paths.set(`${path}.condition`, condition.key);
    return { condition: { field: condition.field, operator: condition.operator, ...value } };
  };
  const rule = read(draft, 'rule');
  return { rule: faults.size > 0 ? undefined : rule, faults, paths };
}

/** The condition that the server's path of a field (`segment.rule.all.rules[1].condition.value`) leads to. */
export function conditionAt(path: string, paths: ReadonlyMap<string, string>): string | undefined {
  const within = path.replace(/^segment\./, '');
  return [...paths].find(([start]) => within === start || within.startsWith(`${start}.`))?.[1];
}

function readValue(draft: ConditionDraft, field: SegmentField): Omit<Condition, 'field' | 'operator'> | Fault {
  const { operator, currency: given } = draft;
  const value = draft.value.trim();
  const currency = hasCurrency(field) ? given.trim().toUpperCase() : '';
  if (!field.operators.includes(operator)) return 'operator';
  if (currency !== '' && !/^[A-Z]{3}$/.test(currency)) return 'currency';
  if (isBare(operator)) return { currency };
  if (isDays(operator)) {
    return /^\d{1,6}$/.test(value) ? { number: String(Number(value)), currency } : 'days';
  }
  switch (field.kind) {
    case 'SEGMENT_FIELD_KIND_MONEY': {
      // What stands first is asked for first: the amount is written before its currency.
      if (value === '') return 'amount';
      if (currency === '') return 'currency';
      const minor = minorOf(value, currency);
      return minor === undefined ? 'amount' : { money: { minor, currency }, currency: '' };
    }
    case 'SEGMENT_FIELD_KIND_NUMBER':
      return /^-?\d{1,15}$/.test(value) ? { number: String(Number(value)), currency } : 'number';
    case 'SEGMENT_FIELD_KIND_MOMENT': {
      const at = new Date(value);
      return value === '' || Number.isNaN(at.getTime()) ? 'moment' : { moment: at.toISOString(), currency };
    }
    case 'SEGMENT_FIELD_KIND_FLAG':
      return { flag: value === 'true', currency };
    default:
      return value === '' ? 'value' : { text: value, currency };
  }
}

/** The draft with one part put in another's place; with `undefined`, taken out. */
export function replacePart(group: GroupDraft, key: string, next: RuleDraft | undefined): GroupDraft {
  return {
    ...group,
    parts: group.parts.flatMap((part) => {
      if (part.key === key) return next ?? [];
      return part.type === 'group' ? replacePart(part, key, next) : part;
    }),
  };
}
