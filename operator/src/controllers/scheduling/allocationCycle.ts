import { compareOffers } from '../../allocator/allocate.ts';
import type {
  AgentFacts,
  AllocatorAgent,
  AllocatorSnapshot,
  PlannedOffer,
} from '../../allocator/types.ts';
import type { AgentId } from '../../model/ids.ts';
import type { OutstandingOffer, Unavailability } from '../../state/offerBook.ts';
import { decideRescinds, newestFirst, type Rescind } from './decideRescinds.ts';
import type { Hoarders } from './hoarders.ts';
import type { InverseOffers } from './inverseOffers.ts';
import type { Members } from './members.ts';
import type { AgentMirror } from './mirror/agentMirror.ts';
import type { LedgerDriver, Told } from './mirror/ledgerDriver.ts';
import type { OfferDesk } from './offerDesk.ts';
import { beyondLimits } from './overdrawn.ts';
import type { SchedulingOptions } from './schedulingOptions.ts';

interface CycleParts {
  readonly options: SchedulingOptions;
  readonly members: Members;
  readonly hoarders: Hoarders;
  readonly inverse: InverseOffers;
  readonly desk: OfferDesk;
  readonly mirror: AgentMirror;
  readonly driver: LedgerDriver;
  /** The present state as a whole; asked for when policies change. */
  readonly snapshot: () => AllocatorSnapshot;
}

/** Agents, or offers, that a run works on between two places where it may be left. */
const RUN_STEPS = 64;
/** Changed agents looked at together. */
const AGENTS_AT_ONCE = 500;

/**
 * One allocation cycle after the other: what changed is told to the ledger, offers that may no longer stand are taken
 * back, and what is free is offered.
 *
 * A cycle may be left at every `yield` and carried on later. What happens meanwhile is not of this cycle: answers end
 * offers at once, everything else waits for the next one. An offer to a framework that has left since, or no longer
 * wants any in the role, is not sent; one that has become harmful is taken back by the next cycle.
 */
export class AllocationCycle {
  readonly #parts: CycleParts;
  #number = 0;
  #unavailable: ReadonlyMap<string, Unavailability> = new Map();
  #offered = 0;

  constructor(parts: CycleParts) {
    this.#parts = parts;
  }

  /** Offers made by the last cycle. */
  get offered(): number {
    return this.#offered;
  }

  *run(startedMs: number): Generator<void, void> {
    const { options, desk, mirror, driver, inverse } = this.#parts;
    this.#expire(startedMs);
    mirror.look();
    yield* mirror.refresh();
    const told: Told = { agents: new Map(), formerSpecs: undefined };
    yield* driver.tell(told);
    const unavailable = options.unavailable();
    yield* this.#rescindHarmful(told, unavailable);
    yield* this.#offer(unavailable);
    inverse.refresh(unavailable, () => this.#holdersOn(unavailable.keys()));
    options.metrics.oldestOffer(Math.max(0, startedMs - desk.oldestAtMs()));
  }

  /** Offers nobody answered go back: a silent framework must not starve the others. */
  #expire(nowMs: number): void {
    const { options, desk, hoarders, members } = this.#parts;
    const { offerTimeoutMs: timeoutMs, metrics, onBackOff } = options;
    const expired = desk.takeBack({ kind: 'expire', nowMs, timeoutMs }, 'expired');
    for (const [framework, offers] of Map.groupBy(expired, (offer) => offer.framework)) {
      const oldestMs = Math.min(...offers.map((offer) => offer.issuedAtMs));
      const backOff = hoarders.timedOut(framework, oldestMs, nowMs);
      if (backOff === undefined) continue;
      members.touch(framework);
      metrics.backOff(framework);
      onBackOff(backOff);
    }
  }

