import type {
  PreemptionAgent,
  PreemptionInput,
  RunningTask,
} from '../../allocator/preemption/types.ts';
import { consumptionOf } from '../../allocator/quotaCheck.ts';
import type { Allocation, AllocatorAgent } from '../../allocator/types.ts';
import type { PendingTask } from '../../model/job.ts';
import { isEmpty, subtract, sumOf } from '../../model/resources.ts';
import type { OutstandingOffer } from '../../state/offerBook.ts';
import { brokenConstraint } from '../job/constraints.ts';
import { reservedForOthers } from '../scheduling/reservedForOthers.ts';
import { type GatheredSnapshot, holdAllocation, openHolds } from '../scheduling/snapshot.ts';
import type { TaskView } from '../task/taskView.ts';
import type { Claim } from './records.ts';

/**
 * Reads one waiting task and the present allocation into what the preemption decision looks at.
 * Open preemptions count as they will end: their victims are as good as gone, and all they will hold is held. Else two
 * waiting tasks would each take the same victim.
 */
export function gatherPreemption(
  task: PendingTask,
  gathered: GatheredSnapshot,
  {
    offers,
    claims,
  }: { readonly offers: readonly OutstandingOffer[]; readonly claims: readonly Claim[] },
): PreemptionInput {
  const { ledger } = gathered;
  const doomed = new Set(claims.flatMap((claim) => claim.victims.map((victim) => victim.key)));
  const open = openHolds(
    claims.map((claim) => claim.hold),
    ledger.tasks,
  );
  const snapshot = {
    ...gathered.snapshot,
    allocations: [
      ...gathered.snapshot.allocations.filter((one) => one.kind !== 'hold'),
      ...open.map(holdAllocation),
    ],
  };
  const allocationsOf = Map.groupBy(snapshot.allocations, (one) => one.agent);
  const offersOf = Map.groupBy(offers, (one) => one.agent);
  const live = ledger.tasks.filter((one) => one.jobUid === task.group.jobUid);
  const attributes = new Map(snapshot.agents.map((agent) => [agent.id, agent.attributes]));
  const perValue = (attribute: string, value: string): number =>
    live.filter((one) => attributes.get(one.agent)?.[attribute] === value).length;
  const eligible = snapshot.agents.filter(
    (agent) =>
      agent.schedulable &&
      brokenConstraint(task.group.constraints, agent.attributes, perValue) === undefined,
  );
  const { jobKey, role, tier, priority, resources } = task.group;
  return {
    candidate: { jobKey, instance: task.instance, role, tier, priority, resources },
    agents: eligible.map((agent) =>
      preemptionAgent(agent, role, allocationsOf.get(agent.id) ?? [], offersOf.get(agent.id) ?? []),
    ),
    tasks: ledger.tasks.map((one) => runningTask(one, doomed.has(one.key))),
    quota: consumptionOf({
      ...snapshot,
      allocations: snapshot.allocations.filter((one) => one.kind !== 'offer'),
    }),
  };
}

function preemptionAgent(
  agent: AllocatorAgent,
  role: string,
  allocations: readonly Allocation[],
  offers: readonly OutstandingOffer[],
): PreemptionAgent {
  const taken = allocations.filter((one) => one.kind !== 'hold').map((one) => one.resources);
  const heldForOthers = sumOf(
    allocations.filter((one) => one.kind === 'hold').map((one) => one.resources),
  );
  return {
    id: agent.id,
    total: agent.total,
    free: subtract(
      subtract(agent.total, sumOf(taken)),
      reservedForOthers(agent, role, allocations),
    ),
    heldForOthers,
    rescindable: offers
      .filter((offer) => isEmpty(offer.fromHold))
      .map((offer) => ({ offer: offer.id, role: offer.role, resources: offer.resources })),
  };
}

function runningTask(task: TaskView, isDoomed: boolean): RunningTask {
  return {
    podKey: task.key,
    uid: task.pod.metadata.uid ?? '',
    agent: task.agent,
    role: task.role,
    tier: task.tier,
    priority: task.priority,
    resources: task.resources,
    revocable: task.revocable,
    reserved: task.reserved,
    startedAtMs: task.startedAtMs ?? task.createdAtMs,
    jobKey: task.jobKey ?? `Framework//${task.framework}`,
    terminating: task.deleting || isDoomed,
  };
}
