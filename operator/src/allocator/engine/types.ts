import type { AgentId, FrameworkId, RolePath } from '../../model/ids.ts';
import type { Tier } from '../../model/job.ts';
import type { Resources } from '../../model/resources.ts';
import type { RoleConstraints } from '../offerConstraints.ts';
import type { HoldBackCheck, TierAmounts } from '../types.ts';

/** Whole ports as inclusive ranges: `[first, last]`. Given in any order, kept sorted and joined. */
export type PortRanges = readonly (readonly [first: number, last: number])[];

/**
 * Reserved capacity of one reservation. `stack` is the refinement from the outermost role to the owner
 * (`['a', 'a/b']`); a plain reservation has one entry.
 */
export interface ReservedPart {
  readonly stack: readonly RolePath[];
  /** Tells two reservations of one role on one agent apart; absent is a value of its own. */
  readonly reservationId?: string;
  readonly resources: Resources;
  readonly ports?: PortRanges;
}

/**
 * A volume as part of an amount; its size is not in any `disk` beside it. Offered, held and refused whole, by its id.
 *
 * Disks of a node: a MOUNT or BLOCK disk is one of `AgentFields.volumes`, a PATH disk is `disk` in `total`. A persistent
 * volume is made with `createVolume` on the reservation its disk is in. The operator's snapshots give both as reservations
 * with an id of their own (`enterAgent.ts`): a private one is a reservation like any other, with one holder at a time; a
 * shared one is never used up, and is offered once per run to whoever has SHARED_RESOURCES.
 */
export interface VolumePart {
  readonly id: string;
  readonly sizeBytes: number;
}

/** Resources by sort. Absent parts are empty; amounts as `Resources` (milli-cpu, bytes, thousandths). */
export interface Parts {
  /** Unreserved and not revocable. */
  readonly resources?: Resources;
  readonly ports?: PortRanges;
  readonly reserved?: readonly ReservedPart[];
  readonly revocable?: Resources;
  readonly volumes?: readonly VolumePart[];
}

export interface Unavailability {
  readonly startMs: number;
  /** Absent: for ever. */
  readonly durationMs?: number;
}

/** What one framework has in use on an agent when the agent is added or updated. */
export interface AgentUse extends Parts {
  readonly framework: FrameworkId;
  readonly role: RolePath;
  /** Of the tasks that use it; absent: production. */
  readonly tier?: Tier;
}

export type FrameworkCapability =
  | 'REVOCABLE_RESOURCES'
  | 'GPU_RESOURCES'
  | 'SHARED_RESOURCES'
  | 'MULTI_ROLE'
  | 'RESERVATION_REFINEMENT'
  | 'REGION_AWARE';

/** Least dominant share first, or at random by weight. */
export type Sorter = 'drf' | 'random';

interface AgentFields {
  /** Unreserved scalars; reserved and revocable capacity is given beside it, never in it. */
  readonly total?: Resources;
  readonly ports?: PortRanges;
  readonly reserved?: readonly ReservedPart[];
  readonly revocable?: Resources;
  /** Disks that are offered whole or not at all (Mesos's MOUNT and BLOCK), beside `total`. */
  readonly volumes?: readonly VolumePart[];
  readonly attributes?: Readonly<Record<string, string>>;
  /** Names of attributes that are scalars, ranges or sets: they pass every equality and pattern. */
  readonly notText?: readonly string[];
  /** Of Mesos's, MULTI_ROLE and HIERARCHICAL_ROLE are looked at; an agent has all unless it lists others. */
  readonly capabilities?: readonly string[];
  readonly region?: string;
  readonly zone?: string;
  readonly hostname?: string;
  /** False: nothing is offered here; what runs there still counts. */
  readonly schedulable?: boolean;
  /** Marked as used, whether or not the agent has room for it. */
  readonly used?: readonly AgentUse[];
}

