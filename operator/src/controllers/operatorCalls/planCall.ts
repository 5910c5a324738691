import type { OperatorCall, OperatorCallType } from '../../schema/mesos/operatorCall.ts';
import type { ClusterView } from '../clusterView/types.ts';
import {
  decideDeactivate,
  decideDrain,
  decideMarkGone,
  decideReactivate,
  decideTeardown,
} from './decideAgent.ts';
import {
  decideSchedule,
  decideStartMaintenance,
  decideStopMaintenance,
} from './decideMaintenance.ts';
import { decideQuota, decideRemoveQuota, decideSetQuota } from './decideQuota.ts';
import { decideReserve, decideUnreserve } from './decideReserve.ts';
import { decideVolumes } from './decideVolumes.ts';
import { decideWeights } from './decideWeights.ts';
import { refuseAs } from './planning.ts';
import type { CallPlan } from './types.ts';

export type WriteCall = Exclude<OperatorCall, { readonly kind: `GET_${string}` | 'SUBSCRIBE' }>;

export interface PlanInput {
  /** The whole cluster: whether the caller may write is asked for each write. */
  readonly view: ClusterView;
  readonly principal: string;
  readonly nowMs: number;
}

/** Calls that have no counterpart here, and why. */
const NOT_SERVED = {
  UNKNOWN: 'UNKNOWN is not a call',
  SET_LOGGING_LEVEL: 'the level of the log is set by --log-level, when the operator starts',
  LIST_FILES: "a master has no files here; ask the task's agent",
  READ_FILE: "a master has no files here; ask the task's agent",
} as const satisfies Partial<Record<OperatorCallType, string>>;

/** What a call writes; pure. */
export function planCall(call: WriteCall, { view, principal, nowMs }: PlanInput): CallPlan {
  switch (call.kind) {
    case 'UPDATE_WEIGHTS':
      return decideWeights(call.body, view);
    case 'UPDATE_QUOTA':
      return decideQuota(call.body, view);
    case 'SET_QUOTA':
      return decideSetQuota(call.body, view);
    case 'REMOVE_QUOTA':
      return decideRemoveQuota(call.body, view);
    case 'UPDATE_MAINTENANCE_SCHEDULE':
      return decideSchedule(call.body.schedule, view);
    case 'START_MAINTENANCE':
      return decideStartMaintenance(call.body, view, nowMs);
    case 'STOP_MAINTENANCE':
      return decideStopMaintenance(call.body, view);
    case 'DRAIN_AGENT':
      return decideDrain(call.body, view, nowMs);
    case 'DEACTIVATE_AGENT':
      return decideDeactivate(call.body.agent_id.value, view);
    case 'REACTIVATE_AGENT':
      return decideReactivate(call.body.agent_id.value, view);
    case 'MARK_AGENT_GONE':
      return decideMarkGone(call.body.agent_id.value, view);
    case 'RESERVE_RESOURCES':
      return decideReserve(call.body, view, principal);
    case 'UNRESERVE_RESOURCES':
      return decideUnreserve(call.body, view);
    case 'CREATE_VOLUMES':
    case 'DESTROY_VOLUMES':
    case 'GROW_VOLUME':
    case 'SHRINK_VOLUME':
      return decideVolumes(call, view, { principal, nowMs });
    case 'TEARDOWN':
      return decideTeardown(call.body.framework_id.value, view);
    case 'UNKNOWN':
    case 'SET_LOGGING_LEVEL':
    case 'LIST_FILES':
    case 'READ_FILE':
      return refuseAs(
        'notImplemented',
        `${call.kind} calls are not served: ${NOT_SERVED[call.kind]}`,
      );
  }
}