  *#rescindHarmful(
    told: Told,
    unavailable: ReadonlyMap<string, Unavailability>,
  ): Generator<void, void> {
    const { desk, driver, options } = this.#parts;
    const rewindowed = changedKeys(this.#unavailable, unavailable) as Iterable<AgentId>;
    this.#unavailable = new Map(unavailable);
    if (desk.size === 0) return;
    const { mode } = options.allocate;
    const concerned = [...new Set([...told.agents.keys(), ...rewindowed])];
    for (let at = 0; at < concerned.length; at += AGENTS_AT_ONCE) {
      const agents = concerned.slice(at, at + AGENTS_AT_ONCE);
      const offers = agents.flatMap((agent) => [...desk.onAgent(agent)]);
      if (offers.length > 0)
        yield* this.#takeBack(
          decideRescinds({
            snapshot: this.#snapshotOf(agents.map((agent) => this.#factsOf(agent))),
            before: this.#snapshotOf(agents.map((agent) => this.#formerOf(agent, told))),
            offers,
            unavailable,
            mode,
          }),
        );
      yield;
    }
    if (told.formerSpecs !== undefined) {
      const snapshot = this.#parts.snapshot();
      const before = { ...snapshot, roles: told.formerSpecs };
      const offers = desk.all();
      yield* this.#takeBack(decideRescinds({ snapshot, before, offers, unavailable, mode }));
    }
    const over = driver.overLimits();
    if (over.length === 0) return;
    const offers = beyondLimits(over, newestFirst(desk.all()));
    yield* this.#takeBack(offers.map((offer) => ({ offer, reason: 'LimitExceeded' })));
  }

  /** What is free again is told at once; changes of other kinds that come with it are judged by the next cycle. */
  *#takeBack(rescinds: readonly Rescind[]): Generator<void, void> {
    if (rescinds.length === 0) return;
    const { desk, mirror, driver, options } = this.#parts;
    for (const { reason } of rescinds) options.metrics.rescind(reason);
    const ids = rescinds.map((one) => one.offer.id);
    desk.takeBack({ kind: 'rescind', ids }, 'rescinded');
    const agents = new Set(rescinds.map((one) => one.offer.agent));
    for (const agent of agents) mirror.freshRecord(agent);
    yield* driver.tellAgents(agents, { agents: new Map(), formerSpecs: undefined });
  }

  #formerOf(agent: AgentId, told: Told): AgentFacts | undefined {
    return told.agents.has(agent) ? told.agents.get(agent) : this.#factsOf(agent);
  }

  #factsOf(agent: AgentId): AgentFacts | undefined {
    return this.#parts.mirror.record(agent)?.facts;
  }

  /** A few agents, without policies or frameworks: for rules that look at one agent after the other. */
  #snapshotOf(facts: readonly (AgentFacts | undefined)[]): AllocatorSnapshot {
    return {
      agents: facts.flatMap((one): readonly AllocatorAgent[] =>
        one?.agent === undefined ? [] : [one.agent],
      ),
      roles: [],
      frameworks: [],
      allocations: facts.flatMap((one) => one?.allocations ?? []),
      filters: [],
    };
  }

  *#offer(unavailable: ReadonlyMap<string, Unavailability>): Generator<void, void> {
    const { options, driver } = this.#parts;
    this.#number += 1;
    this.#offered = 0;
    const run = driver.begin({ nowMs: options.clock.nowMs(), seed: this.#number });
    const steps = options.sliceMs === 0 ? 1 : RUN_STEPS;
    for (let isDone = false; !isDone; ) {
      isDone = run.step(steps);
      const planned = run.take();
      if (planned.length > 0) this.#issue(planned.toSorted(compareOffers), unavailable);
      if (!isDone) yield;
    }
  }

  #issue(planned: readonly PlannedOffer[], unavailable: ReadonlyMap<string, Unavailability>): void {
    const { options, members, desk, driver } = this.#parts;
    const mayAct = options.mayAct();
    const offers = planned
      .filter((offer) => mayAct && members.wants(offer.framework, offer.role))
      .map((offer) => {
        const unavailability = unavailable.get(offer.agent);
        return unavailability === undefined ? offer : { ...offer, unavailability };
      });
    const issued = desk.issue(offers);
    driver.settle(planned, issued);
    this.#offered += issued.length;
    for (const [framework, own] of Map.groupBy(issued, (offer) => offer.framework)) {
      options.metrics.offer('sent', framework, own.length);
      members.callbacks(framework)?.onOffers(own);
    }
  }

  /** Whoever has a task or an offer on one of these agents. */
  #holdersOn(agents: Iterable<string>): readonly Pick<OutstandingOffer, 'framework' | 'agent'>[] {
    const { mirror, desk } = this.#parts;
    return [...(agents as Iterable<AgentId>)].flatMap((agent) => [
      ...(mirror.freshRecord(agent)?.ledger.tasks ?? []),
      ...desk.onAgent(agent),
    ]);
  }
}

function changedKeys(
  before: ReadonlyMap<string, Unavailability>,
  now: ReadonlyMap<string, Unavailability>,
): readonly string[] {
  return [...new Set([...before.keys(), ...now.keys()])].filter((key) => {
    const [former, present] = [before.get(key), now.get(key)];
    return former?.startMs !== present?.startMs || former?.durationMs !== present?.durationMs;
  });
}