interface FrameworkFields {
  readonly roles?: readonly RolePath[];
  readonly suppressed?: readonly RolePath[];
  /** Mesos's names; without a list: MULTI_ROLE and RESERVATION_REFINEMENT. */
  readonly capabilities?: readonly string[];
  /** For all roles; an empty list accepts any offer that is not empty. */
  readonly minAllocatable?: readonly Resources[];
  /** Tiers its tasks may have; all, and `revocable` with the capability alone, when left out. */
  readonly tiers?: readonly Tier[];
  /** Replaces `minAllocatable` in one role. */
  readonly minAllocatableByRole?: Readonly<Record<string, readonly Resources[]>>;
  readonly constraints?: Readonly<Record<string, RoleConstraints>>;
}

interface OnAgent {
  readonly agent: AgentId;
  /** Given: on what this framework holds there in `role`; absent: operator-made, on what is free. */
  readonly framework?: FrameworkId;
  readonly role?: RolePath;
}

interface Holder {
  readonly framework: FrameworkId;
  readonly role: RolePath;
  readonly agent: AgentId;
}

/** Everything that can happen to the allocator. */
export type AllocatorEvent =
  | ({
      readonly kind: 'addAgent';
      readonly id: AgentId;
      readonly unavailability?: Unavailability;
    } & AgentFields)
  | ({ readonly kind: 'updateAgent'; readonly id: AgentId } & AgentFields)
  | { readonly kind: 'removeAgent'; readonly id: AgentId }
  | ({
      readonly kind: 'addFramework';
      readonly id: FrameworkId;
      readonly active?: boolean;
    } & FrameworkFields)
  | ({ readonly kind: 'updateFramework'; readonly id: FrameworkId } & FrameworkFields)
  | { readonly kind: 'removeFramework'; readonly id: FrameworkId }
  | { readonly kind: 'activate'; readonly id: FrameworkId }
  | { readonly kind: 'deactivate'; readonly id: FrameworkId }
  | {
      readonly kind: 'setQuota';
      readonly role: RolePath;
      readonly guarantees: Resources;
      /** An absent name is unlimited; an explicit 0 forbids the resource. */
      readonly limits: Resources;
      /** The most that tasks of a tier may hold; judged when tasks are launched, offers are cut to what is left. */
      readonly tierLimits?: TierAmounts;
      /** Also below what is consumed. */
      readonly force?: boolean;
    }
  | { readonly kind: 'removeQuota'; readonly role: RolePath }
  | { readonly kind: 'setWeight'; readonly role: RolePath; readonly weightMilli: number }
  /** How the sub-roles and frameworks of this one role take turns; roles below keep their own way. */
  | { readonly kind: 'setSorter'; readonly role: RolePath; readonly sorter: Sorter }
  | ({ readonly kind: 'reserve' } & OnAgent & ReservedPart)
  | ({ readonly kind: 'unreserve' } & OnAgent & ReservedPart)
  | ({
      readonly kind: 'createVolume';
      readonly id: string;
      readonly sizeBytes: number;
      readonly shared: boolean;
      /** The reservation the disk is taken from; empty: unreserved disk. */
      readonly stack: readonly RolePath[];
      readonly reservationId?: string;
    } & OnAgent)
  | ({ readonly kind: 'destroyVolume'; readonly id: string } & OnAgent)
  | ({ readonly kind: 'resizeVolume'; readonly id: string; readonly sizeBytes: number } & OnAgent)
  /**
   * Gives back what is held; without `parts` everything that is offered. `refuseMs` > 0 leaves a filter.
   * `tier`: of the tasks that used it; absent: production's part first.
   */
  | ({
      readonly kind: 'recover';
      readonly parts?: Parts;
      readonly refuseMs?: number;
      readonly tier?: Tier;
    } & Holder)
  /** An offer nobody answered is taken back: as `recover`, and the framework is backed off for a while. */
  | ({ readonly kind: 'expire' } & Holder)
  /** Turns offered into used; without `parts` everything that is offered. `tier` absent: production. */
  | ({ readonly kind: 'use'; readonly parts?: Parts; readonly tier?: Tier } & Holder)
  /** Keeps free capacity (now or when it becomes free) for one framework and role; charged to them at once. */
  | ({ readonly kind: 'hold'; readonly parts: Parts } & Holder)
  /** Ends the holds of a framework and role on an agent. */
  | ({ readonly kind: 'unhold' } & Holder)
  | {
      readonly kind: 'suppress';
      readonly framework: FrameworkId;
      readonly roles?: readonly RolePath[];
    }
  | {
      readonly kind: 'revive';
      readonly framework: FrameworkId;
      readonly roles?: readonly RolePath[];
    }
  | {
      readonly kind: 'setUnavailability';
      readonly agent: AgentId;
      readonly unavailability?: Unavailability;
    }
  /** The framework answered an inverse offer; it is asked again after `refuseMs`. */
  | {
      readonly kind: 'answerInverseOffer';
      readonly framework: FrameworkId;
      readonly agent: AgentId;
      readonly refuseMs: number;
    }
  /** Only these agents take part; absent: all. */
  | { readonly kind: 'whitelist'; readonly agents?: readonly AgentId[] };

