import type { OfferId } from '../../model/ids.ts';
import {
  add,
  amountOf,
  fits,
  type Resources,
  shortfall,
  subtract,
  sumOf,
} from '../../model/resources.ts';
import { comparePaths, isAllocatableTo, pathAndAncestors } from '../rolePaths.ts';
import type { RoleSpec } from '../types.ts';
import { compareDamage, type Damage } from './damage.ts';
import { reclaimedFrom, ruleFor } from './rules.ts';
import { MAX_VICTIMS, searchVictims } from './searchVictims.ts';
import {
  type NoPreemption,
  PREEMPTION_FAULTS,
  type PreemptionAgent,
  type PreemptionFault,
  type PreemptionInput,
  type PreemptionPlan,
  type RescindableOffer,
  type RunningTask,
} from './types.ts';

/** What one agent can do for the candidate. */
type AgentVerdict =
  | { readonly kind: 'plan'; readonly plan: PreemptionPlan }
  | { readonly kind: 'fault'; readonly check: PreemptionFault };

/**
 * Whose capacity a pending instance should take, if anybody's.
 *
 * No victim is named while an agent has room, gets room by taking offers back, or will have room when tasks that are
 * already ending are gone (their capacity must not be held for others). Otherwise the least damage over all agents wins:
 * fewest victims, lowest tier and priority, youngest, smallest surplus, then names; never more than `MAX_VICTIMS`.
 * The candidate stays within the limits of its role and of every role above it, counting what its victims give up there.
 * Guarantees: every victim is strictly below the candidate in (tier, priority), so preemptions cannot go round in a loop.
 * Does not: judge placement constraints; `agents` are those that satisfy them.
 */
export function decidePreemption(input: PreemptionInput): PreemptionPlan | NoPreemption {
  const agents = input.agents.toSorted((left, right) => comparePaths(left.id, right.id));
  if (input.candidate.tier === 'revocable')
    return none(agents.map((agent) => ({ agent, check: 'RevocableCandidate' })));
  const tasksOf = Map.groupBy(input.tasks, (task) => task.agent);
  const faults: { readonly agent: PreemptionAgent; readonly check: PreemptionFault }[] = [];
  let best: PreemptionPlan | undefined;
  for (const agent of agents) {
    const verdict = judgeAgent(input, agent, tasksOf.get(agent.id) ?? [], best);
    if (verdict.kind === 'fault') faults.push({ agent, check: verdict.check });
    else if (best === undefined || comparePlans(verdict.plan, best) < 0) best = verdict.plan;
  }
  const canWait = faults.some(
    (one) => one.check === 'FitsWithoutPreemption' || one.check === 'PendingRelease',
  );
  if (best === undefined || (canWait && best.victims.length > 0)) return none(faults);
  if (faults.some((one) => one.check === 'FitsWithoutPreemption')) return none(faults);
  return best;
}

function judgeAgent(
  input: PreemptionInput,
  agent: PreemptionAgent,
  tasks: readonly RunningTask[],
  best: PreemptionPlan | undefined,
): AgentVerdict {
  const need = demandOn(input, agent);
  if (!fits(input.candidate.resources, agent.total))
    return { kind: 'fault', check: 'AgentTooSmall' };
  const ending = tasks.filter((task) => task.terminating);
  const offered = sumOf(agent.rescindable.map((one) => one.resources));
  const coming = sumOf(ending.map((task) => reclaimedFrom(input.candidate, task)));
  const withOffers = add(agent.free, offered);
  const soon = add(withOffers, coming);
  const endingQuota = ending.map(quotaOf);
  if (fits(need, agent.free) && isWithinLimits(input, endingQuota))
    return {
      kind: 'fault',
      check: isWithinLimits(input, []) ? 'FitsWithoutPreemption' : 'PendingRelease',
    };
  if (fits(need, withOffers) && isWithinLimits(input, []))
    return { kind: 'plan', plan: planFor(input, agent, [], withOffers) };
  if (fits(need, soon) && isWithinLimits(input, endingQuota))
    return { kind: 'fault', check: 'PendingRelease' };
  return judgeVictims(input, agent, { tasks, soon, gaining: endingQuota, best });
}

