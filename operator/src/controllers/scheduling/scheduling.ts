import type { TierMeter } from '../../allocator/tierCheck.ts';
import type { AllocationPlan, AllocatorFramework } from '../../allocator/types.ts';
import { agentId, type FrameworkId, type OfferId, type RolePath } from '../../model/ids.ts';
import { isEmpty, type Resources } from '../../model/resources.ts';
import { type CancelTimer, sleep } from '../../ports/clock.ts';
import type { Node } from '../../schema/kubeObjects.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import type { InverseAnswerRow } from '../../state/inverseOfferBook.ts';
import { type OutstandingOffer, refusalSentence } from '../../state/offerBook.ts';
import type { CapacityHold } from '../job/decideMatch.ts';
import { roleTableOf } from '../role/roleTable.ts';
import { AllocationCycle } from './allocationCycle.ts';
import { Hoarders } from './hoarders.ts';
import { InverseOffers } from './inverseOffers.ts';
import { Members } from './members.ts';
import { AgentMirror } from './mirror/agentMirror.ts';
import { Gathered } from './mirror/gathered.ts';
import { LedgerDriver } from './mirror/ledgerDriver.ts';
import { OfferDesk } from './offerDesk.ts';
import { Operations } from './operations.ts';
import type { SchedulingOptions } from './schedulingOptions.ts';
import { type AgentFigures, type GatheredSnapshot, openHoldsNow } from './snapshot.ts';
import { TierGate } from './tierGate.ts';
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
  /** Those of these holds whose instance does not run yet. */
  unspent(holds: readonly CapacityHold[]): readonly CapacityHold[];
  /** Compares what the allocator is kept up to date with to the world; resolves with what differs. Mends it, too. */
  audit(): Promise<readonly string[]>;
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
  readonly #hoarders: Hoarders;
  readonly #inverse: InverseOffers;
  readonly #operations: Operations;
  readonly #tiers: TierGate;
  readonly #desk: OfferDesk;
  readonly #mirror: AgentMirror;
  readonly #gathered: Gathered;
  readonly #driver: LedgerDriver;
  readonly #cycle: AllocationCycle;
  /** Frameworks that are offered nothing for a while. */
  readonly #backedOff = new Set<FrameworkId>();
  /** The cycle under way. */
  #steps: Generator<void, void> | undefined;
  #busyMs = 0;
  /** Something changed that the cycle under way may not have seen. */
  #isAgain = false;
  #batch: CancelTimer | undefined;
  #net: CancelTimer | undefined;
  #running = false;
  #restUntilMs = Number.NEGATIVE_INFINITY;

  constructor(options: SchedulingOptions) {
    this.#options = options;
    const { clock, epoch, offerTimeoutMs: timeoutMs, world, launcher, metrics } = options;
    const members = this.#members;
    this.#hoarders = new Hoarders(timeoutMs);
    this.#inverse = new InverseOffers({ clock, epoch, timeoutMs, members });
    this.#tiers = new TierGate({ world, assumed: () => launcher.assumed() });
    const onDone = (): void => this.trigger();
    this.#operations = new Operations({ ...options, members, tiers: this.#tiers, onDone });
    this.#desk = new OfferDesk({
      epoch,
      metrics,
      nowMs: () => this.#nowMs(),
      tellRescind: ({ framework, id }) => members.callbacks(framework)?.onRescind(id),
      onEnd: (agent) => this.#mirror.mark(agent),
    });
    const desk = this.#desk;
    const mirror = new AgentMirror({ ...options, offersOn: (agent) => desk.onAgent(agent) });
    this.#mirror = mirror;
    this.#gathered = new Gathered(mirror);
    this.#driver = new LedgerDriver({
      mirror,
      allocate: options.allocate,
      specs: () => roleTableOf(world.roles.list(), world.quotas.list()).specs,
      framework: (id) => this.#member(id),
      takeFrameworks: () => this.#takeFrameworks(),
      allFrameworks: () => members.ids(),
    });
    const [hoarders, inverse, driver] = [this.#hoarders, this.#inverse, this.#driver];
    const snapshot = () => this.snapshot().snapshot;
    const parts = { options, members, hoarders, inverse, desk, mirror, driver, snapshot };
    this.#cycle = new AllocationCycle(parts);
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
    if (!this.#running) return;
    if (this.#steps !== undefined) this.#isAgain = true;
    if (this.#batch !== undefined || this.#steps !== undefined) return;
    const delayMs = Math.max(SHORTEST_BATCH_MS, this.#restUntilMs - this.#nowMs());
    this.#batch = this.#options.clock.setTimer(delayMs, () => this.#run());
  }

  register(registration: FrameworkRegistration, callbacks: FrameworkCallbacks): void {
    this.#members.add(registration, callbacks);
    this.#hoarders.forget(registration.id);
    this.trigger();
  }

  update(registration: FrameworkRegistration): void {
    const unsuppressed = this.#members.replace(registration);
    if (unsuppressed === undefined) return;
    this.#driver.clearRefusals(registration.id, unsuppressed);
    const dropped = this.outstanding(registration.id).filter(
      (one) => !registration.roles.includes(one.role),
    );
    this.rescind(dropped.map((one) => one.id));
    this.trigger();
  }

  unregister(framework: FrameworkId): void {
    this.#desk.drop(framework);
    this.#inverse.forget(framework);
    this.#driver.clearRefusals(framework);
    this.#hoarders.forget(framework);
    this.#members.remove(framework);
    this.trigger();
  }

  suppress(framework: FrameworkId, roles: readonly RolePath[]): void {
    this.#members.suppress(framework, roles);
  }

  revive(framework: FrameworkId, roles: readonly RolePath[]): void {
    this.#driver.clearRefusals(framework, this.#members.revive(framework, roles));
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
    const [fault] = this.#desk.refusals(framework, ids);
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
    this.#desk.takeBack({ kind: 'rescind', ids }, 'rescinded');
    if (ids.length > 0) this.trigger();
  }

  outstanding(framework: FrameworkId): readonly Offer[] {
    return [...this.#desk.of(framework).values()];
  }

  offered(framework: FrameworkId, id: OfferId): Offer | undefined {
    return this.#desk.of(framework).get(id);
  }

  tierMeter(): TierMeter | undefined {
    return this.#tiers.meter();
  }

  reservations(): ReadonlyMap<string, ReservationObject> {
    return this.#options.frameworkReservations.current();
  }

  offers(): readonly Offer[] {
    return this.#desk.all();
  }

  lastPlan(): AllocationPlan | undefined {
    return this.#driver.plan();
  }

  snapshot(): GatheredSnapshot {
    const { world } = this.#options;
    const { specs } = roleTableOf(world.roles.list(), world.quotas.list());
    const frameworks = [...this.#members.ids()].flatMap((id) => this.#member(id) ?? []);
    return this.#gathered.now(specs, frameworks);
  }

  agent(node: Node): AgentFigures {
    const offers = [...this.#desk.onAgent(agentId(node.metadata.name))];
    return { ...this.#mirror.figures(node), offers };
  }

  unspent(holds: readonly CapacityHold[]): readonly CapacityHold[] {
    const { world, launcher } = this.#options;
    return holds.length === 0 ? holds : openHoldsNow(world, launcher.assumed(), holds);
  }

  async audit(): Promise<readonly string[]> {
    const { clock, sliceMs } = this.#options;
    const steps = this.#driver.audit();
    for (let fromMs = this.#nowMs(); ; ) {
      const step = steps.next();
      if (step.done === true) {
        if (step.value.length > 0) this.trigger();
        return step.value;
      }
      if (this.#nowMs() - fromMs < sliceMs) continue;
      await sleep(clock, 0);
      fromMs = this.#nowMs();
    }
  }

  #member(id: FrameworkId): AllocatorFramework | undefined {
    const isBackedOff = this.#hoarders.isBackedOff(id, this.#nowMs());
    if (isBackedOff) this.#backedOff.add(id);
    return this.#members.forAllocator(id, isBackedOff);
  }

  #takeFrameworks(): Iterable<FrameworkId> {
    for (const id of this.#backedOff)
      if (!this.#hoarders.isBackedOff(id, this.#nowMs())) {
        this.#backedOff.delete(id);
        this.#members.touch(id);
      }
    return this.#members.takeTouched();
  }

  #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #run(): void {
    this.#batch = undefined;
    this.#busyMs = 0;
    this.#isAgain = false;
    const startedMs = this.#nowMs();
    if (this.#options.mayAct()) this.#steps = this.#cycle.run(startedMs);
    this.#slice(startedMs);
  }

  /** A part of the cycle, as long as nobody minds; then everything else has its turn. */
  #slice(startedMs: number): void {
    const { clock, sliceMs, batchMs, metrics } = this.#options;
    const fromMs = this.#nowMs();
    let isDone = this.#steps === undefined;
    let nowMs = fromMs;
    while (!isDone && (nowMs === fromMs || nowMs - fromMs < sliceMs)) {
      isDone = this.#steps?.next().done !== false;
      nowMs = this.#nowMs();
      if (sliceMs === 0) break;
    }
    this.#busyMs += nowMs - fromMs;
    if (!isDone) {
      this.#batch = clock.setTimer(0, () => this.#slice(startedMs));
      return;
    }
    this.#batch = undefined;
    if (this.#steps !== undefined) metrics.allocationCycle(this.#busyMs, this.#cycle.offered);
    this.#steps = undefined;
    // The next batch is at least as long as this cycle worked: half of the time stays for everything else.
    this.#restUntilMs = Math.max(startedMs + batchMs, nowMs + this.#busyMs);
    this.#net?.();
    this.#net = clock.setTimer(this.#untilNextExpiry(), () => this.trigger());
    if (this.#isAgain) this.trigger();
  }

  /** Time until the first filter, back-off or offer runs out, and never longer than the safety net. */
  #untilNextExpiry(): number {
    const { clock, safetyNetMs, offerTimeoutMs } = this.#options;
    const monotonicMs = this.#nowMs();
    const untilMs = Math.min(
      safetyNetMs,
      (this.#driver.nextExpiryMs() ?? Number.POSITIVE_INFINITY) - clock.nowMs(),
      this.#hoarders.firstEndMs(monotonicMs) - monotonicMs,
      this.#inverse.nextLookMs() - monotonicMs,
      this.#desk.oldestAtMs() + offerTimeoutMs - monotonicMs,
    );
    return Math.max(untilMs, 1);
  }

  /** Ends offers by an answer of their framework; that it answers at all counts too. */
  #answer(
    event: Parameters<OfferDesk['answer']>[0],
    how: 'accepted' | 'declined',
  ): readonly OutstandingOffer[] {
    const ended = this.#desk.answer(event, how);
    if (ended.length > 0) this.#hoarders.answered(event.framework, this.#nowMs());
    return ended;
  }

  /** Remembers what a framework does not want, so that it is offered to others first. */
  #refuse(offer: Offer, refused: Resources, refusedRevocable: Resources, refuseMs: number): void {
    if (refuseMs <= 0 || (isEmpty(refused) && isEmpty(refusedRevocable))) return;
    const untilMs = this.#options.clock.nowMs() + Math.min(refuseMs, MAX_REFUSE_MS);
    const { framework, role, agent } = offer;
    this.#driver.refuse({ framework, role, agent, refused, refusedRevocable, untilMs });
  }
}
