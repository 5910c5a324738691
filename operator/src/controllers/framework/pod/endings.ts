import type {
  MesosReason,
  MesosStatusSource,
  MesosTaskState,
} from '../../../schema/mesos/event.ts';

/** Every way a task can end, as far as its Pod tells. */
export const END_CAUSES = [
  'finished',
  'failed',
  'outOfMemory',
  'outOfDisk',
  'launchFailed',
  'completionTimeReached',
  'killed',
  'killedDuringLaunch',
  'unhealthy',
  'preempted',
  'evicted',
  'drained',
  'refusedByAgent',
  'agentShutDown',
  'agentRemoved',
  'removed',
  'unreachable',
] as const;
export type EndCause = (typeof END_CAUSES)[number];

export interface EndingRule {
  /** In the words for partition-aware frameworks. */
  readonly state: MesosTaskState;
  readonly source: MesosStatusSource;
  readonly reason?: MesosReason;
  /** The resource whose limit was passed. */
  readonly limitation?: 'mem' | 'disk';
  readonly healthy?: false;
}

/**
 * What a framework is told of each end. Frameworks that are not partition-aware read TASK_LOST for the finer states.
 * Source: Mesos `docs/task-state-reasons.md`; `src/launcher/executor.cpp` for what the executor itself sends.
 */
export const ENDINGS = {
  finished: { state: 'TASK_FINISHED', source: 'SOURCE_EXECUTOR' },
  failed: { state: 'TASK_FAILED', source: 'SOURCE_EXECUTOR' },
  outOfMemory: {
    state: 'TASK_FAILED',
    source: 'SOURCE_AGENT',
    reason: 'REASON_CONTAINER_LIMITATION_MEMORY',
    limitation: 'mem',
  },
  outOfDisk: {
    state: 'TASK_FAILED',
    source: 'SOURCE_AGENT',
    reason: 'REASON_CONTAINER_LIMITATION_DISK',
    limitation: 'disk',
  },
  launchFailed: {
    state: 'TASK_FAILED',
    source: 'SOURCE_AGENT',
    reason: 'REASON_CONTAINER_LAUNCH_FAILED',
  },
  completionTimeReached: {
    state: 'TASK_FAILED',
    source: 'SOURCE_EXECUTOR',
    reason: 'REASON_MAX_COMPLETION_TIME_REACHED',
  },
  killed: { state: 'TASK_KILLED', source: 'SOURCE_EXECUTOR' },
  killedDuringLaunch: {
    state: 'TASK_KILLED',
    source: 'SOURCE_AGENT',
    reason: 'REASON_TASK_KILLED_DURING_LAUNCH',
  },
  unhealthy: { state: 'TASK_KILLED', source: 'SOURCE_EXECUTOR', healthy: false },
  preempted: {
    state: 'TASK_GONE',
    source: 'SOURCE_MASTER',
    reason: 'REASON_CONTAINER_PREEMPTED',
  },
  evicted: { state: 'TASK_GONE', source: 'SOURCE_AGENT', reason: 'REASON_CONTAINER_PREEMPTED' },
  drained: { state: 'TASK_KILLED', source: 'SOURCE_MASTER', reason: 'REASON_AGENT_DRAINING' },
  refusedByAgent: {
    state: 'TASK_DROPPED',
    source: 'SOURCE_AGENT',
    reason: 'REASON_RESOURCES_UNKNOWN',
  },
  agentShutDown: { state: 'TASK_GONE', source: 'SOURCE_AGENT', reason: 'REASON_AGENT_REMOVED' },
  agentRemoved: { state: 'TASK_GONE', source: 'SOURCE_MASTER', reason: 'REASON_AGENT_REMOVED' },
  removed: { state: 'TASK_GONE', source: 'SOURCE_AGENT', reason: 'REASON_AGENT_REMOVED' },
  unreachable: {
    state: 'TASK_UNREACHABLE',
    source: 'SOURCE_AGENT',
    reason: 'REASON_AGENT_REMOVED',
  },
} as const satisfies Record<EndCause, EndingRule>;

/** The state as this framework knows it: without PARTITION_AWARE every finer loss is TASK_LOST. */
export function stateFor(state: MesosTaskState, partitionAware: boolean): MesosTaskState {
  return partitionAware || !FINER_LOSSES.has(state) ? state : 'TASK_LOST';
}

const FINER_LOSSES: ReadonlySet<MesosTaskState> = new Set([
  'TASK_DROPPED',
  'TASK_UNREACHABLE',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
  'TASK_UNKNOWN',
]);
