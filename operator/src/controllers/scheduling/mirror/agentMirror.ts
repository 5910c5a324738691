import type {
  AgentFacts,
  AgentReservation,
  Allocation,
  AllocatorAgent,
} from '../../../allocator/types.ts';
import { equalJson } from '../../../model/hash.ts';
import { type AgentId, agentId } from '../../../model/ids.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { Node, Pod } from '../../../schema/kubeObjects.ts';
import type { AgentObject } from '../../../schema/mezzoKinds.ts';
import type { OutstandingOffer } from '../../../state/offerBook.ts';
import type { CapacityHold } from '../../job/decideMatch.ts';
import type { Launcher } from '../../task/launcher.ts';
import { isTaskPod, timeOf } from '../../task/taskView.ts';
import type { World } from '../../world.ts';
import { allocatorAgentOf, REVOCABLE_MAX_AGE_MS } from '../agents.ts';
import { type Ledger, ledgerOf } from '../ledger.ts';
import { allocationsOn, openHoldsNow } from '../snapshot.ts';

export interface MirrorSources {
  readonly world: World;
  readonly launcher: Pick<Launcher, 'assumed'>;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly holds: () => readonly CapacityHold[];
  readonly reservations: () => ReadonlyMap<string, readonly AgentReservation[]>;
  readonly inMaintenance: () => ReadonlySet<string>;
  readonly offersOn: (agent: AgentId) => Iterable<OutstandingOffer>;
}

/** What stands on one agent, read from its own objects. */
export interface AgentRecord {
  /** The same object until the allocator has to hear of a change. */
  readonly facts: AgentFacts;
  /** Of this agent alone. */
  readonly ledger: Ledger;
}

/**
 * What is on each agent, read again only when something that concerns it was heard of.
 *
 * Changes come from caches (Pods by their node, Nodes, Agents), from whoever ends or makes offers (`mark`), and from
 * what is compared with its former state by `look`: Pods on their way, holds, reservations, maintenance, estimates.
 * Does not: ever stop listening; it lives as long as the caches.
 */
export class AgentMirror {
  readonly #sources: MirrorSources;
  readonly #records = new Map<AgentId, AgentRecord>();
  readonly #dirty = new Set<AgentId>();
  #changed = new Set<AgentId>();
  #assumed = new Map<string, Pod>();
  #assumedOn = new Map<string, Pod[]>();
  #holds = new Map<string, readonly CapacityHold[]>();
  #reservations = new Map<string, readonly AgentReservation[]>();
  #maintained = new Set<string>();
  /** Until when the revocable estimate of an agent counts; after that it is none. */
  readonly #estimates = new Map<AgentId, number>();
  #firstEndMs = Number.POSITIVE_INFINITY;
  #lookedAtMs = Number.NEGATIVE_INFINITY;
  #version = 0;