interface VictimContext {
  readonly tasks: readonly RunningTask[];
  /** What there is without any victim, once offers are taken back and ending tasks are gone. */
  readonly soon: Resources;
  readonly gaining: readonly QuotaPart[];
  readonly best: PreemptionPlan | undefined;
}

function judgeVictims(
  input: PreemptionInput,
  agent: PreemptionAgent,
  context: VictimContext,
): AgentVerdict {
  const { soon, gaining } = context;
  const need = demandOn(input, agent);
  const eligible = context.tasks.filter((task) => ruleFor(input.candidate, task) !== undefined);
  if (eligible.length === 0)
    return {
      kind: 'fault',
      check: fits(need, soon) ? 'LimitReached' : 'NoEligibleVictims',
    };
  const freedBy = (victims: readonly RunningTask[]): Resources =>
    sumOf(victims.map((task) => reclaimedFrom(input.candidate, task)));
  if (!fits(need, add(soon, freedBy(eligible))))
    return { kind: 'fault', check: 'VictimsNotEnough' };
  if (!isWithinLimits(input, [...gaining, ...eligible.map(quotaOf)]))
    return { kind: 'fault', check: 'LimitReached' };
  const deficit = shortfall(need, soon);
  // Another agent that needs fewer victims has won already.
  const bestSize = context.best?.victims.length;
  const found = searchVictims({
    eligible,
    reclaimed: (task) => reclaimedFrom(input.candidate, task),
    deficit,
    suffices: (victims) =>
      fits(need, add(soon, freedBy(victims))) &&
      isWithinLimits(input, [...gaining, ...victims.map(quotaOf)]),
    damageOf: (victims) => ({
      victims,
      surplusPpm: surplusPpm(agent, freedBy(victims), deficit),
      agent: agent.id,
    }),
    compare: compareDamage,
    maxVictims: Math.min(MAX_VICTIMS, bestSize ?? MAX_VICTIMS),
  });
  if (found === undefined) return { kind: 'fault', check: 'TooManyVictims' };
  return {
    kind: 'plan',
    plan: planFor(input, agent, found.victims, add(soon, freedBy(found.victims))),
  };
}

function planFor(
  input: PreemptionInput,
  agent: PreemptionAgent,
  victims: readonly RunningTask[],
  available: Resources,
): PreemptionPlan {
  const need = demandOn(input, agent);
  const freed = sumOf(victims.map((task) => reclaimedFrom(input.candidate, task)));
  const first = victims[0];
  const rule = first === undefined ? undefined : ruleFor(input.candidate, first);
  return {
    kind: 'preempt',
    agent: agent.id,
    victims: victims.toSorted((left, right) => comparePaths(left.podKey, right.podKey)),
    rescind: neededOffers(input, agent, available),
    freed,
    surplusPpm: surplusPpm(agent, freed, shortfall(need, subtract(available, freed))),
    ...(rule === undefined ? {} : { rule }),
  };
}

/** The offers that must go: all, less those that can stay, the largest kept first. */
function neededOffers(
  input: PreemptionInput,
  agent: PreemptionAgent,
  available: Resources,
): readonly OfferId[] {
  let left = available;
  let taken: readonly RescindableOffer[] = agent.rescindable;
  const sizeOf = (offer: RescindableOffer): number => partsPerMillion(offer.resources, agent.total);
  const largestFirst = agent.rescindable.toSorted(
    (one, other) => sizeOf(other) - sizeOf(one) || comparePaths(one.offer, other.offer),
  );
  for (const offer of largestFirst) {
    const rest = subtract(left, offer.resources);
    if (!fits(demandOn(input, agent), rest)) continue;
    left = rest;
    taken = taken.filter((one) => one !== offer);
  }
  return taken.map((one) => one.offer).toSorted(comparePaths);
}

