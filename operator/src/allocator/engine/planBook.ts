import type { AgentId, FrameworkId, RolePath } from '../../model/ids.ts';
import { add, NO_RESOURCES, type Resources } from '../../model/resources.ts';
import { PoolKind } from './agentTable.ts';
import { grownInts, type VectorColumn } from './columns.ts';
import type { Ledger } from './ledger.ts';
import type { Pieces } from './pieces.ts';
import { NO_PORTS, union } from './ranges.ts';
import { NONE } from './roleTree.ts';
import type { EngineOffer, PortRanges, ReservedPart, VolumePart } from './types.ts';

/** What a run granted, by columns; offers are made of it once, when the run has decided. */
export class PlanBook {
  /** Grants so far: one per client and agent. */
  count = 0;
  #client = new Int32Array(64);
  #agent = new Int32Array(64);
  #firstPiece = new Int32Array(64);
  /** By agent: its latest grant, and the one before that of the same agent. */
  #latest = new Int32Array(64).fill(NONE);
  #before = new Int32Array(64);
  #pieces = 0;
  #pool = new Int32Array(64);
  #nextPiece = new Int32Array(64);
  readonly #amounts: VectorColumn;
  readonly #fromHold: VectorColumn;
  readonly #ports: PortRanges[] = [];
  readonly #ledger: Ledger;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#amounts = ledger.space.column();
    this.#fromHold = ledger.space.column();
  }

  clear(): void {
    this.count = 0;
    this.#pieces = 0;
    this.#latest.fill(NONE);
    this.#ports.length = 0;
  }

  /** Enters one granted draft; a second one for the same client and agent joins the first. */
  grant(client: number, agent: number): number {
    if (agent >= this.#latest.length) this.#latest = grownInts(this.#latest, agent + 1, NONE);
    for (let at = this.#latest[agent] as number; at !== NONE; at = this.#before[at] as number)
      if (this.#client[at] === client) return at;
    const at = this.count++;
    if (at >= this.#client.length) {
      this.#client = grownInts(this.#client, at + 1);
      this.#agent = grownInts(this.#agent, at + 1);
      this.#firstPiece = grownInts(this.#firstPiece, at + 1);
      this.#before = grownInts(this.#before, at + 1);
    }
    this.#client[at] = client;
    this.#agent[at] = agent;
    this.#firstPiece[at] = NONE;
    this.#before[at] = this.#latest[agent] as number;
    this.#latest[agent] = at;
    return at;
  }

  /** True when the run granted something to a client on an agent. */
  has(client: number, agent: number): boolean {
    if (agent >= this.#latest.length) return false;
    for (let at = this.#latest[agent] as number; at !== NONE; at = this.#before[at] as number)
      if (this.#client[at] === client) return true;
    return false;
  }

  /** Adds one piece of a draft to a grant; `fromHold` is what came out of the client's hold. */
  addPiece(grant: number, pieces: Pieces, at: number, fromHold: Float64Array): void {
    const { stride } = this.#ledger.space;
    const row = this.#pieces++;
    if (row >= this.#pool.length) {
      this.#pool = grownInts(this.#pool, row + 1);
      this.#nextPiece = grownInts(this.#nextPiece, row + 1);
    }
    this.#amounts.ensure(row);
    this.#fromHold.ensure(row);
    for (let k = 0; k < stride; k++) {
      this.#amounts.data[row * stride + k] = pieces.amounts.data[at * stride + k] as number;
      this.#fromHold.data[row * stride + k] = fromHold[k] as number;
    }
    this.#pool[row] = pieces.pool[at] as number;
    this.#ports[row] = pieces.ports[at] ?? NO_PORTS;
    this.#nextPiece[row] = this.#firstPiece[grant] as number;
    this.#firstPiece[grant] = row;
  }

  /** One grant as an offer. */
  offer(at: number): EngineOffer {
    const { agents, clients, roles, pools } = this.#ledger;
    const client = this.#client[at] as number;
    const agent = this.#agent[at] as number;
    const offer = {
      framework: clients.framework[client]?.id as FrameworkId,
      role: roles.paths[clients.role[client] as number] as RolePath,
      agent: agents.ids[agent] as AgentId,
      resources: NO_RESOURCES,
      ports: NO_PORTS,
      reserved: NO_RESERVED,
      revocable: NO_RESOURCES,
      volumes: NO_VOLUMES,
      fromHold: (agents.holds[agent] as number) > 0 ? {} : NO_RESOURCES,
    };
    for (let row = this.#firstPiece[at] as number; row !== NONE; ) {
      const pool = this.#pool[row] as number;
      switch (pools.kind[pool]) {
        case PoolKind.unreserved:
          offer.resources = this.#sumWith(offer.resources, row);
          offer.ports = union(offer.ports, this.#ports[row] ?? NO_PORTS);
          break;
        case PoolKind.revocable:
          offer.revocable = this.#ledger.space.write(
            this.#amounts.data,
            row * this.#ledger.space.stride,
          );
          break;
        case PoolKind.reserved:
          offer.reserved = this.#withReserved(offer.reserved, pool, row);
          break;
        default:
          offer.volumes = withVolume(offer.volumes, {
            id: pools.spec[pool]?.volumeId ?? '',
            sizeBytes: this.#amounts.data[row * this.#ledger.space.stride + 2] as number,
          });
      }
      if ((agents.holds[agent] as number) > 0) this.#addTo(offer.fromHold, this.#fromHold, row);
      row = this.#nextPiece[row] as number;
    }
    if (agents.hasWindow[agent] === 0) return offer;
    const unavailability = agents.info[agent]?.unavailability;
    return unavailability === undefined ? offer : { ...offer, unavailability };
  }

  /** Two stages may have granted parts of one pool. */
  #sumWith(before: Resources, row: number): Resources {
    const { space } = this.#ledger;
    const own = space.write(this.#amounts.data, row * space.stride);
    return before === NO_RESOURCES ? own : add(before, own);
  }

  #addTo(sum: { [name: string]: number }, from: VectorColumn, row: number): void {
    const { names, stride } = this.#ledger.space;
    for (let k = 0; k < names.length; k++) {
      const amount = from.data[row * stride + k] as number;
      if (amount > 0) sum[names[k] as string] = (sum[names[k] as string] ?? 0) + amount;
    }
  }

  #withReserved(
    before: readonly ReservedPart[],
    pool: number,
    row: number,
  ): readonly ReservedPart[] {
    const spec = this.#ledger.pools.spec[pool];
    const resources: { [name: string]: number } = {};
    this.#addTo(resources, this.#amounts, row);
    const ports = this.#ports[row] ?? NO_PORTS;
    const part: ReservedPart = {
      stack: spec?.stack ?? [],
      resources,
      ...(ports.length > 0 ? { ports } : {}),
      ...(spec?.reservationId === undefined ? {} : { reservationId: spec.reservationId }),
    };
    return [part, ...before];
  }
}

const NO_RESERVED: readonly ReservedPart[] = Object.freeze([]);
const NO_VOLUMES: readonly VolumePart[] = Object.freeze([]);

function withVolume(before: readonly VolumePart[], volume: VolumePart): readonly VolumePart[] {
  if (volume.sizeBytes === 0 || before.some((one) => one.id === volume.id)) return before;
  return [volume, ...before];
}