  constructor(sources: MirrorSources) {
    this.#sources = sources;
    const { pods, nodes, agents } = sources.world;
    pods.subscribe((event) => {
      this.#markName(event.object.spec.nodeName);
      if (event.kind === 'modified') this.#markName(event.previous.spec.nodeName);
    });
    nodes.subscribe(({ object }) => this.#markName(object.metadata.name));
    agents.subscribe(({ object }) => this.#markName(object.metadata.name));
  }

  /** Changes with every record. */
  get version(): number {
    return this.#version;
  }

  mark(agent: AgentId): void {
    this.#dirty.add(agent);
  }

  /** Finds out what changed without anybody having told. */
  look(): void {
    const nowMs = this.#sources.clock.nowMs();
    this.#lookAtAssumed();
    this.#lookAtHolds();
    this.#lookAtReservations();
    const maintained = new Set(this.#sources.inMaintenance());
    for (const name of maintained) if (!this.#maintained.has(name)) this.#markName(name);
    for (const name of this.#maintained) if (!maintained.has(name)) this.#markName(name);
    this.#maintained = maintained;
    this.#lookAtEstimates(nowMs);
    this.#lookedAtMs = nowMs;
  }

  /** Reads what is marked, one agent a step; what is marked meanwhile is left for the next time. */
  *refresh(): Generator<void, void> {
    for (const agent of Array.from(this.#dirty)) {
      if (this.#dirty.delete(agent)) this.#read(agent);
      yield;
    }
  }

  /** Agents whose facts changed since this was called last. */
  takeChanged(): ReadonlySet<AgentId> {
    const changed = this.#changed;
    this.#changed = new Set();
    return changed;
  }

  record(agent: AgentId): AgentRecord | undefined {
    return this.#records.get(agent);
  }

  /** The record of an agent, read now if it is marked. */
  freshRecord(agent: AgentId): AgentRecord | undefined {
    if (this.#dirty.delete(agent)) this.#read(agent);
    return this.#records.get(agent);
  }

  records(): Iterable<AgentRecord> {
    return this.#records.values();
  }

  /**
   * Offers that were made just now, of what the record says is free: reading it again would say the same.
   * Output: the facts with them; undefined when the record has to be read again for other reasons.
   */
  addOffers(agent: AgentId, offers: readonly Allocation[]): AgentFacts | undefined {
    const record = this.#records.get(agent);
    if (record === undefined || this.#dirty.has(agent)) return undefined;
    const allocations = [...record.facts.allocations, ...offers];
    const facts = { ...record.facts, allocations };
    this.#records.set(agent, { ...record, facts });
    this.#version += 1;
    return facts;
  }

  /** Agents with a record, and nodes without one. */
  ids(): ReadonlySet<AgentId> {
    const names = this.#sources.world.nodes.list().map((node) => agentId(node.metadata.name));
    return new Set([...this.#records.keys(), ...names]);
  }

  /** True when a change of the agent was missed: it reads otherwise than its record, and is not marked. */
  isWrong(agent: AgentId): boolean {
    const nowMs = this.#sources.clock.nowMs();
    const endMs = this.#estimates.get(agent) ?? nowMs;
    // What time alone has changed since is for the next look.
    const isLate = nowMs < this.#lookedAtMs || (endMs >= this.#lookedAtMs && endMs < nowMs);
    if (this.#dirty.has(agent) || isLate) return false;
    const record = this.#records.get(agent);
    return !equalJson(record?.facts ?? NO_FACTS, this.#readNow(agent).facts);
  }

  /** What is on a node now, beside what is remembered of it. */
  figures(node: Node): { readonly agent: AllocatorAgent; readonly ledger: Ledger } {
    const id = agentId(node.metadata.name);
    const ledger = this.#ledgerOn(id);
    return { agent: this.#agentOf(id, node, ledger), ledger };
  }

  #readNow(id: AgentId): AgentRecord {
    const { world, offersOn } = this.#sources;
    const node = world.nodes.get({ name: id });
    const ledger = this.#ledgerOn(id);
    const allocations = allocationsOn({
      tasks: ledger.tasks,
      offers: offersOn(id),
      holds: this.#holds.get(id) ?? [],
      reservations: this.#reservations,
    });
    const agent = node === undefined ? undefined : this.#agentOf(id, node, ledger);
    return { facts: { agent, allocations }, ledger };
  }

  #ledgerOn(agent: AgentId): Ledger {
    return ledgerOf(this.#sources.world.pods.byIndex('node', agent), this.#assumedHere(agent));
  }

  #agentOf(id: AgentId, node: Node, ledger: Ledger): AllocatorAgent {
    const { world, clock } = this.#sources;
    return allocatorAgentOf({
      node,
      agent: world.agents.get({ name: id }),
      ledger,
      reservations: this.#reservations.get(id) ?? [],
      inMaintenance: this.#maintained.has(id),
      nowMs: clock.nowMs(),
    });
  }

  #read(agent: AgentId): void {
    this.#noteEstimate(agent, this.#sources.world.agents.get({ name: agent }));
    const before = this.#records.get(agent);
    const now = this.#readNow(agent);
    this.#version += 1;
    const isGone = now.facts.agent === undefined && now.facts.allocations.length === 0;
    if (isGone && now.ledger.podCount.size === 0) {
      if (this.#records.delete(agent)) this.#changed.add(agent);
      return;
    }
    const isSame = before !== undefined && equalJson(before.facts, now.facts);
    this.#records.set(agent, isSame ? { ...now, facts: before.facts } : now);
    if (!isSame) this.#changed.add(agent);
  }

  #markName(name: string | undefined): void {
    if (name !== undefined && name !== '') this.#dirty.add(agentId(name));
  }

  /** A cached Pod of the same name counts instead of the one on its way. */
  #isCached({ metadata: { namespace = '', name } }: Pod): boolean {
    const cached = this.#sources.world.pods.get({ namespace, name });
    return cached !== undefined && isTaskPod(cached);
  }

  #lookAtAssumed(): void {
    const now = new Map<string, Pod>();
    for (const pod of this.#sources.launcher.assumed())
      if (!this.#isCached(pod))
        now.set(`${pod.metadata.namespace ?? ''}/${pod.metadata.name}`, pod);
    const before = this.#assumed;
    if (now.size === 0 && before.size === 0) return;
    for (const [key, pod] of now) if (before.get(key) !== pod) this.#markName(pod.spec.nodeName);
    for (const [key, pod] of before) if (now.get(key) !== pod) this.#markName(pod.spec.nodeName);
    this.#assumed = now;
    this.#assumedOn = Map.groupBy(now.values(), (pod) => pod.spec.nodeName ?? '');
  }

  #assumedHere(agent: AgentId): readonly Pod[] {
    return this.#assumedOn.get(agent)?.filter((pod) => !this.#isCached(pod)) ?? [];
  }

  #lookAtHolds(): void {
    const { world, holds } = this.#sources;
    const open = openHoldsNow(world, this.#assumed.values(), holds());
    const now = new Map(Map.groupBy(open, (hold): string => hold.agent));
    this.#markDifferences(this.#holds, now);
    this.#holds = now;
  }

  #lookAtReservations(): void {
    const now = new Map(this.#sources.reservations());
    this.#markDifferences(this.#reservations, now);
    this.#reservations = now;
  }

  #markDifferences<T>(before: ReadonlyMap<string, T>, now: ReadonlyMap<string, T>): void {
    for (const [name, value] of now) if (!equalJson(before.get(name), value)) this.#markName(name);
    for (const name of before.keys()) if (!now.has(name)) this.#markName(name);
  }

  #noteEstimate(agent: AgentId, object: AgentObject | undefined): void {
    const observedMs = timeOf(object?.status?.revocable?.observedAt);
    if (observedMs === undefined) this.#estimates.delete(agent);
    else {
      const endMs = observedMs + REVOCABLE_MAX_AGE_MS;
      this.#estimates.set(agent, endMs);
      if (endMs >= this.#sources.clock.nowMs())
        this.#firstEndMs = Math.min(this.#firstEndMs, endMs);
    }
  }

  /** An estimate ends by itself; and begins again when the wall clock steps back. */
  #lookAtEstimates(nowMs: number): void {
    const isBack = nowMs < this.#lookedAtMs;
    if (!isBack && nowMs <= this.#firstEndMs) return;
    this.#firstEndMs = Number.POSITIVE_INFINITY;
    for (const [agent, endMs] of this.#estimates) {
      if (isBack || (endMs < nowMs && endMs >= this.#lookedAtMs)) this.#dirty.add(agent);
      if (endMs >= nowMs) this.#firstEndMs = Math.min(this.#firstEndMs, endMs);
    }
  }
}

const NO_FACTS: AgentFacts = { agent: undefined, allocations: [] };
