import type { AgentId, FrameworkId, RolePath } from '../model/ids.ts';
import type { Tier } from '../model/job.ts';
import type { Resources } from '../model/resources.ts';
import type { RoleConstraints } from './offerConstraints.ts';

/** Capacity of one agent set aside for one role (and its sub-roles). */
export interface AgentReservation {
  readonly role: RolePath;
  readonly resources: Resources;
  readonly reservationId: string;
  /** Set for a persistent volume: only who names it holds it. A shared one may be held by many at once. */
  readonly volume?: { readonly shared: boolean };
}

/** One node as the allocator sees it. */
export interface AllocatorAgent {
  readonly id: AgentId;
  /** Non-revocable capacity, unreserved and reserved together, already net of foreign Pods and headroom. */
  readonly total: Resources;
  /** Capacity that may be borrowed and taken back at any time; not part of `total`. */
  readonly revocable: Resources;
  readonly reservations: readonly AgentReservation[];
  readonly attributes: Readonly<Record<string, string>>;
  /** False: nothing is offered here (frozen, not ready, dedicated to others). What runs there still counts. */
  readonly schedulable: boolean;
  readonly unschedulableReason?: string;
  /** Agents with GPUs are hidden from frameworks without the `gpu` capability. */
  readonly hasGpus: boolean;
}

/** Policy of one role. Roles without a spec have weight 1.0, no guarantees and no limits. */
export interface RoleSpec {
  readonly path: RolePath;
  /** Thousandths: 1000 is weight 1.0. */
  readonly weightMilli: number;
  readonly guarantees: Resources;
  /**
   * An absent name is unlimited; an explicit 0 forbids the resource.
   * Build it without `resources()`, which drops zeros.
   */
  readonly limits: Resources;
  /** The most that tasks of a tier may hold; an absent tier or name is unlimited, an explicit 0 forbids. */
  readonly tierLimits?: TierAmounts;
  /** How its sub-roles and its own frameworks take turns: at random by weight, or (absent) by share. */
  readonly sorter?: 'drf' | 'random';
}

/** Amounts by tier. */
export type TierAmounts = { readonly [One in Tier]?: Resources };

export interface AllocatorFramework {
  readonly id: FrameworkId;
  readonly roles: readonly RolePath[];
  readonly suppressedRoles: readonly RolePath[];
  /** False while disconnected or deactivated: offered nothing, its tasks still count. */
  readonly active: boolean;
  readonly capabilities: {
    readonly revocable: boolean;
    readonly gpu: boolean;
    /** May see shared volumes; absent: no. */
    readonly shared?: boolean;
  };
  /** Tiers its tasks may have; absent: all. `revocable` takes the capability, too. */
  readonly tiers?: readonly Tier[];
  /** Replaces `AllocateOptions.minAllocatable` for this framework; an empty list accepts any offer. */
  readonly minAllocatable?: readonly Resources[];
  /** Replaces `minAllocatable` in one role. */
  readonly minAllocatableByRole?: Readonly<Record<string, readonly Resources[]>>;
  /** Per role, which agents may be offered at all. */
  readonly constraints?: Readonly<Record<string, RoleConstraints>>;
}

/**
 * Something taken on an agent: a live task, an outstanding offer, or capacity held for a preemptor.
 * A hold names the framework and role it is for: that one is still offered the held part, nobody else is.
 */
export interface Allocation {
  readonly agent: AgentId;
  readonly framework: FrameworkId;
  readonly role: RolePath;
  readonly resources: Resources;
  readonly revocable: Resources;
  /** The part of `resources` that is charged to reservations of `role` or of its ancestors (nearest role first). */
  readonly reserved?: Resources;
  /** Ids of the volumes it holds. They are part of `reserved`, but for shared ones, which are in no sum. */
  readonly volumes?: readonly string[];
  /** The part of an offer that came out of a hold listed beside it; the hold is not counted twice. */
  readonly fromHold?: Resources;
  readonly kind: 'task' | 'offer' | 'hold';
  /** Of a task; absent: production. */
  readonly tier?: Tier;
}

