import type { ClusterView } from '../../controllers/clusterView/types.ts';
import { MESOS_VERSION } from '../../controllers/framework/subscriptions.ts';
import type { OperatorCallType } from '../../schema/mesos/operatorCall.ts';
import type { WireObject } from '../../schema/mesos/proto/types.ts';
import { wireMaintenanceStatus, wireSchedule } from './maintenanceWire.ts';
import type { MasterFacts } from './masterFacts.ts';
import { wireQuota, wireWeights } from './quotaWire.ts';
import {
  getAgents,
  getExecutors,
  getFrameworks,
  getMaster,
  getRoles,
  getState,
  getTasks,
} from './v1.ts';

export interface ReplyInput {
  /** The part of the cluster the caller may see. */
  readonly view: ClusterView;
  readonly facts: MasterFacts;
  /** Absent for callers who may not see them. */
  readonly flags: { readonly [name: string]: string } | undefined;
  readonly metrics: () => { readonly [key: string]: number };
  readonly logLevel: string;
}

export type ReadCall = Extract<OperatorCallType, `GET_${string}`>;

/** Verbosity of Mesos's log: 0 is everything but details. */
const VERBOSITY: { readonly [level: string]: number } = { debug: 1, trace: 2 };

/** The body of the reply to each read; total, so that no read is forgotten. `undefined`: the caller may not see it. */
const REPLIES = {
  GET_HEALTH: () => ({ healthy: true }),
  GET_FLAGS: ({ flags }) =>
    flags && { flags: Object.entries(flags).map(([name, value]) => ({ name, value })) },
  GET_VERSION: ({ facts }) => ({
    version_info: { version: MESOS_VERSION, build_user: facts.buildUser },
  }),
  GET_METRICS: ({ metrics }) => ({
    metrics: Object.entries(metrics()).map(([name, value]) => ({ name, value })),
  }),
  GET_LOGGING_LEVEL: ({ logLevel }) => ({ level: VERBOSITY[logLevel] ?? 0 }),
  GET_STATE: ({ view }) => getState(view),
  GET_AGENTS: ({ view }) => getAgents(view),
  GET_FRAMEWORKS: ({ view }) => getFrameworks(view),
  GET_EXECUTORS: ({ view }) => getExecutors(view),
  // Operations are done when they are answered.
  GET_OPERATIONS: () => ({}),
  GET_TASKS: ({ view }) => getTasks(view),
  GET_ROLES: ({ view }) => getRoles(view),
  GET_WEIGHTS: ({ view }) => {
    const weights = wireWeights(view);
    return weights.length === 0 ? {} : { weight_infos: weights };
  },
  GET_MASTER: ({ facts }) => getMaster(facts),
  GET_MAINTENANCE_STATUS: ({ view }) => ({ status: wireMaintenanceStatus(view) }),
  GET_MAINTENANCE_SCHEDULE: ({ view }) => ({ schedule: wireSchedule(view) }),
  GET_QUOTA: ({ view }) => ({ status: wireQuota(view) }),
} as const satisfies Record<ReadCall, (input: ReplyInput) => WireObject | undefined>;

export function isRead(kind: OperatorCallType): kind is ReadCall {
  return Object.hasOwn(REPLIES, kind);
}

/** The whole reply to a read; undefined when the caller may not see what was asked for. */
export function replyTo(kind: ReadCall, input: ReplyInput): WireObject | undefined {
  const body = REPLIES[kind](input);
  return body === undefined ? undefined : { type: kind, [kind.toLowerCase()]: body };
}
