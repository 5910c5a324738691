import { ok } from '../../model/result.ts';
import { isWholeThousandths, MAX_WEIGHT, MIN_WEIGHT } from '../../schema/crd/role.ts';
import { printable, roleFault } from '../../schema/mesos/framework.ts';
import type { OperatorCallOf } from '../../schema/mesos/operatorCall.ts';
import { ROLES } from '../../schema/mezzoKinds.ts';
import type { ClusterView } from '../clusterView/types.ts';
import { creation, objectNameFor, refuseAs } from './planning.ts';
import type { CallPlan, PlannedWrite } from './types.ts';

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
    if (weight < MIN_WEIGHT || weight > MAX_WEIGHT || !isWholeThousandths(weight))
      return refuseAs(
        'badRequest',
        `Invalid weight '${weight}' of role '${role}': here weights are from ${MIN_WEIGHT} to ${MAX_WEIGHT} with at most three decimal places; multiply or round the weights of all roles alike`,
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
