import {
  countStates,
  decideCommon,
  describeTrouble,
  faultCondition,
  pendingStatus,
  trouble,
} from '../job/decideCommon.ts';
import type { JobPlan, KillOrder } from '../job/types.ts';
import { type ConditionValue, withCondition } from '../shared/conditions.ts';
import { decideRolling } from './decideRolling.ts';
import type { ServiceJobFacts } from './types.ts';

type Status = ServiceJobFacts['status'];

/** What one ServiceJob needs now. */
export function decideServiceJob(facts: ServiceJobFacts): JobPlan<Status> {
  const desired = facts.spec.instances ?? 1;
  const common = decideCommon(facts, { replicas: desired, restart: { kind: 'service' } });
  const rolling = decideRolling(facts, common.live);
  const restarts: readonly KillOrder[] = rolling.restart.map((task) => ({
    task,
    intent: 'restart',
    why: 'its template changed',
  }));
  const throttled = common.slots.pending.filter((slot) => slot.notBeforeMs !== undefined).length;
  const waiting = common.slots.pending.length;
  const counts = {
    desired,
    ...countStates(common.live),
    pending: waiting - throttled,
    throttled,
    updated: common.live.filter((task) => task.templateHash === facts.templateHash).length,
  };
  const condition = readyCondition(facts, counts);
  const { pending: _pending, update: _update, ...kept } = facts.status;
  const status: Status = {
    ...kept,
    observedGeneration: facts.generation,
    selector: `mezzo.dev/job-uid=${facts.uid}`,
    replicas: common.live.length,
    templateHash: facts.templateHash,
    counts,
    ...(rolling.status === undefined ? {} : { update: rolling.status }),
    ...(waiting === 0 || facts.stopping ? {} : { pending: pendingStatus(facts, waiting) }),
    conditions: withCondition(
      facts.status.conditions,
      condition,
      facts.generation,
      facts.isoOf(facts.nowMs),
    ),
  };
  const wakes = [common.wakeAtMs, rolling.nextWakeMs].filter((ms) => ms !== undefined);
  return {
    status,
    kills: [...common.kills, ...restarts],
    releases: common.releases,
    demand: common.demand,
    condition,
    wakeAtMs: wakes.length === 0 ? undefined : Math.min(...wakes),
  };
}

interface Counts {
  readonly desired: number;
  readonly running: number;
  readonly pending: number;
  readonly throttled: number;
  readonly updated: number;
}

/** The first of these that holds is what a person reads in `kubectl get`. */
function readyCondition(facts: ServiceJobFacts, counts: Counts): ConditionValue {
  const fault = faultCondition('Ready', facts);
  if (fault !== undefined) return fault;
  const figures = `${counts.running} of ${counts.desired} instances run`;
  const not = (reason: string, message: string): ConditionValue => ({
    type: 'Ready',
    status: 'False',
    reason,
    message,
  });
  const stuck = trouble(facts.tasks);
  if (counts.running < counts.desired && stuck !== undefined) {
    return not(
      stuck.terminal ? 'InstancesFailing' : stuck.state.reason,
      `${figures}; ${describeTrouble(stuck)}`,
    );
  }
  if (counts.pending > 0) {
    return not(
      'InstancesPending',
      `${figures}, ${counts.pending} wait: ${facts.pendingReport?.summary ?? 'waiting for an offer'}`,
    );
  }
  if (counts.throttled > 0) {
    return not(
      'InstancesThrottled',
      `${figures}, ${counts.throttled} ended soon after their start and are held back`,
    );
  }
  if (counts.updated < counts.desired) {
    return not('Updating', `${figures}, ${counts.updated} of them with the newest template`);
  }
  if (counts.running < counts.desired) return not('InstancesStarting', figures);
  return { type: 'Ready', status: 'True', reason: 'AllInstancesRunning', message: figures };
}
