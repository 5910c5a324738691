import { allocate } from '../../allocator/allocate.ts';
import type { AllocationCount, AllocationPlan, AllocatorSnapshot } from '../../allocator/types.ts';
import type { FrameworkId, OfferId, RolePath } from '../../model/ids.ts';
import { isEmpty, type Resources } from '../../model/resources.ts';
import type { CancelTimer } from '../../ports/clock.ts';
import type { Node } from '../../schema/kubeObjects.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import type { InverseAnswerRow } from '../../state/inverseOfferBook.ts';
import {
  emptyOfferBook,
  type OfferBook,
  type OfferEnd,
  type OfferEvent,
  type OfferStep,
  type OutstandingOffer,
  refusalSentence,
  refusedOffers,
  stepOfferBook,
  type Unavailability,
} from '../../state/offerBook.ts';
import { decideRescinds } from './decideRescinds.ts';
import { Hoarders } from './hoarders.ts';
import { InverseOffers } from './inverseOffers.ts';
import { Members } from './members.ts';
import { OfferFilters } from './offerFilters.ts';
import { Operations } from './operations.ts';
import type { SchedulingOptions } from './schedulingOptions.ts';
import {
  type AgentFigures,
  type AgentSources,
  type GatheredSnapshot,
  gatherAgent,
  gatherSnapshot,
} from './snapshot.ts';
import type {
  AcceptOutcome,
  FrameworkCallbacks,
  FrameworkRegistration,
  LaunchRequest,
  Offer,
  OfferOperation,
  PerformOutcome,
  Scheduling,
} from './types.ts';

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
  /** What `snapshot` says of one node, without looking at the others. */
  agent(node: Node): AgentFigures;
  /** Of the last cycle; undefined before the first. */
  lastPlan(): AllocationPlan | undefined;
  /** What frameworks said to inverse offers. */
  inverseAnswers(): readonly InverseAnswerRow[];
}

/** A filter longer than a year is one of a year. Source: Mesos `Filters.refuse_seconds`. */
const MAX_REFUSE_MS = 31_536_000_000;
/** Changes that come together are answered together, even when no cycle ran lately. */
const SHORTEST_BATCH_MS = 1;

export function createScheduling(options: SchedulingOptions): SchedulingLoop {
  return new AllocationLoop(options);
}

class AllocationLoop implements SchedulingLoop {
  readonly #options: SchedulingOptions;
  readonly #members = new Members();
  readonly #filters = new OfferFilters();
  readonly #hoarders: Hoarders;
  readonly #inverse: InverseOffers;
  readonly #operations: Operations;
  /** Made when the first cycle runs: only then is the epoch known. */
  #book: OfferBook | undefined;
  #counts: readonly AllocationCount[] = [];
  #plan: AllocationPlan | undefined;
  /** What the last cycle looked at. */
  #before: AllocatorSnapshot | undefined;
  #cycle = 0;
  #batch: CancelTimer | undefined;
  #net: CancelTimer | undefined;
  #running = false;
  #restUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: SchedulingOptions) {
    this.#options = options;
    const { clock, epoch, offerTimeoutMs: timeoutMs } = options;
    this.#hoarders = new Hoarders(timeoutMs);
    const members = this.#members;
    this.#inverse = new InverseOffers({ clock, epoch, timeoutMs, members });
    this.#operations = new Operations({ ...options, members, onDone: () => this.trigger() });
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
    const delayMs = Math.max(SHORTEST_BATCH_MS, this.#restUntilMs - this.#nowMs());
    this.#batch = this.#options.clock.setTimer(delayMs, () => this.#run());
  }

  register(registration: FrameworkRegistration, callbacks: FrameworkCallbacks): void {
    this.#members.add(registration, callbacks);
    this.#hoarders.forget(registration.id);
    this.trigger();
  }

