import { comparePaths } from '../rolePaths.ts';
import {
  grownBytes,
  grownInts,
  RowNumbers,
  type VectorColumn,
  type VectorSpace,
} from './columns.ts';
import { NO_PORTS } from './ranges.ts';
import { NONE } from './roleTree.ts';
import type { PortRanges, ReservedPart, Unavailability } from './types.ts';

/** Sorts of capacity an agent has; every agent's first pool is its unreserved one. */
export const PoolKind = { unreserved: 0, revocable: 1, reserved: 2, volume: 3 } as const;

/** What a client must be able to handle to be shown a pool, or an agent; bits. */
export const Need = {
  revocable: 1,
  shared: 2,
  refinement: 4,
  gpu: 8,
  remoteRegion: 16,
  /** The agent handles only frameworks of one role. */
  singleRole: 32,
  /** The agent handles only top-level roles. */
  topLevelRole: 64,
} as const;

/** What is looked up rarely, by agent. */
export interface AgentInfo {
  attributes: Readonly<Record<string, string>>;
  /** Names of attributes that are scalars, ranges or sets. */
  notText: ReadonlySet<string>;
  hostname: string;
  region: string | undefined;
  zone: string | undefined;
  capabilities: readonly string[] | undefined;
  schedulable: boolean;
  listed: boolean;
  unavailability: Unavailability | undefined;
}

/** More new agents than this are sorted in together. */
const MAX_INSERTIONS = 200;

/** Agents by row. */
export class AgentTable {
  readonly ids: string[] = [];
  readonly info: AgentInfo[] = [];
  firstPool = new Int32Array(16).fill(NONE);
  firstHolding = new Int32Array(16).fill(NONE);
  needs = new Int32Array(16);
  /** Holding rows with a hold. */
  holds = new Int32Array(16);
  /** 1: takes part in runs. */
  open = new Uint8Array(16);
  /** 1: a pool's free amount is below zero, so that reservations must be cut to what is physically there. */
  overdrawn = new Uint8Array(16);
  /** 1: it has an unavailability. */
  hasWindow = new Uint8Array(16);
  /** 1: to be looked at by the next run. */
  due = new Uint8Array(16);
  /** Unreserved free amounts as they are counted in the cluster's headroom. */
  readonly counted: VectorColumn;
  readonly #rows = new RowNumbers();
  readonly #byId = new Map<string, number>();
  /** Rows in order of id, as far as they are in it; `#unplaced` are not yet. */
  #order = new Int32Array(16);
  #orderedCount = 0;
  #unplaced: number[] = [];

  constructor(space: VectorSpace) {
    this.counted = space.column();
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Agents that `inOrder` has still to sort in. */
  get unplaced(): number {
    return this.#unplaced.length;
  }

  find(id: string): number | undefined {
    return this.#byId.get(id);
  }

  /** One more than the highest row ever in use. */
  get rowCount(): number {
    return this.#rows.count;
  }

  add(id: string, info: AgentInfo): number {
    const row = this.#rows.take();
    if (row >= this.firstPool.length) {
      this.firstPool = grownInts(this.firstPool, row + 1, NONE);
      this.firstHolding = grownInts(this.firstHolding, row + 1, NONE);
      this.needs = grownInts(this.needs, row + 1);
      this.holds = grownInts(this.holds, row + 1);
      this.open = grownBytes(this.open, row + 1);
      this.overdrawn = grownBytes(this.overdrawn, row + 1);
      this.due = grownBytes(this.due, row + 1);
      this.hasWindow = grownBytes(this.hasWindow, row + 1);
    }
    this.ids[row] = id;
    this.info[row] = info;
    this.firstPool[row] = NONE;
    this.firstHolding[row] = NONE;
    this.needs[row] = 0;
    this.holds[row] = 0;
    this.open[row] = 0;
    this.overdrawn[row] = 0;
    this.due[row] = 0;
    this.hasWindow[row] = info.unavailability === undefined ? 0 : 1;
    this.counted.ensure(row);
    this.counted.clear(row);
    this.#byId.set(id, row);
    this.#unplaced.push(row);
    return row;
  }

  remove(row: number): void {
    this.inOrder();
    const place = this.#placeOf(this.ids[row] as string);
    this.#order.copyWithin(place, place + 1, this.#orderedCount);
    this.#orderedCount--;
    this.#byId.delete(this.ids[row] as string);
    this.#rows.release(row);
    this.open[row] = 0;
    this.due[row] = 0;
  }

  /** Rows in order of agent id; valid until an agent is added or removed. */
  inOrder(): Int32Array {
    const added = this.#unplaced;
    if (added.length > 0) {
      this.#unplaced = [];
      if (this.#orderedCount + added.length > this.#order.length)
        this.#order = grownInts(this.#order, this.#orderedCount + added.length);
      if (added.length > MAX_INSERTIONS) this.#sortWith(added);
      else for (const row of added) this.#insert(row);
    }
    return this.#order.subarray(0, this.#orderedCount);
  }

  /** One agent more must not cost a sort of all. */
  #insert(row: number): void {
    const place = this.#placeOf(this.ids[row] as string);
    this.#order.copyWithin(place + 1, place, this.#orderedCount);
    this.#order[place] = row;
    this.#orderedCount++;
  }

  /** Sorts the new ones among themselves and merges: the others are in order already. */
  #sortWith(added: readonly number[]): void {
    const before = (left: number, right: number): number =>
      comparePaths(this.ids[left] as string, this.ids[right] as string);
    const fresh = Int32Array.from(added).sort(before);
    let old = this.#orderedCount - 1;
    let to = this.#orderedCount + fresh.length - 1;
    this.#orderedCount += fresh.length;
    for (let next = fresh.length - 1; next >= 0; to--) {
      const row = fresh[next] as number;
      const isOld = old >= 0 && before(this.#order[old] as number, row) > 0;
      this.#order[to] = isOld ? (this.#order[old--] as number) : row;
      if (!isOld) next--;
    }
  }

  /** The first place whose id is not before this one. */
  #placeOf(id: string): number {
    let low = 0;
    let high = this.#orderedCount;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (comparePaths(this.ids[this.#order[middle] as number] as string, id) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  rows(): Iterable<number> {
    return this.#byId.values();
  }
}