/**
 * What must be there before the candidate can have its share: its own need and, of the same resources, what is held for
 * others, who come first. Holds are added to the need, not taken from what is free: they may be larger than that.
 */
function demandOn(input: PreemptionInput, agent: PreemptionAgent): Resources {
  const need = input.candidate.resources;
  const heldToo = Object.entries(agent.heldForOthers).filter(([name]) => amountOf(need, name) > 0);
  return add(need, Object.fromEntries(heldToo));
}

/** Something that counts against limits until it is gone. */
interface QuotaPart {
  readonly role: string;
  readonly resources: Resources;
  readonly tier: RunningTask['tier'];
  /** What counts against limits of the tier. */
  readonly held: Resources;
}

function quotaOf(task: RunningTask): QuotaPart {
  return {
    role: task.role,
    resources: subtract(task.resources, task.reserved ?? {}),
    tier: task.tier,
    held: add(task.resources, task.revocable),
  };
}

/** True when the candidate fits under every limit above it, once `freed` is gone. */
function isWithinLimits(input: PreemptionInput, freed: readonly QuotaPart[]): boolean {
  const { candidate, quota } = input;
  for (const path of pathAndAncestors(candidate.role)) {
    const spec = quota.roles.find((role) => role.path === path);
    if (spec === undefined) continue;
    const given = sumOf(
      freed.filter((part) => isAllocatableTo(path, part.role)).map((part) => part.resources),
    );
    const consumed = subtract(quota.consumed.get(path) ?? {}, given);
    for (const name in spec.limits) {
      const wanted = amountOf(candidate.resources, name);
      if (wanted > 0 && amountOf(consumed, name) + wanted > amountOf(spec.limits, name))
        return false;
    }
    if (!isWithinTier(input, spec, freed)) return false;
  }
  return true;
}

/** Of one role: the candidate joins the tasks of its tier, less those of the tier that go. */
function isWithinTier(
  { candidate, quota }: PreemptionInput,
  { path, tierLimits }: RoleSpec,
  freed: readonly QuotaPart[],
): boolean {
  const limits = tierLimits?.[candidate.tier] ?? {};
  const given = freed.filter(
    (part) => part.tier === candidate.tier && isAllocatableTo(path, part.role),
  );
  const use = quota.tierUse?.get(path)?.[candidate.tier] ?? {};
  const rest = subtract(use, sumOf(given.map((part) => part.held)));
  return Object.keys(limits).every((name) => {
    const wanted = amountOf(candidate.resources, name);
    return wanted === 0 || amountOf(rest, name) + wanted <= amountOf(limits, name);
  });
}

function surplusPpm(agent: PreemptionAgent, freed: Resources, deficit: Resources): number {
  return partsPerMillion(subtract(freed, deficit), agent.total);
}

function partsPerMillion(amounts: Resources, total: Resources): number {
  let ppm = 0;
  for (const name in amounts)
    ppm += Math.floor((amountOf(amounts, name) / Math.max(1, amountOf(total, name))) * 1_000_000);
  return ppm;
}

function comparePlans(left: PreemptionPlan, right: PreemptionPlan): number {
  const damageOf = (plan: PreemptionPlan): Damage => ({ ...plan, agent: plan.agent });
  // Without victims the fewest offers taken back is the least damage.
  const offers =
    left.victims.length === 0 && right.victims.length === 0
      ? left.rescind.length - right.rescind.length
      : 0;
  return offers || compareDamage(damageOf(left), damageOf(right));
}

function none(
  faults: readonly { readonly agent: PreemptionAgent; readonly check: PreemptionFault }[],
): NoPreemption {
  return {
    kind: 'none',
    reasons: PREEMPTION_FAULTS.flatMap((check) => {
      const agents = faults.filter((one) => one.check === check);
      const [nearest] = agents;
      return nearest === undefined
        ? []
        : [{ check, agents: agents.length, nearest: nearest.agent.id }];
    }),
  };
}