/** Names one outstanding offer: there is at most one per framework, role and agent and run. */
export interface OfferRef {
  readonly framework: FrameworkId;
  readonly role: RolePath;
  readonly agent: AgentId;
}

/** What became of an event. After a refusal nothing has changed. */
export type Applied =
  | { readonly kind: 'ok'; readonly rescinds: readonly OfferRef[] }
  | { readonly kind: 'refused'; readonly message: string };

/** Everything one framework gets in one role on one agent in one run. */
export interface EngineOffer extends OfferRef {
  readonly resources: Resources;
  readonly ports: PortRanges;
  readonly reserved: readonly ReservedPart[];
  readonly revocable: Resources;
  readonly volumes: readonly VolumePart[];
  /** The part of `resources` and `reserved` that was held for this framework and role. */
  readonly fromHold: Resources;
  readonly unavailability?: Unavailability;
}

export interface InverseOffer {
  readonly framework: FrameworkId;
  readonly agent: AgentId;
  readonly unavailability: Unavailability;
}

export interface EngineOptions {
  /** `mesos`: limits and guarantees bind top-level roles only and freed resources wait for the timer. */
  readonly mode: 'mezzo' | 'mesos';
  readonly minAllocatable: readonly Resources[];
  readonly fairnessExclude: readonly string[];
  /** Of the whole tree; `random` draws as Mesos does, over all levels at once, whatever single roles say. */
  readonly sorter: Sorter;
  /** `fairShare` caps an offer to what is still due to its receiver. */
  readonly offers: 'coarse' | 'fairShare';
  /** `bestFit`: fullest agent first. */
  readonly agentOrder: 'random' | 'bestFit';
  /** A filter lives at least this long, and until a run has seen it. */
  readonly allocationIntervalMs: number;
  /** Agents of another region are for REGION_AWARE frameworks only; an agent without a region is never remote. */
  readonly region?: string;
  /** A framework with an offer older than this, unanswered, gets no new ones; absent: never. */
  readonly hoardAfterMs?: number;
}

export interface RunOptions {
  readonly nowMs: number;
  /** Any integer; the same history and seed give the same offers. */
  readonly seed: number;
}

/** What one run decided. Offers come in the order in which they were decided. */
export interface EnginePlan {
  readonly offers: readonly EngineOffer[];
  readonly inverseOffers: readonly InverseOffer[];
}

/** A run that is carried out in pieces, so that its caller is never blocked for long. */
export interface RunInProgress {
  /** Works on about `agents` agents; true when the run is complete. */
  step(agents: number): boolean;
  /** The decisions so far. */
  plan(): EnginePlan;
}

