import { createSeededRng } from '../../model/seededRng.ts';
import { addAgent, removeAgent, setUnavailability, updateAgent, whitelist } from './agentEvents.ts';
import { audit } from './audit.ts';
import { Core, refused } from './core.ts';
import { conditionsOf, metricsOf, rolesOf } from './figures.ts';
import {
  addFramework,
  answerInverseOffer,
  removeFramework,
  revive,
  setActive,
  suppress,
  updateFramework,
} from './frameworkEvents.ts';
import { expire, heldParts, hold, recover, unhold, use } from './holdingEvents.ts';
import { removeQuota, setQuota, setSorter, setWeight } from './quotaEvents.ts';
import {
  createVolume,
  destroyVolume,
  reserve,
  resizeVolume,
  unreserve,
} from './reservationEvents.ts';
import { Run } from './run.ts';
import type {
  AllocatorEngine,
  AllocatorEvent,
  Applied,
  EngineOffer,
  EngineOptions,
  EnginePlan,
  RunInProgress,
  RunOptions,
} from './types.ts';
import { whyNot } from './why.ts';

type Handlers = {
  readonly [Kind in AllocatorEvent['kind']]: (
    core: Core,
    event: Extract<AllocatorEvent, { kind: Kind }>,
  ) => Applied;
};

/** What each event does. */
const HANDLERS = {
  addAgent,
  updateAgent,
  removeAgent,
  addFramework,
  updateFramework,
  removeFramework,
  activate: setActive,
  deactivate: setActive,
  setQuota,
  removeQuota,
  setWeight,
  setSorter,
  reserve,
  unreserve,
  createVolume,
  destroyVolume,
  resizeVolume,
  recover,
  expire,
  use,
  hold,
  unhold,
  suppress,
  revive,
  setUnavailability,
  answerInverseOffer,
  whitelist,
} as const satisfies Handlers;

/** An engine without agents, frameworks or roles. */
export function createAllocatorEngine(options: EngineOptions): AllocatorEngine {
  return new Engine(options);
}

class Engine implements AllocatorEngine {
  readonly #core: Core;
  #running: Run | undefined;

  constructor(options: EngineOptions) {
    this.#core = new Core(options);
  }

  apply(event: AllocatorEvent, nowMs: number): Applied {
    if (this.#running !== undefined)
      return refused(`a run is in progress; ${event.kind} must wait until it is complete`);
    this.#core.nowMs = nowMs;
    const handler = HANDLERS[event.kind] as (core: Core, one: AllocatorEvent) => Applied;
    return handler(this.#core, event);
  }

  tick(): void {
    this.#core.dueAll();
  }

  isDue(): boolean {
    return this.#core.isAllDue || this.#core.dueAgents.length > 0;
  }

  nextExpiryMs(): number | undefined {
    let nextMs = this.#core.ledger.filters.nextExpiryMs();
    for (const { backedOffUntilMs } of this.#core.backedOff)
      nextMs = Math.min(nextMs ?? backedOffUntilMs, backedOffUntilMs);
    return nextMs;
  }

  allocate(run: RunOptions, deliver?: (offer: EngineOffer) => void): EnginePlan {
    const progress = this.begin(run, deliver);
    while (!progress.step(Number.MAX_SAFE_INTEGER));
    return progress.plan();
  }

  begin(options: RunOptions, deliver?: (offer: EngineOffer) => void): RunInProgress {
    const run = new Run(this.#core, options, deliver);
    this.#running = run;
    return {
      step: (agents) => {
        const isDone = run.step(agents);
        if (isDone && this.#running === run) this.#running = undefined;
        return isDone;
      },
      plan: () => run.plan(),
    };
  }

  why(
    ...[framework, role]: Parameters<AllocatorEngine['why']>
  ): ReturnType<AllocatorEngine['why']> {
    return whyNot(this.#core, framework, role);
  }

  roles(): ReturnType<AllocatorEngine['roles']> {
    return rolesOf(this.#core);
  }

  conditions(): ReturnType<AllocatorEngine['conditions']> {
    return conditionsOf(this.#core);
  }

  metrics(): Readonly<Record<string, number>> {
    return metricsOf(this.#core);
  }

  order(...[role, seed]: Parameters<AllocatorEngine['order']>): readonly string[] {
    return this.#core.cycle.order(role, createSeededRng(String(seed)));
  }

  held(...[holder]: Parameters<AllocatorEngine['held']>): ReturnType<AllocatorEngine['held']> {
    return heldParts(this.#core, holder);
  }

  audit(): readonly string[] {
    return audit(this.#core);
  }
}
