import { decideJobUpdate } from '../../state/jobUpdate.ts';
import type { TaskView } from '../task/taskView.ts';
import type { ServiceJobFacts } from './types.ts';

type UpdateStatus = NonNullable<ServiceJobFacts['status']['update']>;

export interface RollingPlan {
  readonly restart: readonly TaskView[];
  readonly status: UpdateStatus | undefined;
  readonly nextWakeMs: number | undefined;
}

/** Rolls a changed template over the live instances and tells in `status.update` how far it is. */
export function decideRolling(facts: ServiceJobFacts, live: readonly TaskView[]): RollingPlan {
  const former = facts.status.update;
  const idle = (status: UpdateStatus | undefined): RollingPlan => ({
    restart: [],
    status,
    nextWakeMs: undefined,
  });
  if (facts.stopping || facts.fault !== undefined) return idle(former);
  const outdated = live.some((task) => task.templateHash !== facts.templateHash);
  const underWay = former?.targetHash === facts.templateHash && former.finishedAt === undefined;
  if (!outdated && !underWay) return idle(ended(facts, former));
  const decision = decideJobUpdate({
    replicas: facts.spec.instances ?? 1,
    instances: live.map((task) => ({
      instance: task.instance,
      state: task.state.state,
      templateHash: task.templateHash,
      ready: task.readySinceMs !== undefined,
      sinceMs: task.readySinceMs ?? 0,
    })),
    targetHash: facts.templateHash,
    maxUnavailable: facts.spec.update?.batchSize ?? 1,
    watchMs: (facts.spec.update?.watchSeconds ?? 10) * 1000,
    nowMs: facts.nowMs,
  });
  const status = begun(facts, live, decision.updated);
  if (decision.kind === 'RolledForward') {
    return idle({ ...status, state: 'ROLLED_FORWARD', finishedAt: facts.isoOf(facts.nowMs) });
  }
  if (facts.spec.update?.paused === true) {
    const message = 'spec.update.paused is true; set it to false to go on';
    return idle({ ...status, state: 'ROLL_FORWARD_PAUSED', message });
  }
  const chosen = new Set(decision.restart);
  return {
    restart: live.filter(
      (task) =>
        chosen.has(task.instance) && !task.deleting && task.templateHash !== facts.templateHash,
    ),
    status,
    nextWakeMs: decision.nextWakeMs,
  };
}

/** An update that nothing is left of: its template was taken back before an instance had it, or all such are gone. */
function ended(facts: ServiceJobFacts, former: UpdateStatus | undefined): UpdateStatus | undefined {
  if (former === undefined || former.finishedAt !== undefined) return former;
  const message = 'the template was changed back';
  return { ...former, state: 'ABORTED', finishedAt: facts.isoOf(facts.nowMs), message };
}

/** The state of the update to this template, continued or new. */
function begun(facts: ServiceJobFacts, live: readonly TaskView[], updated: number): UpdateStatus {
  const former = facts.status.update;
  const isSame = former?.targetHash === facts.templateHash;
  const previousHash = isSame
    ? former.previousHash
    : live.find((task) => task.templateHash !== facts.templateHash)?.templateHash;
  return {
    state: 'ROLLING_FORWARD',
    targetHash: facts.templateHash,
    ...(previousHash === undefined ? {} : { previousHash }),
    updatedInstances: updated,
    startedAt: isSame ? former.startedAt : facts.isoOf(facts.nowMs),
  };
}