/** Checks that only the engine knows, beside those of `HOLD_BACK_CHECKS`. */
export type EngineCheck =
  | HoldBackCheck
  | 'AgentNotListed'
  | 'RemoteRegion'
  | 'AgentLacksCapability'
  | 'HoardingOffers'
  | 'BackedOff'
  | 'NotInLastRun';

export interface EngineHeldBack {
  readonly check: EngineCheck;
  readonly agents: number;
  readonly nearest?: { readonly agent: AgentId; readonly shortfall: Resources };
}

/** Where a role stands; sub-roles included. */
export interface RoleFigures {
  readonly role: RolePath;
  readonly weightMilli: number;
  /** Parts per million of the cluster, before division by the weight. */
  readonly dominantSharePpm: number;
  readonly guarantees: Resources;
  readonly limits: Resources;
  /** Reservations, used or not, and unreserved non-revocable allocations. */
  readonly consumed: Resources;
  /** Tasks, offers and holds, non-revocable. */
  readonly allocated: Resources;
  readonly offered: Resources;
  readonly revocable: Resources;
  readonly reserved: Resources;
  /** What the role may still take under every limit that binds it; an absent name is unlimited. */
  readonly headroom: Resources;
  /** What tasks of each tier hold, and the role's own limits on it. */
  readonly tiers: readonly {
    readonly tier: Tier;
    readonly limits: Resources;
    readonly used: Resources;
  }[];
  /** Guarantees the whole cluster could not meet: guaranteed less capacity, per name; empty when it can. */
  readonly overCommitted: Resources;
}

/** A state that is allowed but wrong, with its numbers. */
export type LedgerCondition =
  | { readonly kind: 'AgentOverAllocated'; readonly agent: AgentId; readonly over: Resources }
  | { readonly kind: 'GuaranteesOverCapacity'; readonly over: Resources }
  | {
      readonly kind: 'LimitExceeded';
      readonly role: RolePath;
      /** Of a tier limit. */
      readonly tier?: Tier;
      readonly over: Resources;
    };

/**
 * The allocator as a long-lived ledger: events change it, runs decide offers and enter them.
 *
 * Guarantees: amounts on an agent never exceed its total unless an event said so; a refused event changes nothing.
 * Does not: keep time, send anything, or remember offers beyond their amounts.
 */
export interface AllocatorEngine {
  /** Enters one event. `nowMs` is the time of filters and back-offs. */
  apply(event: AllocatorEvent, nowMs: number): Applied;
  /** Makes every agent due: what the periodic timer does. */
  tick(): void;
  /** True when a run would look at something. */
  isDue(): boolean;
  /** When the next filter or back-off ends; undefined: none is waiting. */
  nextExpiryMs(): number | undefined;
  /** Runs over everything that is due, to the end. */
  allocate(run: RunOptions, deliver?: (offer: EngineOffer) => void): EnginePlan;
  /** Starts such a run; events are refused until it is complete. */
  begin(run: RunOptions, deliver?: (offer: EngineOffer) => void): RunInProgress;
  /** Why a framework was not offered agents in a role, by the rules as they stand after the last run. */
  why(framework: FrameworkId, role: RolePath): readonly EngineHeldBack[];
  roles(): readonly RoleFigures[];
  conditions(): readonly LedgerCondition[];
  /** Figures under Mesos's metric names, in Mesos's units (cpus, MB). */
  metrics(): Readonly<Record<string, number>>;
  /** The order a run with this seed would start with: roles, or the frameworks of one role. */
  order(role: RolePath | undefined, seed: number): readonly string[];
  /** What a framework holds on an agent in a role, offered and used. */
  held(holder: Holder): { readonly offered: Parts; readonly used: Parts };
  /** Recomputes every derived figure; a sentence per difference, none when the ledger is exact. */
  audit(): readonly string[];
}
