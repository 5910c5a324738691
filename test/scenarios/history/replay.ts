import type {
  AllocatorEngine,
  AllocatorEvent,
  EngineOffer,
} from '../../../operator/src/allocator/engine/types.ts';
import { agentId, frameworkId, rolePath } from '../../../operator/src/model/ids.ts';
import { Books, flatten, type Holding, partsOfFlat } from './books.ts';
import { faultsOfRun, unmetGuarantees } from './invariants.ts';

/** One random move; numbers choose among what there is at that moment. */
export type Move =
  | { readonly kind: 'event'; readonly event: AllocatorEvent }
  /** Answers some outstanding offer: uses a part (eighths), gives the rest back or keeps it. */
  | {
      readonly kind: 'answer';
      readonly which: number;
      readonly eighths: number;
      readonly keeps: boolean;
      readonly refuseMs: number;
    }
  | { readonly kind: 'finish'; readonly which: number }
  | { readonly kind: 'reserveHeld'; readonly which: number; readonly eighths: number }
  /** Takes the last level off something reserved that is held. */
  | { readonly kind: 'unreserveHeld'; readonly which: number }
  /** Makes reserved disk that is held a volume, or a held volume disk. */
  | { readonly kind: 'makeVolume' | 'breakVolume'; readonly which: number; readonly bytes: number }
  | { readonly kind: 'advance'; readonly seconds: number };

export interface ReplayOptions {
  /** Seeds of runs; a planted bug may vary them. */
  readonly seedOf: (run: number) => number;
}

/** Replays moves against an engine and its books; the faults, and every plan as text. */
export class Replay {
  readonly books = new Books();
  readonly faults: string[] = [];
  readonly plans: string[] = [];
  readonly #engine: AllocatorEngine;
  readonly #options: ReplayOptions;
  #nowMs = 0;
  #runs = 0;
  #volumes = 0;

  constructor(engine: AllocatorEngine, options: ReplayOptions) {
    this.#engine = engine;
    this.#options = options;
  }

  play(move: Move): void {
    switch (move.kind) {
      case 'event':
        this.apply(move.event);
        break;
      case 'answer':
        this.#answer(move);
        break;
      case 'finish': {
        const one = this.#pick((holding) => holding.used, move.which);
        if (one !== undefined)
          this.apply({ kind: 'recover', ...refOf(one), parts: partsOfFlat(one.used) });
        break;
      }
      case 'reserveHeld':
        this.#reserveHeld(move);
        break;
      case 'unreserveHeld':
        this.#unreserveHeld(move.which);
        break;
      case 'makeVolume':
      case 'breakVolume':
        this.#reshape(move);
        break;
      case 'advance':
        this.#nowMs += move.seconds * 1000;
        this.#engine.tick();
        this.run();
        this.faults.push(...unmetGuarantees(this.books));
        break;
    }
    this.run();
    this.#compareLedgers();
  }

  /** An event and what it rescinds, entered in the books when the engine accepts it. */
  apply(event: AllocatorEvent): boolean {
    const applied = this.#engine.apply(event, this.#nowMs);
    if (applied.kind === 'refused') return false;
    this.books.enter(event);
    this.books.rescind(applied.rescinds);
    return true;
  }

