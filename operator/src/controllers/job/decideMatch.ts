import type { TierMeter } from '../../allocator/tierCheck.ts';
import type { AgentId, OfferId, RolePath } from '../../model/ids.ts';
import type { PendingTask, TaskGroup } from '../../model/job.ts';
import { amountOf, fits, type Resources, subtract } from '../../model/resources.ts';
import { brokenConstraint } from './constraints.ts';

export interface MatchOffer {
  readonly id: OfferId;
  readonly agent: AgentId;
  readonly role: RolePath;
  readonly resources: Resources;
  readonly revocable: Resources;
}

/** Capacity freed by a preemption and kept for the instance it was made for. */
export interface CapacityHold {
  readonly agent: AgentId;
  readonly role: RolePath;
  readonly jobKey: string;
  readonly instance: number;
  readonly resources: Resources;
}

export interface MatchInput {
  readonly offers: readonly MatchOffer[];
  readonly pending: readonly PendingTask[];
  readonly holds: readonly CapacityHold[];
  readonly attributesOf: (agent: AgentId) => Readonly<Record<string, string>>;
  /** Live instances of a job per agent, for `MaxPerValue`. */
  readonly agentsOfJob: (jobUid: string) => readonly AgentId[];
  /** What tasks of each tier hold; absent while no tier is limited. Placed tasks are counted in it. */
  readonly tiers?: Pick<TierMeter, 'excess' | 'take'> | undefined;
}

export interface Placement {
  readonly offer: OfferId;
  readonly agent: AgentId;
  readonly task: PendingTask;
}

interface Remainder {
  readonly offer: MatchOffer;
  resources: Resources;
  revocable: Resources;
}

/**
 * Places pending tasks on offers: highest priority first, longest waiting next, each on the offer it leaves least of.
 * Guarantees: capacity held for one instance is given to that instance only; no tier is taken above its limit.
 * Does not: look beyond the offers it is given; what found no place waits for other offers.
 */
export function decideMatch(input: MatchInput): readonly Placement[] {
  const remainders = input.offers.map((offer) => ({
    offer,
    resources: offer.resources,
    revocable: offer.revocable,
  }));
  const placedOf = new Map<string, AgentId[]>();
  const placements: Placement[] = [];
  for (const task of input.pending.toSorted(byUrgency)) {
    if (input.tiers !== undefined && input.tiers.excess(task.group) !== null) continue;
    const placed = placedOf.get(task.group.jobUid) ?? [];
    const best = bestRemainder(remainders, task, input, placed);
    if (best === undefined) continue;
    best.resources = subtract(best.resources, task.group.resources);
    best.revocable = subtract(best.revocable, task.group.revocable);
    input.tiers?.take(task.group);
    placements.push({ offer: best.offer.id, agent: best.offer.agent, task });
    placedOf.set(task.group.jobUid, [...placed, best.offer.agent]);
  }
  return placements;
}

const TIER_RANK = { production: 0, preemptible: 1, revocable: 2 } as const satisfies Record<
  TaskGroup['tier'],
  number
>;

/** Production first, then priority, then waiting time; the name last, so that the order is total. */
export function byUrgency(left: PendingTask, right: PendingTask): number {
  return (
    TIER_RANK[left.group.tier] - TIER_RANK[right.group.tier] ||
    right.group.priority - left.group.priority ||
    left.sinceMs - right.sinceMs ||
    (left.podName < right.podName ? -1 : 1)
  );
}

function bestRemainder(
  remainders: readonly Remainder[],
  task: PendingTask,
  input: MatchInput,
  placed: readonly AgentId[],
): Remainder | undefined {
  let best: Remainder | undefined;
  let bestLeft = Number.POSITIVE_INFINITY;
  for (const one of remainders) {
    if (one.offer.role !== task.group.role || !fitsRemainder(one, task, input, placed)) continue;
    const left = leftOver(one, task);
    if (left < bestLeft) {
      best = one;
      bestLeft = left;
    }
  }
  return best;
}

function fitsRemainder(
  one: Remainder,
  task: PendingTask,
  input: MatchInput,
  placed: readonly AgentId[],
): boolean {
  const heldByOthers = input.holds.filter(
    (hold) =>
      hold.agent === one.offer.agent &&
      hold.role === one.offer.role &&
      !(hold.jobKey === task.group.jobKey && hold.instance === task.instance),
  );
  const available = heldByOthers.reduce(
    (rest, hold) => subtract(rest, hold.resources),
    one.resources,
  );
  if (!fits(task.group.resources, available) || !fits(task.group.revocable, one.revocable))
    return false;
  const attributes = input.attributesOf(one.offer.agent);
  const live = [...input.agentsOfJob(task.group.jobUid), ...placed];
  const perValue = (attribute: string, value: string): number =>
    live.filter((agent) => input.attributesOf(agent)[attribute] === value).length;
  return brokenConstraint(task.group.constraints, attributes, perValue) === undefined;
}

/** Best fit: milli-CPU left plus MiB left. The two are of like size on ordinary machines (4 GiB a core). */
function leftOver(one: Remainder, task: PendingTask): number {
  const rest = subtract(one.resources, task.group.resources);
  return amountOf(rest, 'cpus') * 4 + amountOf(rest, 'mem') / 2 ** 20;
}
