import type { AgentId } from '../../model/ids.ts';
import { agentId } from '../../model/ids.ts';
import { add, NO_RESOURCES, type Resources } from '../../model/resources.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { isTaskPod, podRequests, type TaskView, taskViewOf } from '../task/taskView.ts';

/** What is taken on the nodes: a fold over live Pods, recomputed and never kept. */
export interface Ledger {
  /** Mezzo's tasks that hold resources. */
  readonly tasks: readonly TaskView[];
  /** Requests of Pods that are not Mezzo's, per agent. */
  readonly foreign: ReadonlyMap<AgentId, Resources>;
  /** Pods of any kind per agent (a kubelet takes only so many). */
  readonly podCount: ReadonlyMap<AgentId, number>;
}

/**
 * Counts every Pod that is bound to a node and has not ended; terminating ones count until they are gone.
 * `assumed` are Pods whose creation is under way or whose reply was lost; a cached Pod of the same name wins.
 */
export function ledgerOf(pods: readonly Pod[], assumed: readonly Pod[]): Ledger {
  const tasks: TaskView[] = [];
  const foreign = new Map<AgentId, Resources>();
  const podCount = new Map<AgentId, number>();
  const known = new Set<string>();
  const count = (pod: Pod): void => {
    const agent = agentId(pod.spec.nodeName ?? '');
    if (agent === '' || hasEnded(pod)) return;
    podCount.set(agent, (podCount.get(agent) ?? 0) + 1);
    if (isTaskPod(pod)) tasks.push(taskViewOf(pod));
    else foreign.set(agent, add(foreign.get(agent) ?? NO_RESOURCES, podRequests(pod)));
  };
  for (const pod of pods) {
    if (isTaskPod(pod)) known.add(keyOf(pod));
    count(pod);
  }
  for (const pod of assumed) if (!known.has(keyOf(pod))) count(pod);
  return { tasks, foreign, podCount };
}

const keyOf = (pod: Pod): string => `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`;

/** Kubernetes frees a Pod's resources when its phase is terminal, not when the object goes. */
function hasEnded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';
}
