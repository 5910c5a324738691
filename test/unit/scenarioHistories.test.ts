import { describe, expect, jest, test } from '@jest/globals';
import * as fc from 'fast-check';
import { createAllocatorEngine } from '../../operator/src/allocator/engine/allocatorEngine.ts';
import type {
  AllocatorEngine,
  AllocatorEvent,
  EngineOptions,
} from '../../operator/src/allocator/engine/types.ts';
import { histories } from '../scenarios/history/moves.ts';
import { type Move, Replay } from '../scenarios/history/replay.ts';

/** Random histories take seconds, and a loaded machine several times that. */
jest.setTimeout(60_000);

const OPTIONS: EngineOptions = {
  mode: 'mezzo',
  minAllocatable: [],
  fairnessExclude: [],
  sorter: 'drf',
  offers: 'coarse',
  agentOrder: 'random',
  allocationIntervalMs: 1000,
};

/** An engine that hears other events than it is told, or none in place of one. */
function deafTo(
  engine: AllocatorEngine,
  heard: (event: AllocatorEvent) => AllocatorEvent | undefined,
): AllocatorEngine {
  return {
    ...methodsOf(engine),
    apply(event, nowMs) {
      const instead = heard(event);
      return instead === undefined ? { kind: 'ok', rescinds: [] } : engine.apply(instead, nowMs);
    },
  };
}

function methodsOf(engine: AllocatorEngine): AllocatorEngine {
  return {
    apply: (event, nowMs) => engine.apply(event, nowMs),
    tick: () => engine.tick(),
    isDue: () => engine.isDue(),
    nextExpiryMs: () => engine.nextExpiryMs(),
    allocate: (run, deliver) => engine.allocate(run, deliver),
    begin: (run, deliver) => engine.begin(run, deliver),
    why: (framework, role) => engine.why(framework, role),
    roles: () => engine.roles(),
    conditions: () => engine.conditions(),
    metrics: () => engine.metrics(),
    held: (holder) => engine.held(holder),
    audit: () => engine.audit(),
    order: (role, seed) => engine.order(role, seed),
  };
}

function replayed(
  moves: readonly Move[],
  options: Partial<EngineOptions> = {},
  plant: (engine: AllocatorEngine) => AllocatorEngine = (engine) => engine,
  seedOf: (run: number) => number = (run) => run,
): Replay {
  const replay = new Replay(plant(createAllocatorEngine({ ...OPTIONS, ...options })), { seedOf });
  for (const move of moves) replay.play(move);
  replay.play({ kind: 'advance', seconds: 1 });
  replay.settleUp();
  return replay;
}

/** Which of up to 200 histories first shows such a fault; undefined: none does. */
function shownBy(
  wanted: string,
  plant: (engine: AllocatorEngine) => AllocatorEngine,
  options: Partial<EngineOptions> = {},
): number | undefined {
  const all = fc.sample(histories, { numRuns: 200, seed: 7 });
  const index = all.findIndex((moves) =>
    replayed(moves, options, plant).faults.some((fault) => fault.startsWith(wanted)),
  );
  return index < 0 ? undefined : index;
}

describe('long random histories', () => {
  test.each<Partial<EngineOptions>>([
    {},
    { sorter: 'random' },
    { offers: 'fairShare' },
    { agentOrder: 'bestFit' },
  ])('never above total or limit, guarantees met, nothing leaked or doubled: %j', (options) => {
    fc.assert(
      fc.property(histories, (moves) => {
        expect(replayed(moves, options).faults).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  test("as Mesos does it: all but the limits of sub-roles, which Mesos's limits do not bind", () => {
    fc.assert(
      fc.property(histories, (moves) => {
        const { faults } = replayed(moves, { mode: 'mesos' });
        expect(faults.filter((fault) => !fault.startsWith('over limit'))).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  test('the same history and seeds give the same plans', () => {
    fc.assert(
      fc.property(histories, (moves) => {
        expect(replayed(moves, { sorter: 'random' }).plans).toEqual(
          replayed(moves, { sorter: 'random' }).plans,
        );
      }),
      { numRuns: 15 },
    );
  });
});

describe('the properties can fail', () => {
  test('above total: an engine that takes agents for larger than they are', () => {
    const plant = (engine: AllocatorEngine) =>
      deafTo(engine, (event) =>
        event.kind === 'addAgent' && event.total !== undefined
          ? { ...event, total: { ...event.total, cpus: (event.total['cpus'] ?? 0) + 1 } }
          : event,
      );
    expect(shownBy('over total', plant)).toBeDefined();
  });

  test('above limit: an engine that binds top-level roles only', () => {
    expect(shownBy('over limit', (engine) => engine, { mode: 'mesos' })).toBeDefined();
  });

  test('guarantees: an engine that forgets them', () => {
    const plant = (engine: AllocatorEngine) =>
      deafTo(engine, (event) =>
        event.kind === 'setQuota'
          ? { ...event, guarantees: {}, limits: { cpus: 0, mem: 0 } }
          : event,
      );
    expect(shownBy('guarantee:', plant)).toBeDefined();
  });

  test('entitlement: an engine that does not hear who suppresses', () => {
    const plant = (engine: AllocatorEngine) =>
      deafTo(engine, (event) => (event.kind === 'suppress' ? undefined : event));
    expect(shownBy('not entitled', plant)).toBeDefined();
  });

  test('leaks: an engine that misses what is given back', () => {
    const plant = (engine: AllocatorEngine) =>
      deafTo(engine, (event) => (event.kind === 'recover' ? undefined : event));
    expect(shownBy('ledger:', plant)).toBeDefined();
  });

  test('leaks at the end: an engine that keeps what a removed framework held', () => {
    const plant = (engine: AllocatorEngine) =>
      deafTo(engine, (event) => (event.kind === 'removeFramework' ? undefined : event));
    expect(shownBy('leaked on', plant)).toBeDefined();
  });

  test('determinism: runs with other seeds give other plans', () => {
    const differs = fc.sample(histories, { numRuns: 60, seed: 7 }).some(
      (moves) =>
        replayed(moves, { sorter: 'random' }).plans.join('\n') !==
        replayed(
          moves,
          { sorter: 'random' },
          (engine) => engine,
          (run) => run + 1000,
        ).plans.join('\n'),
    );
    expect(differs).toBe(true);
  });
});