  run(): readonly EngineOffer[] {
    if (!this.#engine.isDue()) return [];
    this.#runs++;
    const { offers } = this.#engine.allocate({
      nowMs: this.#nowMs,
      seed: this.#options.seedOf(this.#runs),
    });
    this.faults.push(...faultsOfRun(this.books, offers));
    for (const offer of offers) this.books.enterOffer(offer);
    this.plans.push(
      offers
        .map((one) => `${one.framework} ${one.role} ${one.agent} ${wordsOf(flatten(one))}`)
        .join('; '),
    );
    return offers;
  }

  /** Gives everything back and lets one newcomer take it: it must be exactly what the agents have. */
  settleUp(): void {
    for (const role of this.books.quotas.keys())
      this.apply({ kind: 'removeQuota', role: rolePath(role) });
    for (const framework of this.books.frameworks.keys())
      this.apply({ kind: 'removeFramework', id: frameworkId(framework) });
    const id = frameworkId('heir');
    this.apply({
      kind: 'addFramework',
      id,
      roles: [rolePath('heir')],
      capabilities: ['MULTI_ROLE', 'REVOCABLE_RESOURCES'],
    });
    this.#nowMs += 1_000_000;
    this.#engine.tick();
    this.run();
    for (const [agent, { total }] of this.books.agents) {
      const expected = wordsOf(
        new Map([...total].filter(([key, amount]) => /^[ur]:/.test(key) && amount > 0)),
      );
      const got = wordsOf(this.books.heldOn(agent));
      if (got !== expected) this.faults.push(`leaked on ${agent}: ${expected} became ${got}`);
    }
    this.#compareLedgers();
  }

  #answer(move: Extract<Move, { kind: 'answer' }>): void {
    const one = this.#pick((holding) => holding.offered, move.which);
    if (one === undefined) return;
    const part = eighthsOf(one.offered, move.eighths);
    if (part.size > 0) this.apply({ kind: 'use', ...refOf(one), parts: partsOfFlat(part) });
    if (!move.keeps && one.offered.size > 0)
      this.apply({
        kind: 'recover',
        ...refOf(one),
        parts: partsOfFlat(one.offered),
        refuseMs: move.refuseMs,
      });
  }

  #reserveHeld(move: Extract<Move, { kind: 'reserveHeld' }>): void {
    const one = this.#pick((holding) => holding.offered, move.which);
    if (one === undefined) return;
    const { resources = {} } = partsOfFlat(eighthsOf(one.offered, move.eighths));
    if (Object.keys(resources).length === 0) return;
    this.apply({ kind: 'reserve', ...refOf(one), stack: [one.role], resources });
  }

  #unreserveHeld(which: number): void {
    const one = this.#pick((holding) => holding.offered, which);
    const [part] = partsOfFlat(one?.offered ?? new Map()).reserved ?? [];
    if (one === undefined || part === undefined) return;
    const { stack, resources } = part;
    if (Object.keys(resources).length === 0) return;
    this.apply({ kind: 'unreserve', ...refOf(one), stack, resources });
  }

  #reshape(move: Extract<Move, { kind: 'makeVolume' | 'breakVolume' }>): void {
    const one = this.#pick((holding) => holding.offered, move.which);
    const { reserved = [], volumes = [] } = partsOfFlat(one?.offered ?? new Map());
    if (one === undefined) return;
    const [volume] = volumes;
    if (move.kind === 'breakVolume') {
      if (volume !== undefined) this.apply({ kind: 'destroyVolume', ...refOf(one), id: volume.id });
      return;
    }
    const part = reserved.find(({ resources }) => (resources['disk'] ?? 0) >= move.bytes);
    if (part === undefined) return;
    this.apply({
      kind: 'createVolume',
      ...refOf(one),
      id: `v${++this.#volumes}`,
      sizeBytes: move.bytes,
      shared: false,
      stack: part.stack,
    });
  }

  #pick(
    partOf: (holding: Holding) => ReadonlyMap<string, number>,
    which: number,
  ): Holding | undefined {
    const all = [...this.books.holdings.values()].filter((one) => partOf(one).size > 0);
    return all[which % Math.max(1, all.length)];
  }

  /** Neither lost nor doubled: the engine holds for everybody exactly what the books say. */
  #compareLedgers(): void {
    for (const one of this.books.holdings.values()) {
      const { offered, used } = this.#engine.held(refOf(one));
      const got = `offered ${wordsOf(flatten(offered))}, used ${wordsOf(flatten(used))}`;
      const expected = `offered ${wordsOf(one.offered)}, used ${wordsOf(one.used)}`;
      if (got !== expected)
        this.faults.push(
          `ledger: ${one.framework} ${one.role} ${one.agent}: ${expected} but ${got}`,
        );
    }
    this.faults.push(...this.#engine.audit().map((fault) => `audit: ${fault}`));
  }
}

function refOf(one: Holding) {
  return {
    framework: frameworkId(one.framework),
    role: rolePath(one.role),
    agent: agentId(one.agent),
  };
}

function eighthsOf(flat: ReadonlyMap<string, number>, eighths: number): Map<string, number> {
  const part = new Map<string, number>();
  for (const [key, amount] of flat) {
    // A volume is taken whole or not at all.
    const isWhole = key.startsWith('v:');
    const some = isWhole ? (eighths >= 4 ? amount : 0) : Math.floor((amount * eighths) / 8);
    if (some > 0) part.set(key, some);
  }
  return part;
}

function wordsOf(flat: ReadonlyMap<string, number>): string {
  return [...flat]
    .filter(([, amount]) => amount !== 0)
    .map(([key, amount]) => `${key}=${amount}`)
    .toSorted()
    .join(',');
}
