import type { Resources } from '../../model/resources.ts';
import { formatQuantity, formatResources } from '../../schema/quantity.ts';
import type { ConditionValue } from '../shared/conditions.ts';

/** Every name of `names` and of `amounts`, zeros included: nothing left is a figure too. */
export function formatWithZeros(names: Resources, amounts: Resources): { [name: string]: string } {
  const zeros = Object.keys(names).map((name) => [name, formatQuantity(name, 0)]);
  return { ...Object.fromEntries(zeros), ...formatResources(amounts) };
}

/** An object without effect, since an older one claims the same path. */
export function shadowedBy(
  kind: string,
  field: string,
  path: string,
  winner: string,
): ConditionValue {
  const message = `${field} \`${path}\` is already taken by the older ${kind} ${winner}; delete one of the two`;
  return { type: 'Ready', status: 'False', reason: 'DuplicatePath', message };
}
