import { meetsConstraints } from '../../../operator/src/allocator/offerConstraints.ts';
import type { AllocatorFramework, HoldBackCheck } from '../../../operator/src/allocator/types.ts';
import type { RolePath } from '../../../operator/src/model/ids.ts';
import {
  capTo,
  fits,
  isEmpty,
  type Resources,
  shortfall,
} from '../../../operator/src/model/resources.ts';
import {
  type AgentLedger,
  type Draft,
  nonRevocableOf,
  quantitiesOf,
  shortfallPpm,
} from './agentLedger.ts';
import { type Cycle, offerKey } from './cycle.ts';

/** One framework in one role at one agent: what the checks judge. */
export interface Candidate {
  readonly cycle: Cycle;
  readonly ledger: AgentLedger;
  readonly framework: AllocatorFramework;
  readonly role: RolePath;
}

/** Named for the fault; `shortfall` says what was missing for the smallest offer the framework may get. */
export type Verdict =
  | { readonly fit: true; readonly draft: Draft }
  | { readonly fit: false; readonly check: HoldBackCheck; readonly shortfall?: Resources };

interface AgentCheck {
  readonly check: HoldBackCheck;
  readonly holdsBack: (candidate: Candidate) => boolean;
}

/** Faults that do not depend on amounts, in order. */
const AGENT_CHECKS: readonly AgentCheck[] = [
  { check: 'AgentUnschedulable', holdsBack: ({ ledger }) => !ledger.agent.schedulable },
  {
    check: 'GpuAgentHidden',
    holdsBack: ({ ledger, framework }) => ledger.agent.hasGpus && !framework.capabilities.gpu,
  },
  {
    check: 'ConstraintNotMet',
    holdsBack: ({ ledger, framework, role }) => {
      const constraints = framework.constraints?.[role];
      return constraints !== undefined && !meetsConstraints(ledger.agent, constraints);
    },
  },
];

interface SizingStep {
  /** The fault when the offer was large enough before this step and is not after it. */
  readonly check: HoldBackCheck;
  readonly size: (candidate: Candidate, draft: Draft) => Draft;
}

/** Cuts to the offer of the second stage, in order. */
const SIZING_STEPS: readonly SizingStep[] = [
  { check: 'BelowMinAllocatable', size: (_candidate, draft) => draft },
  {
    check: 'LimitReached',
    size: ({ cycle, role }, draft) => ({
      ...draft,
      unreserved: capTo(draft.unreserved, cycle.quota.roomBesideGuarantees(role)),
    }),
  },
  {
    check: 'HeldForGuarantees',
    size: ({ cycle, role }, draft) => ({
      ...draft,
      unreserved: capTo(draft.unreserved, headroomLeft(cycle, role, {})),
    }),
  },
];

/** The first agent fault, if any. */
export function agentFault(candidate: Candidate): HoldBackCheck | undefined {
  return AGENT_CHECKS.find((one) => one.holdsBack(candidate))?.check;
}

/** Runs one candidate of the second stage through every check. */
export function judge(candidate: Candidate): Verdict {
  const fault = agentFault(candidate);
  if (fault !== undefined) return { fit: false, check: fault };
  if (candidate.ledger.isExhausted()) return { fit: false, check: 'NothingFree' };
  let draft = visibleDraft(candidate, 'own and ancestors');
  if (isEmpty(quantitiesOf(draft))) return { fit: false, check: 'NothingFree' };
  for (const step of SIZING_STEPS) {
    draft = step.size(candidate, draft);
    if (!isAllocatable(candidate, draft))
      return { fit: false, check: step.check, shortfall: missingFor(candidate, draft) };
  }
  if (isRefused(candidate, draft)) return { fit: false, check: 'RefusedByFilter' };
  return { fit: true, draft };
}

export function visibleDraft(
  candidate: Candidate,
  reservations: 'own' | 'own and ancestors',
): Draft {
  return candidate.ledger.visibleTo(candidate.framework.id, candidate.role, {
    revocable: candidate.framework.capabilities.revocable,
    reservations,
  });
}

/** How much of each guaranteed name may still be given to the role beyond `granted`; absent names are not held. */
export function headroomLeft(cycle: Cycle, role: RolePath, granted: Resources): Resources {
  const held = cycle.quota.heldFrom(role, granted);
  const left: Record<string, number> = {};
  for (const name in held)
    if ((held[name] ?? 0) > 0)
      left[name] = Math.max(
        0,
        (cycle.headroom[name] ?? 0) - (granted[name] ?? 0) - (held[name] ?? 0),
      );
  return left;
}

/** An offer must contain at least one of the smallest sets, and something at all. */
export function isAllocatable(candidate: Candidate, draft: Draft): boolean {
  const have = quantitiesOf(draft);
  if (isEmpty(have)) return false;
  const sets = minAllocatableOf(candidate);
  return sets.length === 0 || sets.some((set) => fits(set, have));
}

/**
 * True when the framework refused this, or more, on this agent and the refusal still holds. Capacity that was
 * freed for the framework is always offered.
 */
export function isRefused(candidate: Candidate, draft: Draft): boolean {
  if (!isEmpty(draft.held)) return false;
  const key = offerKey(candidate.framework.id, candidate.role, candidate.ledger.agent.id);
  const filters = candidate.cycle.filters.get(key) ?? [];
  if (filters.length === 0) return false;
  const offered = nonRevocableOf(draft);
  return filters.some(
    (filter) => fits(offered, filter.refused) && fits(draft.revocable, filter.refusedRevocable),
  );
}

function missingFor(candidate: Candidate, draft: Draft): Resources {
  const have = quantitiesOf(draft);
  const [nearest] = minAllocatableOf(candidate).toSorted(
    (left, right) => shortfallPpm(left, have) - shortfallPpm(right, have),
  );
  return nearest === undefined ? {} : shortfall(nearest, have);
}

function minAllocatableOf(candidate: Candidate): readonly Resources[] {
  const { framework, role, cycle } = candidate;
  return (
    framework.minAllocatableByRole?.[role] ??
    framework.minAllocatable ??
    cycle.options.minAllocatable
  );
}
