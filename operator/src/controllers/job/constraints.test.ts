import { expect, test } from '@jest/globals';
import type { PlacementConstraint } from '../../model/job.ts';
import { brokenConstraint } from './constraints.ts';

interface Row {
  readonly sentence: string;
  readonly rule: PlacementConstraint;
  readonly zone: string | undefined;
  readonly running?: number;
  readonly allowed: boolean;
}

const rule = (
  operator: PlacementConstraint['operator'],
  more: Partial<PlacementConstraint> = {},
): PlacementConstraint => ({ attribute: 'zone', operator, ...more });

const ROWS: readonly Row[] = [
  {
    sentence: 'In: a listed value is allowed',
    rule: rule('In', { values: ['a', 'b'] }),
    zone: 'b',
    allowed: true,
  },
  {
    sentence: 'In: another value is not',
    rule: rule('In', { values: ['a'] }),
    zone: 'b',
    allowed: false,
  },
  {
    sentence: 'In: an agent without the attribute is not',
    rule: rule('In', { values: ['a'] }),
    zone: undefined,
    allowed: false,
  },
  {
    sentence: 'NotIn: a listed value is refused',
    rule: rule('NotIn', { values: ['a'] }),
    zone: 'a',
    allowed: false,
  },
  {
    sentence: 'NotIn: an agent without the attribute is allowed',
    rule: rule('NotIn', { values: ['a'] }),
    zone: undefined,
    allowed: true,
  },
  { sentence: 'Exists: any value is allowed', rule: rule('Exists'), zone: '', allowed: true },
  {
    sentence: 'Exists: no value is refused',
    rule: rule('Exists'),
    zone: undefined,
    allowed: false,
  },
  {
    sentence: 'DoesNotExist: no value is allowed',
    rule: rule('DoesNotExist'),
    zone: undefined,
    allowed: true,
  },
  {
    sentence: 'DoesNotExist: any value is refused',
    rule: rule('DoesNotExist'),
    zone: 'a',
    allowed: false,
  },
  {
    sentence: 'MaxPerValue: below the limit there is room',
    rule: rule('MaxPerValue', { limit: 2 }),
    zone: 'a',
    running: 1,
    allowed: true,
  },
  {
    sentence: 'MaxPerValue: at the limit there is none',
    rule: rule('MaxPerValue', { limit: 2 }),
    zone: 'a',
    running: 2,
    allowed: false,
  },
  {
    sentence: 'MaxPerValue: an agent without the attribute belongs to no value',
    rule: rule('MaxPerValue', { limit: 2 }),
    zone: undefined,
    allowed: false,
  },
];

test.each(ROWS)('$sentence', ({ rule: one, zone, running = 0, allowed }) => {
  const attributes: Record<string, string> = zone === undefined ? {} : { zone };
  const broken = brokenConstraint([one], attributes, (attribute, value) =>
    attribute === 'zone' && value === zone ? running : 99,
  );
  expect(broken).toBe(allowed ? undefined : one);
});

test('the first broken rule is the one that is told', () => {
  const rules = [rule('Exists'), rule('In', { values: ['z'] }), rule('NotIn', { values: ['a'] })];
  expect(brokenConstraint(rules, { zone: 'a' }, () => 0)).toBe(rules[1]);
});
