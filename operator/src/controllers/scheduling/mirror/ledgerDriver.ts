import {
  DrivenAllocator,
  type DrivenRun,
  type OverLimit,
} from '../../../allocator/drivenAllocator.ts';
import type {
  AgentFacts,
  AgentReservation,
  AllocateOptions,
  AllocationPlan,
  AllocatorFramework,
  OfferFilter,
  PlannedOffer,
  RoleSpec,
} from '../../../allocator/types.ts';
import type { AgentId, FrameworkId, RolePath } from '../../../model/ids.ts';
import { isEmpty } from '../../../model/resources.ts';
import type { OutstandingOffer } from '../../../state/offerBook.ts';
import { offerAllocation } from '../snapshot.ts';
import type { AgentMirror } from './agentMirror.ts';

interface LedgerDriverOptions {
  readonly mirror: AgentMirror;
  readonly allocate: Omit<AllocateOptions, 'nowMs' | 'seed'>;
  readonly specs: () => readonly RoleSpec[];
  /** As the allocator is to see it; undefined when it is not connected. */
  readonly framework: (id: FrameworkId) => AllocatorFramework | undefined;
  /** Frameworks that changed since this was called last. */
  readonly takeFrameworks: () => Iterable<FrameworkId>;
  readonly allFrameworks: () => Iterable<FrameworkId>;
}

type RefusalStep =
  | { readonly kind: 'refuse'; readonly filter: OfferFilter }
  | {
      readonly kind: 'clear';
      readonly framework: FrameworkId;
      readonly roles?: ReadonlySet<RolePath>;
    };

/** What the allocator was told in one go. */
export interface Told {
  /** What it was told of each agent before. */
  readonly agents: Map<AgentId, AgentFacts | undefined>;
  /** The policies before; undefined when they are the same, or were not known at all. */
  formerSpecs: readonly RoleSpec[] | undefined;
}

/**
 * Keeps the allocator's ledger equal to the world: tells it what changed, and nothing else, before each run.
 *
 * Between runs the ledger stays as the last run left it; what happens meanwhile, between two slices of a run too, only
 * waits here or in the mirror. So a run always sees one consistent state, and reasons are those of the last run.
 */
export class LedgerDriver {
  readonly #options: LedgerDriverOptions;
  #driven: DrivenAllocator;
  #waiting: RefusalStep[] = [];
  /** Agents whose part of the ledger a run changed in a way that only reading it anew makes as it should be. */
  readonly #doubted = new Set<AgentId>();
  #specs: readonly RoleSpec[] | undefined;
  #isWrong = false;

  constructor(options: LedgerDriverOptions) {
    this.#options = options;
    this.#driven = new DrivenAllocator(options.allocate);
  }

  refuse(filter: OfferFilter): void {
    this.#waiting.push({ kind: 'refuse', filter });
  }

  clearRefusals(framework: FrameworkId, roles?: ReadonlySet<RolePath>): void {
    this.#waiting.push({ kind: 'clear', framework, ...(roles === undefined ? {} : { roles }) });
  }

