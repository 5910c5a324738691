import type { AgentId, OfferId, RolePath } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { RoleConsumption } from '../quotaCheck.ts';

export type TaskTier = 'production' | 'preemptible' | 'revocable';

/** A pending instance that fits nowhere. */
export interface PreemptionCandidate {
  readonly jobKey: string;
  readonly instance: number;
  readonly role: RolePath;
  readonly tier: TaskTier;
  readonly priority: number;
  readonly resources: Resources;
}

/** An agent that satisfies the candidate's constraints. */
export interface PreemptionAgent {
  readonly id: AgentId;
  readonly total: Resources;
  /**
   * `total` less every task (terminating ones included) and every outstanding offer, as far as the candidate's role may
   * use it. Holds for others are not subtracted here but given in `heldForOthers`.
   */
  readonly free: Resources;
  readonly heldForOthers: Resources;
  /** Outstanding offers that may be taken back; not those that came out of somebody's hold. */
  readonly rescindable: readonly RescindableOffer[];
}

export interface RescindableOffer {
  readonly offer: OfferId;
  readonly role: RolePath;
  readonly resources: Resources;
}

export interface RunningTask {
  readonly podKey: string;
  readonly uid: string;
  readonly agent: AgentId;
  readonly role: RolePath;
  readonly tier: TaskTier;
  readonly priority: number;
  /** Non-revocable amounts. */
  readonly resources: Resources;
  /** Never counted as reclaimed: it was not the victim's to begin with. */
  readonly revocable: Resources;
  /** The part of `resources` that goes back to a reservation when the task ends. */
  readonly reserved?: Resources;
  readonly startedAtMs: number;
  readonly jobKey: string;
  /** Being deleted: never a victim, and what it holds will be free soon. */
  readonly terminating: boolean;
}

export interface PreemptionInput {
  readonly candidate: PreemptionCandidate;
  readonly agents: readonly PreemptionAgent[];
  readonly tasks: readonly RunningTask[];
  /** From `consumptionOf`, outstanding offers left out: they can be taken back, so they use up no limit here. */
  readonly quota: RoleConsumption;
}

/** Which rule allows it: the candidate's tier is above the victims', or its priority within one role. */
export type PreemptionRule = 'TierAboveVictims' | 'PriorityWithinRole';

/** Write it to status, then take the offers back, delete the victims and hold `candidate.resources` for the candidate. */
export interface PreemptionPlan {
  readonly kind: 'preempt';
  readonly agent: AgentId;
  /** Empty when taking offers back is enough. */
  readonly victims: readonly RunningTask[];
  readonly rescind: readonly OfferId[];
  /** What the victims give back that the candidate's role may use. */
  readonly freed: Resources;
  /** Freed beyond need, in parts per million of the agent, summed over resource names. */
  readonly surplusPpm: number;
  /** Absent without victims. */
  readonly rule?: PreemptionRule;
}

/** Named for the fault, from the mildest to the worst. */
export const PREEMPTION_FAULTS = [
  'FitsWithoutPreemption',
  'PendingRelease',
  'LimitReached',
  'TooManyVictims',
  'VictimsNotEnough',
  'NoEligibleVictims',
  'AgentTooSmall',
  'RevocableCandidate',
] as const;
export type PreemptionFault = (typeof PREEMPTION_FAULTS)[number];

export interface NoPreemption {
  readonly kind: 'none';
  /** In the order of `PREEMPTION_FAULTS`; each agent counts once. */
  readonly reasons: readonly {
    readonly check: PreemptionFault;
    readonly agents: number;
    readonly nearest?: AgentId;
  }[];
}
