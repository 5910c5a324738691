import type { PlacementConstraint } from '../../model/job.ts';

type Attributes = Readonly<Record<string, string>>;

/**
 * The first rule of `constraints` that `attributes` break, or undefined when the agent is allowed.
 * `sameJobPerValue` counts live instances of the job by value of one attribute (for `MaxPerValue`).
 */
export function brokenConstraint(
  constraints: readonly PlacementConstraint[],
  attributes: Attributes,
  sameJobPerValue: (attribute: string, value: string) => number,
): PlacementConstraint | undefined {
  return constraints.find((rule) => !holds(rule, attributes, sameJobPerValue));
}

function holds(
  rule: PlacementConstraint,
  attributes: Attributes,
  sameJobPerValue: (attribute: string, value: string) => number,
): boolean {
  const value = attributes[rule.attribute];
  switch (rule.operator) {
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
    case 'In':
      return value !== undefined && (rule.values ?? []).includes(value);
    case 'NotIn':
      return value === undefined || !(rule.values ?? []).includes(value);
    case 'MaxPerValue':
      return value !== undefined && sameJobPerValue(rule.attribute, value) < (rule.limit ?? 1);
  }
}
