import { createSeededRng } from '../../model/seededRng.ts';
import { comparePaths } from '../rolePaths.ts';
import type { Core } from './core.ts';
import type { Stage } from './cycle.ts';
import { inverseOffersOn } from './frameworkEvents.ts';
import { NONE } from './roleTree.ts';
import type { EngineOffer, EnginePlan, InverseOffer, RunInProgress, RunOptions } from './types.ts';

/** What a run goes through, in order; each step of it is one piece of preparation, one agent, or one offer that is made. */
type Phase = 'candidates' | 'names' | 'order' | Stage | 'offers' | 'done';

const NEXT_PHASE = {
  candidates: 'names',
  names: 'order',
  order: 'guarantees',
  guarantees: 'rest',
  rest: 'uncapped',
  uncapped: 'offers',
  offers: 'done',
  done: 'done',
} as const satisfies Record<Phase, Phase>;

/**
 * One run over the agents that are due, carried out in pieces.
 *
 * Candidates come in order of agent id and are shuffled once per stage, so that the same history and seed give the
 * same offers.
 */
export class Run implements RunInProgress {
  readonly #core: Core;
  readonly #rng: ReturnType<typeof createSeededRng>;
  readonly #deliver: ((offer: EngineOffer) => void) | undefined;
  #candidates: Int32Array = new Int32Array(0);
  readonly #seesAll: boolean;
  #order: Int32Array = new Int32Array(0);
  #phase: Phase = 'candidates';
  #at = 0;
  readonly #offers: EngineOffer[] = [];
  #inverse: InverseOffer[] = [];

  constructor(core: Core, options: RunOptions, deliver?: (offer: EngineOffer) => void) {
    this.#core = core;
    this.#deliver = deliver;
    this.#rng = createSeededRng(String(options.seed));
    core.nowMs = options.nowMs;
    core.ledger.run++;
    core.ledger.filters.expire(options.nowMs, (agent) => core.freed(agent));
    endBackOffs(core);
    this.#seesAll = core.isAllDue;
    core.cycle.start(options.nowMs, this.#rng);
  }

  step(agents: number): boolean {
    for (let left = agents; left > 0 && this.#phase !== 'done'; left--) this.#advance();
    return this.#phase === 'done';
  }

  plan(): EnginePlan {
    return { offers: this.#offers, inverseOffers: this.#inverse };
  }

  #advance(): void {
    const { cycle, ledger } = this.#core;
    if (this.#phase === 'candidates' || this.#phase === 'names' || this.#phase === 'order') {
      this.#prepare(this.#phase);
      return;
    }
    const at = this.#at++;
    if (this.#phase === 'offers') {
      if (at >= cycle.book.count) return this.#finish();
      const offer = cycle.book.offer(at);
      this.#offers.push(offer);
      this.#deliver?.(offer);
      return;
    }
    if (at >= this.#order.length || this.#phase === 'done') return this.#endPhase();
    const agent = this.#order[at] as number;
    cycle.visit(agent, this.#phase);
    if (this.#phase === 'rest' && !this.#seesAll) ledger.filters.sawAgent(agent, ledger.run);
  }

  /** With tens of thousands of agents each of these takes milliseconds. */
  #prepare(phase: 'candidates' | 'names' | 'order'): void {
    const core = this.#core;
    const { ledger } = core;
    switch (phase) {
      case 'candidates':
        this.#candidates = takeDue(core);
        // Only now: filters that are due must have been seen by a run before this one.
        if (this.#seesAll) ledger.filters.seesAll(ledger.run);
        markHoarders(core);
        break;
      case 'names':
        ledger.clients.shares.rankNames();
        ledger.roles.shares.rankNames();
        ledger.settleClosed();
        if (ledger.quota.guaranteed.size > 0) ledger.settleHeadroom();
        break;
      case 'order':
        this.#order = this.#inSeededOrder();
    }
    this.#endPhase();
    if (this.#phase === 'guarantees' && !ledger.quota.hasUnmet()) this.#endPhase();
  }

  #endPhase(): void {
    this.#phase = NEXT_PHASE[this.#phase];
    if (this.#phase === 'uncapped' && this.#core.options.offers !== 'fairShare')
      this.#phase = 'offers';
    this.#at = 0;
    if (this.#phase === 'rest') this.#order = this.#inSeededOrder();
  }

  #finish(): void {
    this.#phase = 'done';
    const { hasWindow } = this.#core.ledger.agents;
    for (const agent of this.#candidates)
      if (hasWindow[agent] === 1) this.#inverse.push(...inverseOffersOn(this.#core, agent));
  }

  #inSeededOrder(): Int32Array {
    const order = this.#candidates.slice();
    for (let last = order.length - 1; last > 0; last--) {
      const other = this.#rng.int(last + 1);
      const kept = order[last] as number;
      order[last] = order[other] as number;
      order[other] = kept;
    }
    if (this.#core.options.agentOrder === 'bestFit') orderByFree(this.#core, order);
    return order;
  }
}

/** Rows of agents that take part, in order of id; nothing is due afterwards. */
function takeDue(core: Core): Int32Array {
  const { agents } = core.ledger;
  let rows: Int32Array;
  if (core.isAllDue) rows = agents.inOrder().filter((agent) => agents.open[agent] === 1);
  else {
    const due = core.dueAgents.filter((agent) => {
      const isDue = agents.due[agent] === 1 && agents.open[agent] === 1;
      agents.due[agent] = 0;
      return isDue;
    });
    due.sort((left, right) =>
      comparePaths(agents.ids[left] as string, agents.ids[right] as string),
    );
    rows = Int32Array.from(due);
  }
  for (const agent of core.dueAgents) agents.due[agent] = 0;
  core.dueAgents.length = 0;
  core.isAllDue = false;
  return rows;
}

function endBackOffs(core: Core): void {
  for (const framework of core.backedOff) {
    if (framework.backedOffUntilMs > core.nowMs) continue;
    core.backedOff.delete(framework);
    core.dueAll();
  }
}

/** Marks clients with an offer that waits longer than it may. */
function markHoarders(core: Core): void {
  const { hoardAfterMs } = core.options;
  if (hoardAfterMs === undefined) return;
  const { agents, holdings, clients } = core.ledger;
  const hoarding = new Uint8Array(clients.rowCount);
  for (const agent of agents.rows())
    for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
      const ageMs = core.nowMs - (holdings.offeredAtMs[row] as number);
      if (ageMs > hoardAfterMs && core.isOffered(row)) hoarding[holdings.client[row] as number] = 1;
      row = holdings.next[row] as number;
    }
  core.cycle.hoarding = hoarding;
}

/** The fullest agent first: what is left of it is the best fit for a small offer. Ties keep the seeded order. */
function orderByFree(core: Core, order: Int32Array): void {
  const { agents, pools, totals, space } = core.ledger;
  const free = new Map<number, number>();
  for (const agent of order) {
    let sum = 0;
    const pool = agents.firstPool[agent] as number;
    for (let k = 0; k < space.names.length; k++) {
      const total = totals.column.data[k] as number;
      if (total > 0) sum += Math.max(0, pools.free.data[pool * space.stride + k] as number) / total;
    }
    free.set(agent, sum);
  }
  order.sort((left, right) => (free.get(left) ?? 0) - (free.get(right) ?? 0));
}
