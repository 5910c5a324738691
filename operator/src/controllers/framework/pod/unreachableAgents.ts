import type { AgentId } from '../../../model/ids.ts';
import type { CacheEvent } from '../../../runtime/cache.ts';
import type { Node } from '../../../schema/kubeObjects.ts';
import type { MesosTaskState, WireTaskStatus } from '../../../schema/mesos/event.ts';
import { timeOf } from '../../task/taskView.ts';
import { stateFor } from './endings.ts';
import type { TaskRecord } from './taskRecord.ts';

/** Nodes whose kubelet has not been heard of for so long that Kubernetes does not know how they are. */
export class UnreachableAgents {
  readonly #sinceMs = new Map<AgentId, number>();

  /** Takes in a change of a node; true when its reachability changed. */
  observe(agent: AgentId, { kind, object }: Pick<CacheEvent<Node>, 'kind' | 'object'>): boolean {
    const sinceMs = kind === 'deleted' ? undefined : unreachableSince(object);
    const changed = this.#sinceMs.has(agent) !== (sinceMs !== undefined);
    if (sinceMs === undefined) this.#sinceMs.delete(agent);
    else if (changed) this.#sinceMs.set(agent, sinceMs);
    return changed;
  }

  sinceMs(agent: AgentId): number | undefined {
    return this.#sinceMs.get(agent);
  }
}

function unreachableSince(node: Node): number | undefined {
  const ready = node.status?.conditions?.find((one) => one.type === 'Ready');
  return ready?.status === 'Unknown' ? (timeOf(ready.lastTransitionTime) ?? 0) : undefined;
}

/**
 * What the master says of a task when its agent is lost, or is back.
 * Source: Mesos `Master::_markUnreachable` and `Master::__reregisterSlave`.
 */
export function reachabilityStatus(
  record: Pick<TaskRecord, 'task' | 'agent'>,
  facts: {
    readonly state: MesosTaskState;
    readonly partitionAware: boolean;
    readonly sinceMs: number | undefined;
    readonly nowMs: number;
  },
): WireTaskStatus {
  const { state, partitionAware, sinceMs, nowMs } = facts;
  return {
    task_id: { value: record.task },
    state: stateFor(state, partitionAware),
    source: 'SOURCE_MASTER',
    agent_id: { value: record.agent },
    timestamp: nowMs / 1000,
    ...(sinceMs === undefined
      ? { reason: 'REASON_AGENT_REREGISTERED', message: `Agent ${record.agent} is back` }
      : {
          reason: 'REASON_AGENT_REMOVED',
          message: `Agent ${record.agent} is unreachable: its kubelet has not been heard of`,
          unreachable_time: { nanoseconds: sinceMs * 1e6 },
        }),
  };
}