  /** Tells what changed; may be left between two agents, and must be carried on before the next run. */
  *tell(told: Told): Generator<void, void> {
    const { mirror, specs, takeFrameworks, framework } = this.#options;
    const frameworks = new Set(takeFrameworks());
    if (this.#isWrong) for (const id of this.#beginAnew()) frameworks.add(id);
    const now = specs();
    const former = this.#specs;
    if (this.#driven.setRoles(now)) told.formerSpecs = former;
    this.#specs = now;
    for (const id of frameworks) {
      const member = framework(id);
      if (member === undefined) this.#driven.removeFramework(id);
      else this.#driven.setFramework(member);
    }
    yield* this.tellAgents(mirror.takeChanged(), told);
    this.#tellRefusals();
  }

  /**
   * Compares the mirror with the world and the ledger with what it was told; a sentence per difference, which is a bug.
   * A wrong record is read again; a wrong ledger is replaced before the next run. May be left between two agents.
   */
  *audit(): Generator<void, readonly string[]> {
    const { mirror } = this.#options;
    const driven = this.#driven;
    const faults: string[] = [];
    for (const agent of mirror.ids()) {
      if (mirror.isWrong(agent)) {
        faults.push(`agent ${agent}: a change of it was not heard of`);
        mirror.mark(agent);
      }
      yield;
    }
    const { revision } = driven;
    for (const agent of Array.from(driven.agentIds())) {
      // A run is ahead of what was told; the next audit looks again.
      if (driven.isRunning) return faults;
      const fault = this.#doubted.has(agent) ? undefined : driven.faultOn(agent);
      if (fault !== undefined) this.#isWrong = true;
      if (fault !== undefined) faults.push(fault);
      yield;
    }
    if (driven.isRunning || driven.revision !== revision || this.#doubted.size > 0) return faults;
    const more = driven.faultsOfFrameworks();
    if (more.length > 0) this.#isWrong = true;
    return [...faults, ...more];
  }

  /** A ledger without anything: all is to be told. How often who was allocated something is forgotten. */
  #beginAnew(): Iterable<FrameworkId> {
    const { mirror, allocate, allFrameworks } = this.#options;
    const refusals = this.#driven.refusals();
    this.#isWrong = false;
    this.#specs = undefined;
    this.#driven = new DrivenAllocator(allocate);
    this.#waiting.unshift(...refusals.map((filter) => ({ kind: 'refuse' as const, filter })));
    for (const agent of mirror.ids()) this.#doubted.add(agent);
    return allFrameworks();
  }

  /** A refusal is of an agent: those come first. */
  #tellRefusals(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const step of waiting)
      if (step.kind === 'refuse') this.#driven.refuse(step.filter);
      else this.#driven.clearRefusals(step.framework, step.roles);
  }

  *tellAgents(changed: ReadonlySet<AgentId>, told: Told): Generator<void, void> {
    for (const agent of new Set([...changed, ...this.#doubted])) {
      const facts = this.#options.mirror.record(agent)?.facts ?? NOTHING;
      const before = this.#driven.factsOf(agent);
      if (!told.agents.has(agent)) told.agents.set(agent, before);
      if (facts !== before || this.#doubted.has(agent)) this.#driven.setAgent(agent, facts);
      this.#doubted.delete(agent);
      yield;
    }
  }

  begin(run: Pick<AllocateOptions, 'nowMs' | 'seed'>): DrivenRun {
    return this.#driven.begin(run);
  }

  /** Planned offers that were sent are on the ledger already; those that were not must come off it. */
  settle(planned: readonly PlannedOffer[], issued: readonly OutstandingOffer[]): void {
    const sent = Map.groupBy(issued, (offer) => offer.agent);
    for (const [agent, offers] of Map.groupBy(planned, (offer) => offer.agent)) {
      const here = sent.get(agent) ?? [];
      const facts = this.#driven.factsOf(agent);
      const record = this.#options.mirror.record(agent);
      const isPlain =
        here.length === offers.length &&
        here.every((offer) => isEmpty(offer.reserved) && (offer.reservedBy ?? []).length === 0) &&
        facts?.allocations.every((one) => one.kind !== 'hold') === true;
      if (!isPlain || record?.facts !== facts || facts === undefined) {
        this.#doubted.add(agent);
        this.#options.mirror.mark(agent);
        continue;
      }
      const now = this.#options.mirror.addOffers(
        agent,
        here.map((offer) => offerAllocation(offer, NO_RESERVATIONS)),
      );
      if (now === undefined) this.#doubted.add(agent);
      else this.#driven.noteOffers(agent, now);
    }
  }

  plan(): AllocationPlan | undefined {
    return this.#driven.plan();
  }

  overLimits(): readonly OverLimit[] {
    return this.#driven.overLimits();
  }

  nextExpiryMs(): number | undefined {
    return this.#driven.nextExpiryMs();
  }
}

const NOTHING: AgentFacts = { agent: undefined, allocations: [] };
const NO_RESERVATIONS: ReadonlyMap<string, readonly AgentReservation[]> = new Map();
