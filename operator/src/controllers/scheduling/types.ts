import type { RoleConstraints } from '../../allocator/offerConstraints.ts';
import type { TierMeter } from '../../allocator/tierCheck.ts';
import type { AgentId, FrameworkId, OfferId, RolePath, TaskId } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import type { InverseOffer } from '../../state/inverseOfferBook.ts';
import type { OutstandingOffer } from '../../state/offerBook.ts';

import type { OperationResult } from '../reservation/frameworkReservations.ts';
import type { ReservationOperation } from '../reservation/planOperation.ts';
import type { VolumeOperation } from '../reservation/planVolume.ts';

/**
 * The seam between the allocation cycle and the frameworks it serves: Mezzo's own job scheduler and
 * every external framework meet the same interface.
 */

/** Resources of one agent for one role, lent to one framework until it answers or the offer ends. */
export type Offer = OutstandingOffer;

/** What a framework tells the allocation cycle about itself. */
export interface FrameworkRegistration {
  readonly id: FrameworkId;
  readonly roles: readonly RolePath[];
  readonly suppressedRoles: readonly RolePath[];
  readonly capabilities: {
    readonly revocable: boolean;
    readonly gpu: boolean;
    /** May see shared volumes; absent: no. */
    readonly shared?: boolean;
  };
  /** Per role, the smallest offers worth making; an empty list takes any. Absent: the cycle's own. */
  readonly minAllocatableByRole?: Readonly<Record<string, readonly Resources[]>>;
  /** Per role, which agents may be offered at all. */
  readonly constraints?: Readonly<Record<string, RoleConstraints>>;
}

/** Called by the allocation cycle; none may throw, block or call back synchronously into `Scheduling`. */
export interface FrameworkCallbacks {
  onOffers(offers: readonly Offer[]): void;
  /** The offer is gone: taken back (quota, agent lost, preemption) or timed out. */
  onRescind(offer: OfferId): void;
  /** An agent on which the framework holds something will be away; the answer is recorded and binds nobody. */
  onInverseOffers?(offers: readonly InverseOffer[]): void;
  onRescindInverseOffer?(offer: OfferId): void;
  /** How an operation on reservations or volumes ended; when it is finished it is durable. */
  onOperation?(operation: string, result: OperationResult): void;
  /** The Pod of an accepted launch exists; it is in the cache unless it is gone again. */
  onLaunched?(task: TaskId): void;
  /** The Pod of an accepted launch could not be made; nothing runs and its resources are free again. */
  onLaunchFailed(task: TaskId, failure: LaunchFailure): void;
}

export interface LaunchFailure {
  readonly reason:
    | 'Forbidden'
    | 'Invalid'
    | 'QuotaExceeded'
    | 'AgentLost'
    | 'AlreadyExists'
    | 'Unavailable';
  readonly message: string;
}

/** One task to start on accepted resources. The Pod is complete but for `spec.nodeName` and the epoch annotation. */
export interface LaunchRequest {
  readonly task: TaskId;
  readonly resources: Resources;
  readonly revocable: Resources;
  readonly pod: Pod;
  /** Names of the persistent volumes it holds; `resources` includes those that are not shared. */
  readonly volumes?: readonly string[];
  /** User the Pod is created as; absent: the operator itself (Mezzo's own jobs). */
  readonly impersonate?: string;
  /**
   * What is done instead of creating the Pod, which stands in the ledger until that is over; resolves with what went
   * wrong. For a task that joins a Pod there is. Input: the Pod as it would have been made.
   */
  readonly instead?: (placed: Pod) => Promise<LaunchFailure | undefined>;
}

export type LaunchVerdict =
  | { readonly kind: 'launching'; readonly task: TaskId; readonly agent: AgentId }
  | {
      readonly kind: 'refused';
      readonly task: TaskId;
      readonly reason: 'NotEnoughOffered' | 'QuotaExceeded';
      readonly message: string;
    };

/** What a framework does with accepted offers; carried out in its order. */
export type OfferOperation =
  | { readonly kind: 'launch'; readonly launch: LaunchRequest }
  | ReservationOperation
  | VolumeOperation;

export type OperationVerdict =
  | LaunchVerdict
  /** The change is being written; `onOperation` tells how that ended. */
  | { readonly kind: 'reserving'; readonly operation: string }
  | {
      readonly kind: 'operationRefused';
      readonly operation: string;
      readonly message: string;
    };

export type PerformOutcome =
  | {
      readonly kind: 'accepted';
      readonly agent: AgentId;
      readonly role: RolePath;
      /** One per operation, in the same order. */
      readonly verdicts: readonly OperationVerdict[];
    }
  | { readonly kind: 'invalidOffers'; readonly message: string };

export type AcceptOutcome =
  | {
      readonly kind: 'accepted';
      readonly agent: AgentId;
      readonly role: RolePath;
      readonly launches: readonly LaunchVerdict[];
    }
  /** The whole call is void (an offer unknown, ended, another's, or of another agent or role); valid offers went back unfiltered. */
  | { readonly kind: 'invalidOffers'; readonly message: string };

/** The allocation cycle as frameworks use it. All methods return at once; effects follow asynchronously. */
export interface Scheduling {
  register(framework: FrameworkRegistration, callbacks: FrameworkCallbacks): void;
  /** Replaces roles and capabilities; offers of roles no longer listed are rescinded. */
  update(framework: FrameworkRegistration): void;
  /** Ends every outstanding offer without RESCIND (the stream is gone) and stops offering until `register` again. */
  unregister(framework: FrameworkId): void;
  /** Empty `roles` means all. */
  suppress(framework: FrameworkId, roles: readonly RolePath[]): void;
  /** Clears filters, lifts suppression, allocates at once. */
  revive(framework: FrameworkId, roles: readonly RolePath[]): void;
  /** Unknown ids are ignored. `refuseMs` 0 sets no filter. */
  decline(framework: FrameworkId, offers: readonly OfferId[], refuseMs: number): void;
  accept(
    framework: FrameworkId,
    offers: readonly OfferId[],
    launches: readonly LaunchRequest[],
    refuseMs: number,
  ): AcceptOutcome;
  /** As `accept`, with operations on reservations and volumes among the launches. */
  perform(
    framework: FrameworkId,
    offers: readonly OfferId[],
    operations: readonly OfferOperation[],
    refuseMs: number,
  ): PerformOutcome;
  outstanding(framework: FrameworkId): readonly Offer[];
  /** One of `outstanding`, without looking at the others. */
  offered(framework: FrameworkId, id: OfferId): Offer | undefined;
  /** What tasks of each tier hold now, for who chooses among tasks of several tiers; absent while no tier is limited. */
  tierMeter?(): TierMeter | undefined;
  /** Reservations by name, those on their way included: offers may lie in them already. */
  reservations(): ReadonlyMap<string, ReservationObject>;
  /** Unknown ids are ignored. The framework is not asked about the same agent again for `refuseMs`. */
  answerInverseOffers(
    framework: FrameworkId,
    offers: readonly OfferId[],
    answer: 'accepted' | 'declined',
    refuseMs: number,
  ): void;
}
