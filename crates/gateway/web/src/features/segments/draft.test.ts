import { describe, expect, it } from 'vitest';
import type { Rule, SegmentField } from '~/shared/api/types';
import {
  type ConditionDraft,
  conditionAt,
  countConditions,
  draftOf,
  levelsOf,
  newCondition,
  newGroup,
  readDraft,
  replacePart,
  withField,
  withOperator,
} from './draft';

const NET: SegmentField = {
  name: 'metrics.net',
  kind: 'SEGMENT_FIELD_KIND_MONEY',
  operators: ['OPERATOR_MORE', 'OPERATOR_LESS', 'OPERATOR_IS_ABSENT'],
  choices: [],
};
const LAST: SegmentField = {
  name: 'metrics.last_purchase_at',
  kind: 'SEGMENT_FIELD_KIND_MOMENT',
  operators: ['OPERATOR_MORE_DAYS_AGO', 'OPERATOR_LESS', 'OPERATOR_IS_ABSENT'],
  choices: [],
};
const COUNTRY: SegmentField = {
  name: 'customer.country',
  kind: 'SEGMENT_FIELD_KIND_TEXT',
  operators: ['OPERATOR_EQUAL', 'OPERATOR_NOT_EQUAL', 'OPERATOR_IS_ABSENT'],
  choices: [],
};
const FIELDS = [NET, LAST, COUNTRY];

const filled = (field: SegmentField, value: string, currency = ''): ConditionDraft => ({
  ...newCondition(field),
  value,
  currency,
});

describe('a draft of a rule', () => {
  it('becomes the rule it says, money in minor units and days as a number', () => {
    const draft = newGroup('all', [filled(NET, '5 000,50', 'eur'), filled(LAST, '90')]);
    expect(readDraft(draft, FIELDS).rule).toEqual({
      all: {
        rules: [
          {
            condition: {
              field: 'metrics.net',
              operator: 'OPERATOR_MORE',
              money: { minor: '500050', currency: 'EUR' },
              currency: '',
            },
          },
          {
            condition: {
              field: 'metrics.last_purchase_at',
              operator: 'OPERATOR_MORE_DAYS_AGO',
              number: '90',
              currency: '',
            },
          },
        ],
      },
    });
  });

  it('gives back the rule it was made from', () => {
    const rule: Rule = {
      any: {
        rules: [
          { not: { condition: { field: 'customer.country', operator: 'OPERATOR_EQUAL', text: 'ES', currency: '' } } },
          {
            all: {
              rules: [
                { condition: { field: 'metrics.net', operator: 'OPERATOR_IS_ABSENT', currency: 'EUR' } },
                {
                  condition: {
                    field: 'metrics.last_purchase_at',
                    operator: 'OPERATOR_LESS',
                    moment: '2026-03-01T10:30:00.000Z',
                    currency: '',
                  },
                },
              ],
            },
          },
        ],
      },
    };
    expect(readDraft(draftOf(rule), FIELDS).rule).toEqual(rule);
  });

  it('says which condition cannot be read, and is no rule then', () => {
    const amount = filled(NET, '12.345', 'EUR');
    const currency = filled(NET, '12');
    const neither = filled(NET, '');
    const days = filled(LAST, '-3');
    const text = filled(COUNTRY, '  ');
    const { rule, faults } = readDraft(newGroup('all', [amount, currency, neither, days, text]), FIELDS);
    expect(rule).toBeUndefined();
    expect(Object.fromEntries(faults)).toEqual({
      [amount.key]: 'amount',
      [currency.key]: 'currency',
      [neither.key]: 'amount',
      [days.key]: 'days',
      [text.key]: 'value',
    });
  });

  it('leaves out groups without conditions, and finds the condition the server complains of all the same', () => {
    const wrong = filled(COUNTRY, 'Atlantis');
    const draft = newGroup('all', [
      newGroup('any', []),
      filled(LAST, '3'),
      { ...newGroup('any', [wrong]), negated: true },
    ]);
    const { rule, paths } = readDraft(draft, FIELDS);
    expect(rule?.all?.rules).toHaveLength(2);
    expect(conditionAt('segment.rule.all.rules[1].not.any.rules[0].condition.value', paths)).toBe(wrong.key);
    expect(conditionAt('segment.name', paths)).toBeUndefined();
  });

  it('counts conditions, and levels with every negation', () => {
    const inner = {
      ...newGroup('any', [filled(LAST, '3'), { ...filled(COUNTRY, 'ES'), negated: true }]),
      negated: true,
    };
    const draft = newGroup('all', [filled(LAST, '3'), inner]);
    expect(countConditions(draft)).toBe(3);
    expect(levelsOf(draft)).toBe(5);
  });

  it('keeps a value only where it means the same with another field or operator', () => {
    const days = filled(LAST, '90');
    expect(withOperator(days, 'OPERATOR_LESS', LAST).value).toBe('');
    expect(withField(days, NET, LAST)).toMatchObject({ field: 'metrics.net', operator: 'OPERATOR_MORE', value: '' });
    const net = filled(NET, '10', 'EUR');
    expect(withField(net, COUNTRY, NET).currency).toBe('');
    expect(withOperator(net, 'OPERATOR_LESS', NET).value).toBe('10');
  });

  it('replaces or removes a part however deep it lies', () => {
    const deep = filled(LAST, '3');
    const draft = newGroup('all', [newGroup('any', [deep])]);
    expect(countConditions(replacePart(draft, deep.key, undefined))).toBe(0);
    const changed = replacePart(draft, deep.key, { ...deep, value: '4' });
    expect(readDraft(changed, FIELDS).rule?.all?.rules[0]?.any?.rules[0]?.condition?.number).toBe('4');
  });
});