/** What stands on one agent: what a snapshot says of it. */
export interface AgentFacts {
  /** Undefined: there is no such agent; what is allocated there counts all the same. */
  readonly agent: AllocatorAgent | undefined;
  readonly allocations: readonly Allocation[];
}

/** A refusal: the framework does not want a subset of these resources on this agent until then. */
export interface OfferFilter {
  readonly framework: FrameworkId;
  readonly role: RolePath;
  readonly agent: AgentId;
  readonly refused: Resources;
  readonly refusedRevocable: Resources;
  readonly untilMs: number;
}

/**
 * How often a framework was allocated something in a role: the second sort key of the DRF sorter.
 * Fed back from `AllocationPlan.counts`; losing it (a restart) only resets tie-breaking.
 */
export interface AllocationCount {
  readonly role: RolePath;
  readonly framework: FrameworkId;
  readonly count: number;
}

/** Everything one allocation cycle looks at. */
export interface AllocatorSnapshot {
  readonly agents: readonly AllocatorAgent[];
  readonly roles: readonly RoleSpec[];
  readonly frameworks: readonly AllocatorFramework[];
  readonly allocations: readonly Allocation[];
  readonly filters: readonly OfferFilter[];
  readonly counts?: readonly AllocationCount[];
}

export interface AllocateOptions {
  readonly nowMs: number;
  /** Any integer; the same snapshot and seed give the same plan. */
  readonly seed: number;
  /** An offer must contain at least one of these; an empty list accepts any non-empty offer. */
  readonly minAllocatable: readonly Resources[];
  /** `mesos`: limits and guarantees bind top-level roles only, as in Mesos. `mezzo`: at every level. */
  readonly mode: 'mezzo' | 'mesos';
  /** Names that do not count towards the dominant share. */
  readonly fairnessExclude: readonly string[];
}

/** Everything one framework is to be offered in one role on one agent. */
export interface PlannedOffer {
  readonly framework: FrameworkId;
  readonly role: RolePath;
  readonly agent: AgentId;
  /** Non-revocable: unreserved, reserved and held parts together. */
  readonly resources: Resources;
  readonly revocable: Resources;
  /** The part of `resources` that lies in reservations. */
  readonly reserved: Resources;
  /** The same part, per reservation; shared volumes beside it. */
  readonly reservedBy: readonly AgentReservation[];
  /** The part of `resources` that was held for this framework and role. */
  readonly fromHold: Resources;
}

/** Named faults, in the order in which they are checked. */
export const HOLD_BACK_CHECKS = [
  'FrameworkInactive',
  'RoleSuppressed',
  'AgentUnschedulable',
  'GpuAgentHidden',
  'ConstraintNotMet',
  'NothingFree',
  'BelowMinAllocatable',
  'LimitReached',
  'HeldForGuarantees',
  'RefusedByFilter',
] as const;
export type HoldBackCheck = (typeof HOLD_BACK_CHECKS)[number];

/** How many agents one check kept from one framework in one role, and how near the nearest was. */
export interface HeldBack {
  readonly framework: FrameworkId;
  readonly role: RolePath;
  readonly check: HoldBackCheck;
  readonly agents: number;
  readonly nearest?: { readonly agent: AgentId; readonly shortfall: Resources };
}

/** Where a role stands after the cycle; sub-roles included. */
export interface RoleShare {
  readonly role: RolePath;
  /** Parts per million of the cluster, before division by the weight. */
  readonly dominantSharePpm: number;
  readonly weightMilli: number;
  /** Tasks, offers and holds, non-revocable. */
  readonly allocated: Resources;
  /** The part of `allocated` that is in outstanding or newly planned offers. */
  readonly offered: Resources;
  readonly revocable: Resources;
  readonly reserved: Resources;
  /** What counts against the limits: reservations, used or not, and unreserved non-revocable allocations. */
  readonly consumed: Resources;
}

export interface AllocationPlan {
  /** Sorted by framework, role, agent. */
  readonly offers: readonly PlannedOffer[];
  readonly reasons: readonly HeldBack[];
  readonly shares: readonly RoleShare[];
  readonly counts: readonly AllocationCount[];
}