/** What tells pools of one agent apart. */
export interface PoolSpec {
  readonly kind: number;
  /** Row of the role it is reserved to; `NONE`: unreserved. */
  readonly owner: number;
  readonly needs: number;
  readonly stack: ReservedPart['stack'];
  readonly reservationId: string | undefined;
  readonly volumeId: string | undefined;
  readonly isShared: boolean;
}

/** Capacity of agents by sort: one row per agent and sort, chained by agent. */
export class PoolTable {
  agent = new Int32Array(16);
  next = new Int32Array(16).fill(NONE);
  kind = new Uint8Array(16);
  owner = new Int32Array(16);
  needs = new Int32Array(16);
  /** Filters over the agent are judged for at most this much; more makes them be judged anew. */
  readonly judged: VectorColumn;
  readonly total: VectorColumn;
  /** `total` less what is offered or used; below zero when the agent shrank or is overused. */
  readonly free: VectorColumn;
  /** The part that is held for somebody; it counts as free here. */
  readonly held: VectorColumn;
  readonly totalPorts: PortRanges[] = [];
  readonly freePorts: PortRanges[] = [];
  readonly judgedPorts: PortRanges[] = [];
  readonly spec: PoolSpec[] = [];
  /** For a shared volume: the run in which it was last offered. */
  offeredInRun = new Int32Array(16);
  readonly #rows = new RowNumbers();

  constructor(space: VectorSpace) {
    this.total = space.column();
    this.free = space.column();
    this.held = space.column();
    this.judged = space.column();
  }

  add(agent: number, spec: PoolSpec): number {
    const row = this.#rows.take();
    if (row >= this.agent.length) {
      this.agent = grownInts(this.agent, row + 1);
      this.next = grownInts(this.next, row + 1, NONE);
      this.kind = grownBytes(this.kind, row + 1);
      this.owner = grownInts(this.owner, row + 1);
      this.needs = grownInts(this.needs, row + 1);
      this.offeredInRun = grownInts(this.offeredInRun, row + 1);
    }
    for (const column of [this.total, this.free, this.held, this.judged]) {
      column.ensure(row);
      column.clear(row);
    }
    this.agent[row] = agent;
    this.next[row] = NONE;
    this.kind[row] = spec.kind;
    this.owner[row] = spec.owner;
    this.needs[row] = spec.needs;
    this.offeredInRun[row] = 0;
    this.totalPorts[row] = NO_PORTS;
    this.freePorts[row] = NO_PORTS;
    this.judgedPorts[row] = NO_PORTS;
    this.spec[row] = spec;
    return row;
  }

  /** A shared volume: what is offered or used of it stays free for others. */
  isShared(row: number): boolean {
    return this.kind[row] === PoolKind.volume && this.spec[row]?.isShared === true;
  }

  release(row: number): void {
    this.totalPorts[row] = NO_PORTS;
    this.freePorts[row] = NO_PORTS;
    this.judgedPorts[row] = NO_PORTS;
    this.#rows.release(row);
  }
}
