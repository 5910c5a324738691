import { allocate } from '../../allocator/allocate.ts';
import type {
  AgentReservation,
  AllocateOptions,
  AllocationCount,
  AllocationPlan,
  AllocatorSnapshot,
  OfferFilter,
} from '../../allocator/types.ts';
import type { AgentId, FrameworkId, OfferId, RolePath } from '../../model/ids.ts';
import { fits, isEmpty, type Resources, subtract, sumOf } from '../../model/resources.ts';
import type { CancelTimer, Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';
import {
  emptyOfferBook,
  type OfferBook,
  type OfferEnd,
  type OfferEvent,
  type OfferStep,
  type RefusedOffer,
  stepOfferBook,
} from '../../state/offerBook.ts';
import type { CapacityHold } from '../job/decideMatch.ts';
import type { Launcher } from '../task/launcher.ts';
import type { World } from '../world.ts';
import { overdrawnOffers } from './overdrawn.ts';
import { placedPod } from './placedPod.ts';
import { type GatheredSnapshot, gatherSnapshot } from './snapshot.ts';
import type {
  AcceptOutcome,
  FrameworkCallbacks,
  FrameworkRegistration,
  LaunchRequest,
  LaunchVerdict,
  Offer,
  Scheduling,
} from './types.ts';

export interface SchedulingOptions {
  readonly world: World;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly epoch: () => number;
  /** False while this process may not act: no cycle runs. */
  readonly mayAct: () => boolean;
  readonly holds: () => readonly CapacityHold[];
  readonly reservations: () => ReadonlyMap<string, readonly AgentReservation[]>;
  readonly inMaintenance: () => ReadonlySet<string>;
  readonly batchMs: number;
  readonly safetyNetMs: number;
  readonly offerTimeoutMs: number;
  readonly allocate: Omit<AllocateOptions, 'nowMs' | 'seed'>;
}

/** The allocation cycle with what the rest of the operator asks of it beyond `Scheduling`. */
export interface SchedulingLoop extends Scheduling {
  start(): void;
  stop(): void;
  /** Something that matters changed: a cycle runs within `batchMs`. */
  trigger(): void;
  /** Ends offers and tells their frameworks. */
  rescind(offers: readonly OfferId[]): void;
  offers(): readonly Offer[];
  /** The present state as the allocator would see it now. */
  snapshot(): GatheredSnapshot;
  /** Of the last cycle; undefined before the first. */
  lastPlan(): AllocationPlan | undefined;
}

/** A filter longer than a year is one of a year. Source: Mesos `Filters.refuse_seconds`. */
const MAX_REFUSE_MS = 31_536_000_000;

interface Member {
  registration: FrameworkRegistration;
  readonly callbacks: FrameworkCallbacks;
  suppressed: Set<RolePath>;
}

export function createScheduling(options: SchedulingOptions): SchedulingLoop {
  return new AllocationLoop(options);
}

class AllocationLoop implements SchedulingLoop {
  readonly #options: SchedulingOptions;
  readonly #members = new Map<FrameworkId, Member>();
  /** Made when the first cycle runs: only then is the epoch known. */
  #book: OfferBook | undefined;
  #filters: OfferFilter[] = [];
  #counts: readonly AllocationCount[] = [];
  #plan: AllocationPlan | undefined;
  #cycle = 0;
  #batch: CancelTimer | undefined;
  #net: CancelTimer | undefined;
  #running = false;

  constructor(options: SchedulingOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = true;
    this.trigger();
  }

  stop(): void {
    this.#running = false;
    this.#batch?.();
    this.#net?.();
  }

  trigger(): void {
    if (!this.#running || this.#batch !== undefined) return;
    this.#batch = this.#options.clock.setTimer(this.#options.batchMs, () => this.#run());
  }

  register(registration: FrameworkRegistration, callbacks: FrameworkCallbacks): void {
    const suppressed = new Set(registration.suppressedRoles);
    this.#members.set(registration.id, { registration, callbacks, suppressed });
    this.trigger();
  }

  update(registration: FrameworkRegistration): void {
    const member = this.#members.get(registration.id);
    if (member === undefined) return;
    member.registration = registration;
    member.suppressed = new Set(registration.suppressedRoles);
    const dropped = this.outstanding(registration.id).filter(
      (one) => !registration.roles.includes(one.role),
    );
    this.rescind(dropped.map((one) => one.id));
    this.trigger();
  }

  unregister(framework: FrameworkId): void {
    this.#step({ kind: 'removeFramework', framework });
    this.#filters = this.#filters.filter((filter) => filter.framework !== framework);
    this.#members.delete(framework);
    this.trigger();
  }

  suppress(framework: FrameworkId, roles: readonly RolePath[]): void {
    const member = this.#members.get(framework);
    for (const role of this.#rolesOf(member, roles)) member?.suppressed.add(role);
  }

  revive(framework: FrameworkId, roles: readonly RolePath[]): void {
    const member = this.#members.get(framework);
    const revived = new Set(this.#rolesOf(member, roles));
    for (const role of revived) member?.suppressed.delete(role);
    this.#filters = this.#filters.filter(
      (one) => one.framework !== framework || !revived.has(one.role),
    );
    this.trigger();
  }

  decline(framework: FrameworkId, ids: readonly OfferId[], refuseMs: number): void {
    const { ended } = this.#step({ kind: 'decline', framework, ids });
    for (const { offer } of ended) this.#refuse(offer, offer.resources, offer.revocable, refuseMs);
    if (ended.length > 0) this.#options.metrics.offer('declined', framework, ended.length);
    this.trigger();
  }

  accept(
    framework: FrameworkId,
    ids: readonly OfferId[],
    launches: readonly LaunchRequest[],
    refuseMs: number,
  ): AcceptOutcome {
    this.trigger();
    const { ended, refused } = this.#step({ kind: 'accept', framework, ids });
    const offers = ended.map((one) => one.offer);
    const first = offers[0];
    if (first === undefined) {
      // Offers that are still valid go back without a filter. Source: Mesos `Master::accept`.
      this.#step({ kind: 'decline', framework, ids });
      return { kind: 'invalidOffers', message: refusalSentence(refused[0]) };
    }
    this.#options.metrics.offer('accepted', framework, offers.length);
    const pool = {
      resources: sumOf(offers.map((one) => one.resources)),
      revocable: sumOf(offers.map((one) => one.revocable)),
      reserved: sumOf(offers.map((one) => one.reserved)),
    };
    const verdicts = launches.map((launch) => this.#launch(framework, first.agent, pool, launch));
    this.#refuse(first, pool.resources, pool.revocable, refuseMs);
    return { kind: 'accepted', agent: first.agent, role: first.role, launches: verdicts };
  }

  rescind(ids: readonly OfferId[]): void {
    this.#takeBack({ kind: 'rescind', ids }, 'rescinded');
    if (ids.length > 0) this.trigger();
  }

  outstanding(framework: FrameworkId): readonly Offer[] {
    return this.offers().filter((offer) => offer.framework === framework);
  }

  offers(): readonly Offer[] {
    return [...(this.#book?.offers.values() ?? [])];
  }

  lastPlan(): AllocationPlan | undefined {
    return this.#plan;
  }

  snapshot(): GatheredSnapshot {
    const { options, nowMs } = { options: this.#options, nowMs: this.#options.clock.nowMs() };
    return gatherSnapshot({
      world: options.world,
      assumed: options.launcher.assumed(),
      offers: this.offers(),
      holds: options.holds(),
      reservations: options.reservations(),
      inMaintenance: options.inMaintenance(),
      frameworks: [...this.#members.values()].map((member) => ({
        id: member.registration.id,
        roles: member.registration.roles,
        suppressedRoles: [...member.suppressed],
        active: true,
        capabilities: member.registration.capabilities,
      })),
      filters: this.#filters,
      counts: this.#counts,
      nowMs,
    });
  }

  #run(): void {
    this.#batch = undefined;
    this.#cycleOnce();
    this.#net?.();
    this.#net = this.#options.clock.setTimer(this.#untilNextExpiry(), () => this.trigger());
  }

  #cycleOnce(): void {
    if (!this.#options.mayAct()) return;
    const startedMs = this.#options.clock.monotonicMs();
    const nowMs = this.#options.clock.nowMs();
    this.#filters = this.#filters.filter((filter) => filter.untilMs > nowMs);
    const timeoutMs = this.#options.offerTimeoutMs;
    // Offers nobody answered go back: a silent framework must not starve the others.
    this.#takeBack({ kind: 'expire', nowMs: startedMs, timeoutMs }, 'expired');
    const overdrawn = overdrawnOffers(this.snapshot().snapshot, this.offers());
    this.#takeBack({ kind: 'rescind', ids: overdrawn.map((one) => one.id) }, 'rescinded');
    this.#offerTo(this.snapshot().snapshot, nowMs);
    const tookMs = this.#options.clock.monotonicMs() - startedMs;
    this.#options.metrics.allocationCycle(tookMs, this.#plan?.offers.length ?? 0);
  }

  /** Time until the first filter or offer runs out, and never longer than the safety net. */
  #untilNextExpiry(): number {
    const { clock, safetyNetMs, offerTimeoutMs } = this.#options;
    const nowMs = clock.nowMs();
    const monotonicMs = clock.monotonicMs();
    let untilMs = safetyNetMs;
    for (const filter of this.#filters) untilMs = Math.min(untilMs, filter.untilMs - nowMs);
    for (const offer of this.offers()) {
      untilMs = Math.min(untilMs, offer.issuedAtMs + offerTimeoutMs - monotonicMs);
    }
    return Math.max(untilMs, 1);
  }

  #offerTo(snapshot: AllocatorSnapshot, nowMs: number): void {
    this.#cycle += 1;
    const plan = allocate(snapshot, { ...this.#options.allocate, nowMs, seed: this.#cycle });
    this.#plan = plan;
    this.#counts = plan.counts;
    const step = this.#step({
      kind: 'issue',
      offers: plan.offers,
      nowMs: this.#options.clock.monotonicMs(),
    });
    const issued = Map.groupBy(step.issued, (offer) => offer.framework);
    for (const [framework, offers] of issued) {
      this.#options.metrics.offer('sent', framework, offers.length);
      this.#members.get(framework)?.callbacks.onOffers(offers);
    }
  }

  #step(event: OfferEvent): OfferStep {
    this.#book ??= emptyOfferBook(this.#options.epoch());
    const step = stepOfferBook(this.#book, event);
    this.#book = step.book;
    return step;
  }

  /** Ends offers from our side and tells their frameworks. */
  #takeBack(event: OfferEvent, how: OfferEnd & ('rescinded' | 'expired')): void {
    for (const { offer } of this.#step(event).ended) {
      this.#options.metrics.offer(how, offer.framework, 1);
      this.#members.get(offer.framework)?.callbacks.onRescind(offer.id);
    }
  }

  #launch(
    framework: FrameworkId,
    agent: AgentId,
    pool: { resources: Resources; revocable: Resources; reserved: Resources },
    launch: LaunchRequest,
  ): LaunchVerdict {
    if (!fits(launch.resources, pool.resources) || !fits(launch.revocable, pool.revocable)) {
      const message = `task ${launch.task} asks for more than is left of the accepted offers on ${agent}`;
      return { kind: 'refused', task: launch.task, reason: 'NotEnoughOffered', message };
    }
    const placed = placedPod(launch, agent, pool.reserved);
    pool.resources = subtract(pool.resources, launch.resources);
    pool.revocable = subtract(pool.revocable, launch.revocable);
    pool.reserved = subtract(pool.reserved, placed.reserved);
    this.#options.launcher.launch(
      { task: launch.task, pod: placed.pod, impersonate: launch.impersonate },
      (result) => {
        this.#options.metrics.launch(result.kind);
        const callbacks = this.#members.get(framework)?.callbacks;
        if (result.kind === 'failed') callbacks?.onLaunchFailed(launch.task, result.failure);
        if (result.kind === 'created') callbacks?.onLaunched?.(launch.task);
        this.trigger();
      },
    );
    return { kind: 'launching', task: launch.task, agent };
  }

  /** Remembers what a framework does not want, so that it is offered to others first. */
  #refuse(offer: Offer, refused: Resources, refusedRevocable: Resources, refuseMs: number): void {
    if (refuseMs <= 0 || (isEmpty(refused) && isEmpty(refusedRevocable))) return;
    const untilMs = this.#options.clock.nowMs() + Math.min(refuseMs, MAX_REFUSE_MS);
    const { framework, role, agent } = offer;
    // A filter that the new one covers is dropped, so that there are never more than distinct refusals.
    this.#filters = this.#filters.filter(
      (one) =>
        one.framework !== framework ||
        one.role !== role ||
        one.agent !== agent ||
        one.untilMs > untilMs ||
        !fits(one.refused, refused) ||
        !fits(one.refusedRevocable, refusedRevocable),
    );
    this.#filters.push({ framework, role, agent, refused, refusedRevocable, untilMs });
  }

  #rolesOf(member: Member | undefined, roles: readonly RolePath[]): readonly RolePath[] {
    if (member === undefined) return [];
    // A call that names a role the framework does not have is dropped whole. Source: Mesos `Master::suppress`.
    if (roles.some((role) => !member.registration.roles.includes(role))) return [];
    return roles.length === 0 ? member.registration.roles : roles;
  }
}

function refusalSentence(refused: RefusedOffer | undefined): string {
  if (refused === undefined) return 'the call names no offer';
  switch (refused.why) {
    case 'OfferUnknown':
      return `offer ${refused.id} is no longer valid`;
    case 'OtherFramework':
      return `offer ${refused.id} was made to another framework`;
    case 'OtherAgent':
      return `offer ${refused.id} is of another agent than the first`;
    case 'OtherRole':
      return `offer ${refused.id} is of another role than the first`;
    case 'Repeated':
      return `offer ${refused.id} is named twice`;
  }
}
