import { ok } from '../../model/result.ts';
import { printable, roleFault } from '../../schema/mesos/framework.ts';
import type { OperatorCallOf } from '../../schema/mesos/operatorCall.ts';
import { ROLES } from '../../schema/mezzoKinds.ts';
import type { ClusterView } from '../clusterView/types.ts';
import { creation, objectNameFor, refuseAs } from './planning.ts';
import type { CallPlan, PlannedWrite } from './types.ts';

/** Bounds of `Role.spec.weight`. */
const MAX_WEIGHT = 1_000_000;

/** UPDATE_WEIGHTS: the weight of each role's Role object. Source: Mesos `src/master/weights_handler.cpp`. */
export function decideWeights(
  { weight_infos }: OperatorCallOf<'UPDATE_WEIGHTS'>['body'],
  view: ClusterView,
): CallPlan {
  const writes: PlannedWrite[] = [];
  for (const { role, weight } of weight_infos) {
    const fault = roleFault(role);
    if (fault !== undefined)
      return refuseAs('badRequest', `Invalid role '${printable(role)}': ${fault}`);
    if (!(weight > 0))
      return refuseAs(
        'badRequest',
        `Invalid weight '${weight}' of role '${role}': weights must be positive`,
      );
    if (!Number.isInteger(weight) || weight > MAX_WEIGHT)
      return refuseAs(
        'badRequest',
        `Invalid weight '${weight}' of role '${role}': here weights are whole numbers from 1 to ${MAX_WEIGHT}; multiply the weights of all roles alike`,
      );
    const name = view.roles.find((one) => one.role === role)?.roleObject;
    writes.push(
      name === undefined
        ? creation(ROLES, objectNameFor(role), { path: role, weight })
        : { verb: 'patch', ref: ROLES, name, patch: { spec: { weight } } },
    );
  }
  return ok(writes);
}
