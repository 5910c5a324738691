import { type AgentId, agentId, frameworkId, type RolePath } from '../../model/ids.ts';
import { isEmpty, type Resources, subtract } from '../../model/resources.ts';
import { ok } from '../../model/result.ts';
import type { OfferOperation } from '../../schema/mesos/operation.ts';
import type { OperatorCallOf } from '../../schema/mesos/operatorCall.ts';
import { RESERVATIONS } from '../../schema/mezzoKinds.ts';
import { formatResources } from '../../schema/quantity.ts';
import type { ReservedPart } from '../../state/offerBook.ts';
import {
  BUCKETS,
  type ClusterView,
  type ViewedAgent,
  type ViewedTask,
} from '../clusterView/types.ts';
import { type VolumeOperationType, volumesAsked } from '../framework/volumeOperations.ts';
import type { ReservationChange } from '../reservation/planOperation.ts';
import { planVolume } from '../reservation/planVolume.ts';
import { usedByReservation } from '../reservation/reservedUse.ts';
import { DESTROYED, type VolumeSource, writtenSources } from '../reservation/volumeObjects.ts';
import { refuseAs } from './planning.ts';
import type { CallPlan, PlannedWrite } from './types.ts';

/**
 * CREATE_VOLUMES, DESTROY_VOLUMES, GROW_VOLUME and SHRINK_VOLUME on what no task holds; what offers hold is taken back
 * from them. Source: Mesos `src/master/http.cpp`, `Master::Http::_operation`.
 */

export type VolumeCall = OperatorCallOf<
  'CREATE_VOLUMES' | 'DESTROY_VOLUMES' | 'GROW_VOLUME' | 'SHRINK_VOLUME'
>;

interface Caller {
  readonly principal: string;
  readonly nowMs: number;
}

export function decideVolumes(call: VolumeCall, view: ClusterView, caller: Caller): CallPlan {
  const id = call.body.agent_id?.value;
  if (id === undefined)
    return refuseAs('badRequest', "'agent_id' must be set: there are no resource providers here");
  const agent = view.agents.find((one) => one.id === id);
  if (agent === undefined) return refuseAs('badRequest', 'No agent found with specified ID');
  const { type, operation } = operationOf(call);
  const { principal, nowMs } = caller;
  const asked = volumesAsked(type, operation, { principal, seesShared: true });
  if (!asked.ok) return refuseAs('badRequest', `Invalid operation: ${asked.refusal}`);
  const tasks = view.tasks.filter(
    (task) => task.agent === agent.id && BUCKETS[task.state] !== 'completed',
  );
  const plan = planVolume(
    { unreserved: {}, parts: freeParts(agent, tasks) },
    { ...asked.value, operation: `${principal} ${nowMs}` },
    {
      framework: frameworkId('operator'),
      agent: agentId(agent.id),
      reservations: view.reservations ?? new Map(),
      isInUse: (name) => tasks.some((task) => task.volumes.includes(name)),
    },
  );
  if (plan.kind === 'refused') {
    const isUnknown = plan.message.includes('not found');
    return refuseAs(isUnknown ? 'badRequest' : 'conflict', `${type}: ${plan.message}`);
  }
  return ok([
    ...plan.creates.map((object): PlannedWrite => ({ verb: 'create', ref: RESERVATIONS, object })),
    ...plan.changes.map(writeOf),
  ]);
}

/** The call as a framework would ask for it on an offer. */
function operationOf(call: VolumeCall): {
  readonly type: VolumeOperationType;
  readonly operation: OfferOperation;
} {
  switch (call.kind) {
    case 'CREATE_VOLUMES':
      return { type: 'CREATE', operation: { type: 'CREATE', create: call.body } };
    case 'DESTROY_VOLUMES':
      return { type: 'DESTROY', operation: { type: 'DESTROY', destroy: call.body } };
    case 'GROW_VOLUME':
      return { type: 'GROW_VOLUME', operation: { type: 'GROW_VOLUME', grow_volume: call.body } };
    case 'SHRINK_VOLUME':
      return {
        type: 'SHRINK_VOLUME',
        operation: { type: 'SHRINK_VOLUME', shrink_volume: call.body },
      };
  }
}

/** What of an agent's reservations and volumes no task holds. */
function freeParts(agent: ViewedAgent, tasks: readonly ViewedTask[]): readonly ReservedPart[] {
  const id: AgentId = agentId(agent.id);
  const parts = agent.reservations.map((one) => ({
    role: one.role as RolePath,
    resources: one.resources,
    reservationId: one.name,
    ...(one.volume === undefined ? {} : { volume: { shared: false } }),
  }));
  const used: ReadonlyMap<string, Resources> = usedByReservation(
    new Map([[id, parts]]),
    tasks.map(({ role, reserved, volumes }) => ({
      agent: id,
      role: role as RolePath,
      reserved,
      volumes,
    })),
  );
  return parts.flatMap(({ role, resources, reservationId }) => {
    const rest = subtract(resources, used.get(reservationId) ?? {});
    return isEmpty(rest) ? [] : [{ role, resources: rest, reservationId }];
  });
}

/** Refused by the API server when the object has changed since. */
function writeOf({ object, left, sources }: ReservationChange): PlannedWrite {
  const { name, resourceVersion } = object.metadata;
  const patch = isEmpty(left)
    ? { metadata: { resourceVersion, annotations: { [DESTROYED]: 'true' } } }
    : {
        metadata: { resourceVersion },
        spec: specOf(left, sources ?? []),
      };
  return { verb: 'patch', ref: RESERVATIONS, name, patch };
}

const specOf = (left: Resources, sources: readonly VolumeSource[]): object => ({
  resources: formatResources(left),
  volume: { from: writtenSources(sources) },
});
