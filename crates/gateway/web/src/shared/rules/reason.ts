import { useCallback } from 'react';
import { useTranslation } from 'react-i18next';
import type { Condition, Reason } from '~/shared/api/types';
import { useFormat } from '~/shared/lib/use-format';
import { useChoiceName, useConditionText, useRuleFieldName } from './sentence';

/** A value as the server writes it beside a condition, taken apart. */
export type Actual =
  | { kind: 'none' }
  | { kind: 'money'; decimal: string; currency: string }
  | { kind: 'number'; decimal: string }
  | { kind: 'moment'; at: Date }
  | { kind: 'flag'; on: boolean }
  | { kind: 'text'; text: string };

/** Reads the value by what the condition compares with: a text that looks like a number stays a text. */
export function readActual(actual: string, condition: Condition | undefined): Actual {
  if (actual === '') return { kind: 'none' };
  const text: Actual = { kind: 'text', text: actual };
  if (condition?.text !== undefined) return text;
  if (actual === 'true' || actual === 'false') return { kind: 'flag', on: actual === 'true' };
  const amount = /^(-?\d+(?:\.\d+)?) ([A-Z]{3})$/.exec(actual);
  if (amount?.[1] && amount[2]) return { kind: 'money', decimal: amount[1], currency: amount[2] };
  if (/^-?\d+(\.\d+)?$/.test(actual)) return { kind: 'number', decimal: actual };
  if (/^\d{4}-\d{2}-\d{2}T/.test(actual) && !Number.isNaN(Date.parse(actual))) {
    return { kind: 'moment', at: new Date(actual) };
  }
  return text;
}

const COMPARED = {
  OPERATOR_LESS: 'less',
  OPERATOR_AT_MOST: 'atMost',
  OPERATOR_AT_LEAST: 'atLeast',
  OPERATOR_MORE: 'more',
} as const;

/** Why a condition decided, in words: "Total: €5,200, more than €5,000". The value is that of now or of a moment gone by. */
export function useReasonText(of: 'now' | 'then' = 'now'): (reason: Reason) => string {
  const { t } = useTranslation('rules');
  const format = useFormat();
  const conditionText = useConditionText();
  const fieldName = useRuleFieldName();
  const choiceName = useChoiceName();
  return useCallback(
    ({ condition, actual: written, holds }) => {
      if (!condition) return written;
      const actual = readActual(written, condition);
      const show = (): string => {
        switch (actual.kind) {
          case 'none':
            return t('reason.nothing');
          case 'money':
            return format.decimalMoney(actual.decimal, actual.currency);
          case 'number':
            return format.decimal(actual.decimal);
          case 'moment':
            return format.dateTime(actual.at);
          case 'flag':
            return t(actual.on ? 'yes' : 'no');
          case 'text':
            return choiceName(actual.text);
        }
      };
      // A condition that decides by not holding stands in a rule that says "not".
      const said = holds ? conditionText(condition) : t('not', { rule: conditionText(condition) });
      const limit =
        condition.money !== undefined
          ? format.money(condition.money)
          : condition.number !== undefined
            ? format.decimal(condition.number)
            : undefined;
      const compared = COMPARED[condition.operator as keyof typeof COMPARED];
      // "Total: €5,200, more than €5,000" says both values in one breath; of other conditions the value follows.
      if (holds && compared && limit && actual.kind !== 'none') {
        return t(`reason.${compared}`, { field: fieldName(condition.field), actual: show(), limit });
      }
      return actual.kind === 'none' ? said : t(`reason.${of}`, { condition: said, actual: show() });
    },
    [of, t, format, conditionText, fieldName, choiceName],
  );
}