  update(registration: FrameworkRegistration): void {
    if (!this.#members.replace(registration)) return;
    const dropped = this.outstanding(registration.id).filter(
      (one) => !registration.roles.includes(one.role),
    );
    this.rescind(dropped.map((one) => one.id));
    this.trigger();
  }

  unregister(framework: FrameworkId): void {
    this.#step({ kind: 'removeFramework', framework });
    this.#inverse.forget(framework);
    this.#filters.clear(framework);
    this.#hoarders.forget(framework);
    this.#members.remove(framework);
    this.trigger();
  }

  suppress(framework: FrameworkId, roles: readonly RolePath[]): void {
    this.#members.suppress(framework, roles);
  }

  revive(framework: FrameworkId, roles: readonly RolePath[]): void {
    this.#filters.clear(framework, this.#members.revive(framework, roles));
    this.trigger();
  }

  decline(framework: FrameworkId, ids: readonly OfferId[], refuseMs: number): void {
    const ended = this.#answer({ kind: 'decline', framework, ids }, 'declined');
    for (const offer of ended) this.#refuse(offer, offer.resources, offer.revocable, refuseMs);
    this.trigger();
  }

  accept(
    framework: FrameworkId,
    ids: readonly OfferId[],
    launches: readonly LaunchRequest[],
    refuseMs: number,
  ): AcceptOutcome {
    const operations = launches.map((launch) => ({ kind: 'launch' as const, launch }));
    const outcome = this.perform(framework, ids, operations, refuseMs);
    if (outcome.kind === 'invalidOffers') return outcome;
    const { verdicts, ...accepted } = outcome;
    return {
      ...accepted,
      launches: verdicts.flatMap((one) =>
        one.kind === 'launching' || one.kind === 'refused' ? [one] : [],
      ),
    };
  }

  perform(
    framework: FrameworkId,
    ids: readonly OfferId[],
    operations: readonly OfferOperation[],
    refuseMs: number,
  ): PerformOutcome {
    this.trigger();
    const [fault] = refusedOffers(this.#bookNow(), framework, ids);
    if (fault !== undefined || ids.length === 0) {
      // Offers that are still valid go back without a filter. Source: Mesos `Master::accept`.
      this.#answer({ kind: 'decline', framework, ids }, 'declined');
      return { kind: 'invalidOffers', message: refusalSentence(fault) };
    }
    const offers = this.#answer({ kind: 'accept', framework, ids }, 'accepted');
    const first = offers[0] as OutstandingOffer;
    const { agent, role } = first;
    const { verdicts, left } = this.#operations.carryOut(framework, offers, operations);
    // A filter knows amounts only: it would hold back what the call has just reserved, which has none in Mesos.
    const hasReserved = verdicts.some((one) => one.kind === 'reserving');
    this.#refuse(first, left.resources, left.revocable, hasReserved ? 0 : refuseMs);
    return { kind: 'accepted', agent, role, verdicts };
  }

  answerInverseOffers(
    framework: FrameworkId,
    ids: readonly OfferId[],
    answer: 'accepted' | 'declined',
    refuseMs: number,
  ): void {
    this.#inverse.answer(framework, ids, answer, Math.min(refuseMs, MAX_REFUSE_MS));
    this.trigger();
  }

  inverseAnswers(): readonly InverseAnswerRow[] {
    return this.#inverse.answers();
  }

  rescind(ids: readonly OfferId[]): void {
    this.#takeBack({ kind: 'rescind', ids }, 'rescinded');
    if (ids.length > 0) this.trigger();
  }

  outstanding(framework: FrameworkId): readonly Offer[] {
    return [...(this.#book?.byFramework.get(framework)?.values() ?? [])];
  }

  offered(framework: FrameworkId, id: OfferId): Offer | undefined {
    return this.#book?.byFramework.get(framework)?.get(id);
  }

  reservations(): ReadonlyMap<string, ReservationObject> {
    return this.#options.frameworkReservations.current();
  }

  offers(): readonly Offer[] {
    return [...(this.#book?.offers.values() ?? [])];
  }

  lastPlan(): AllocationPlan | undefined {
    return this.#plan;
  }

  snapshot(): GatheredSnapshot {
    return gatherSnapshot({
      ...this.#onAgents(),
      holds: this.#options.holds(),
      frameworks: this.#members.forAllocator((id) => this.#hoarders.isBackedOff(id, this.#nowMs())),
      filters: this.#filters.list(),
      counts: this.#counts,
    });
  }

  agent(node: Node): AgentFigures {
    return gatherAgent(this.#onAgents(), node);
  }

  #onAgents(): AgentSources {
    const { world, launcher, clock, ...options } = this.#options;
    return {
      world,
      assumed: launcher.assumed(),
      offers: this.#book?.offers.values() ?? [],
      reservations: options.reservations(),
      inMaintenance: options.inMaintenance(),
      nowMs: clock.nowMs(),
    };
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #run(): void {
    this.#batch = undefined;
    const startedMs = this.#nowMs();
    this.#cycleOnce(startedMs);
    const endedMs = this.#nowMs();
    // The next batch is at least as long as this cycle took: half of the time stays for everything else.
    this.#restUntilMs = Math.max(startedMs + this.#options.batchMs, 2 * endedMs - startedMs);
    this.#net?.();
    this.#net = this.#options.clock.setTimer(this.#untilNextExpiry(), () => this.trigger());
  }

  #cycleOnce(startedMs: number): void {
    const { mayAct, clock, metrics, offerTimeoutMs: timeoutMs } = this.#options;
    if (!mayAct()) return;
    this.#filters.expire(clock.nowMs());
    // Offers nobody answered go back: a silent framework must not starve the others.
    const expired = this.#takeBack({ kind: 'expire', nowMs: startedMs, timeoutMs }, 'expired');
    this.#noteSilence(expired, startedMs);
    const unavailable = this.#options.unavailable();
    let gathered = this.snapshot();
    if (this.#rescindHarmful(gathered.snapshot, unavailable)) gathered = this.snapshot();
    this.#before = gathered.snapshot;
    this.#offerTo(gathered.snapshot, unavailable);
    this.#inverse.refresh(unavailable, () => [...gathered.ledger.tasks, ...this.offers()]);
    metrics.allocationCycle(this.#nowMs() - startedMs, this.#plan?.offers.length ?? 0);
    const oldestMs = this.offers().reduce(
      (least, one) => Math.min(least, one.issuedAtMs),
      Infinity,
    );
    metrics.oldestOffer(Math.max(0, startedMs - oldestMs));
  }

  /** Time until the first filter, back-off or offer runs out, and never longer than the safety net. */
  #untilNextExpiry(): number {
    const { clock, safetyNetMs, offerTimeoutMs } = this.#options;
    const monotonicMs = this.#nowMs();
    let untilMs = Math.min(
      safetyNetMs,
      this.#filters.firstEndMs() - clock.nowMs(),
      this.#hoarders.firstEndMs(monotonicMs) - monotonicMs,
      this.#inverse.nextLookMs() - monotonicMs,
    );
    for (const offer of this.offers()) {
      untilMs = Math.min(untilMs, offer.issuedAtMs + offerTimeoutMs - monotonicMs);
    }
    return Math.max(untilMs, 1);
  }

  #noteSilence(expired: readonly OutstandingOffer[], nowMs: number): void {
    for (const [framework, offers] of Map.groupBy(expired, (offer) => offer.framework)) {
      const oldestMs = Math.min(...offers.map((offer) => offer.issuedAtMs));
      const backOff = this.#hoarders.timedOut(framework, oldestMs, nowMs);
      if (backOff === undefined) continue;
      this.#options.metrics.backOff(framework);
      this.#options.onBackOff(backOff);
    }
  }

  /** True when an offer was taken back. */
  #rescindHarmful(
    snapshot: AllocatorSnapshot,
    unavailable: ReadonlyMap<string, Unavailability>,
  ): boolean {
    const { mode } = this.#options.allocate;
    const [before, offers] = [this.#before, this.offers()];
    const rescinds = decideRescinds({ snapshot, before, offers, unavailable, mode });
    for (const { reason } of rescinds) this.#options.metrics.rescind(reason);
    const ids = rescinds.map((one) => one.offer.id);
    this.#takeBack({ kind: 'rescind', ids }, 'rescinded');
    return ids.length > 0;
  }

  #offerTo(snapshot: AllocatorSnapshot, unavailable: ReadonlyMap<string, Unavailability>): void {
    this.#cycle += 1;
    const nowMs = this.#options.clock.nowMs();
    const plan = allocate(snapshot, { ...this.#options.allocate, nowMs, seed: this.#cycle });
    this.#plan = plan;
    this.#counts = plan.counts;
    const offers = plan.offers.map((offer) => {
      const unavailability = unavailable.get(offer.agent);
      return unavailability === undefined ? offer : { ...offer, unavailability };
    });
    const step = this.#step({ kind: 'issue', offers, nowMs: this.#nowMs() });
    for (const [framework, issued] of Map.groupBy(step.issued, (offer) => offer.framework)) {
      this.#options.metrics.offer('sent', framework, issued.length);
      this.#members.callbacks(framework)?.onOffers(issued);
    }
  }

  #bookNow(): OfferBook {
    this.#book ??= emptyOfferBook(this.#options.epoch());
    return this.#book;
  }

  #step(event: OfferEvent): OfferStep {
    const step = stepOfferBook(this.#bookNow(), event);
    for (const { offer, end } of step.ended)
      this.#options.metrics.offerAge(end, this.#nowMs() - offer.issuedAtMs);
    return step;
  }

  /** Ends offers by an answer of their framework; that it answers at all counts too. */
  #answer(
    event: Extract<OfferEvent, { kind: 'accept' | 'decline' }>,
    how: 'accepted' | 'declined',
  ): readonly OutstandingOffer[] {
    const ended = this.#step(event).ended.map((one) => one.offer);
    if (ended.length === 0) return ended;
    this.#hoarders.answered(event.framework, this.#nowMs());
    this.#options.metrics.offer(how, event.framework, ended.length);
    return ended;
  }

  /** Ends offers from our side and tells their frameworks. */
  #takeBack(
    event: OfferEvent,
    how: OfferEnd & ('rescinded' | 'expired'),
  ): readonly OutstandingOffer[] {
    const ended = this.#step(event).ended.map((one) => one.offer);
    for (const offer of ended) {
      this.#options.metrics.offer(how, offer.framework, 1);
      this.#members.callbacks(offer.framework)?.onRescind(offer.id);
    }
    return ended;
  }

  /** Remembers what a framework does not want, so that it is offered to others first. */
  #refuse(offer: Offer, refused: Resources, refusedRevocable: Resources, refuseMs: number): void {
    if (refuseMs <= 0 || (isEmpty(refused) && isEmpty(refusedRevocable))) return;
    const untilMs = this.#options.clock.nowMs() + Math.min(refuseMs, MAX_REFUSE_MS);
    const { framework, role, agent } = offer;
    this.#filters.add({ framework, role, agent, refused, refusedRevocable, untilMs });
  }
}
