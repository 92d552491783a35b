import { useCallback, useMemo } from 'react';
import { useTranslation } from 'react-i18next';
import type { Condition, Operator, Rule } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';

/** The fields of rules that have a name in the texts; one the server has added since is shown as the server calls it. */
const FIELDS = [
  'customer.kind',
  'customer.country',
  'customer.store_id',
  'customer.manager_id',
  'customer.registered_at',
  'customer.has_phone',
  'customer.has_email',
  'metrics.orders',
  'metrics.gross',
  'metrics.refunds',
  'metrics.net',
  'metrics.average',
  'metrics.first_purchase_at',
  'metrics.last_purchase_at',
] as const;

/** A text's key cannot hold the point of a field's name. */
type KeyOf<F extends string> = F extends `${infer Part}.${infer Name}` ? `${Part}_${Name}` : never;

const CHOICES = ['person', 'company'] as const;

/** The operators that compare; `MORE` and the like are said in other words of moments. */
const COMPARISONS = {
  OPERATOR_EQUAL: 'equal',
  OPERATOR_NOT_EQUAL: 'notEqual',
  OPERATOR_LESS: 'less',
  OPERATOR_AT_MOST: 'atMost',
  OPERATOR_AT_LEAST: 'atLeast',
  OPERATOR_MORE: 'more',
} as const;
const OF_MOMENTS = {
  OPERATOR_LESS: 'before',
  OPERATOR_AT_MOST: 'notAfter',
  OPERATOR_AT_LEAST: 'notBefore',
  OPERATOR_MORE: 'after',
} as const;

/** Names of stores and colleagues by their ids, where a condition speaks of them. */
export type Names = ReadonlyMap<string, string>;
const NO_NAMES: Names = new Map();

/** The name of a field that rules ask for. */
export function useRuleFieldName(): (field: string) => string {
  const { t } = useTranslation('rules');
  return useCallback(
    (field) => {
      const known = FIELDS.find((name) => name === field);
      return known ? t(`field.${known.replace('.', '_') as KeyOf<typeof known>}`) : field;
    },
    [t],
  );
}

/** The name of a choice. */
export function useChoiceName(): (choice: string) => string {
  const { t } = useTranslation('rules');
  return useCallback(
    (choice) => {
      const known = CHOICES.find((name) => name === choice);
      return known ? t(`choice.${known}`) : choice;
    },
    [t],
  );
}

/** The words for an operator on its own, as they stand in a choice. */
export function useOperatorName(): (operator: Operator, ofMoments: boolean) => string {
  const { t } = useTranslation('rules');
  return useCallback(
    (operator, ofMoments) => {
      const key = wordsOf(operator, ofMoments);
      return key ? t(`operator.${key}`) : operator;
    },
    [t],
  );
}

function wordsOf(operator: Operator, ofMoments: boolean) {
  if (operator === 'OPERATOR_MORE_DAYS_AGO') return 'moreDaysAgo';
  if (operator === 'OPERATOR_LESS_DAYS_AGO') return 'lessDaysAgo';
  if (operator === 'OPERATOR_IS_PRESENT') return 'present';
  if (operator === 'OPERATOR_IS_ABSENT') return 'absent';
  if (operator === 'OPERATOR_UNSPECIFIED') return undefined;
  if (ofMoments && operator in OF_MOMENTS) return OF_MOMENTS[operator as keyof typeof OF_MOMENTS];
  return COMPARISONS[operator];
}

/** One condition in words: "Total more than €5,000". */
export function useConditionText(names: Names = NO_NAMES): (condition: Condition) => string {
  const { t } = useTranslation('rules');
  const format = useFormat();
  const fieldName = useRuleFieldName();
  const choiceName = useChoiceName();
  return useCallback(
    (condition) => {
      const { operator, currency } = condition;
      const name = fieldName(condition.field);
      const field = currency ? t('inCurrency', { field: name, currency }) : name;
      const words = wordsOf(operator, condition.moment !== undefined);
      if (!words) return field;
      if (words === 'moreDaysAgo' || words === 'lessDaysAgo') {
        const days = Number(condition.number ?? 0);
        return t(`said.${words}`, { field, count: days, days: format.number(days) });
      }
      if (words === 'present' || words === 'absent') return t(`said.${words}`, { field });
      const value = () => {
        if (condition.money) return format.money(condition.money);
        if (condition.number !== undefined) return format.number(BigInt(condition.number));
        if (condition.moment !== undefined) return format.dateTime(new Date(condition.moment));
        if (condition.flag !== undefined) return t(condition.flag ? 'yes' : 'no');
        const text = condition.text ?? '';
        return names.get(text) ?? choiceName(text);
      };
      return t(`said.${words}`, { field, value: value() });
    },
    [t, format, fieldName, choiceName, names],
  );
}

/** A whole rule in words; what is nested stands in brackets. */
export function useRuleSentence(names: Names = NO_NAMES): (rule: Rule | undefined) => string {
  const { t } = useTranslation('rules');
  const format = useFormat();
  const conditionText = useConditionText(names);
  const lists = useMemo(
    () => ({
      all: new Intl.ListFormat(format.locale, { type: 'conjunction' }),
      any: new Intl.ListFormat(format.locale, { type: 'disjunction' }),
    }),
    [format.locale],
  );
  return useCallback(
    (rule) => {
      const say = (part: Rule | undefined, nested: boolean): string => {
        if (part?.condition) return conditionText(part.condition);
        if (part?.not) return t('not', { rule: say(part.not, true) });
        const kind = part?.all ? 'all' : 'any';
        const parts = (part?.[kind]?.rules ?? []).map((inner) => say(inner, true));
        const text = parts.length === 1 ? (parts[0] ?? '') : lists[kind].format(parts);
        return nested && parts.length > 1 ? `(${text})` : text;
      };
      return say(rule, false);
    },
    [t, lists, conditionText],
  );
}

/** The ids of stores and colleagues that a rule names. */
export function idsIn(rule: Rule | undefined, field: 'customer.store_id' | 'customer.manager_id'): string[] {
  if (!rule) return [];
  if (rule.condition) return rule.condition.field === field && rule.condition.text ? [rule.condition.text] : [];
  return [rule.not, ...(rule.all?.rules ?? []), ...(rule.any?.rules ?? [])].flatMap((part) => idsIn(part, field));
}
