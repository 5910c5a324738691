import { describe, expect, test } from '@jest/globals';
import { agentId, frameworkId, rolePath } from '../model/ids.ts';
import { allocate } from './allocate.ts';
import { consumptionOf, wouldExceed } from './quotaCheck.ts';
import type {
  AllocateOptions,
  Allocation,
  AllocatorAgent,
  AllocatorFramework,
  AllocatorSnapshot,
  RoleSpec,
} from './types.ts';

function agent(id: string, cpus: number, more: Partial<AllocatorAgent> = {}): AllocatorAgent {
  return {
    id: agentId(id),
    total: { cpus },
    revocable: {},
    reservations: [],
    attributes: {},
    schedulable: true,
    hasGpus: false,
    ...more,
  };
}

function framework(
  id: string,
  path: string,
  more: Partial<AllocatorFramework> = {},
): AllocatorFramework {
  return {
    id: frameworkId(id),
    roles: [rolePath(path)],
    suppressedRoles: [],
    active: true,
    capabilities: { revocable: false, gpu: false },
    ...more,
  };
}

function role(path: string, more: Partial<RoleSpec> = {}): RoleSpec {
  return { path: rolePath(path), weightMilli: 1000, guarantees: {}, limits: {}, ...more };
}

function taken(
  kind: Allocation['kind'],
  who: string,
  where: string,
  cpus: number,
  more: Partial<Allocation> = {},
): Allocation {
  return {
    kind,
    agent: agentId(where),
    framework: frameworkId(who),
    role: rolePath(who.toLowerCase()),
    resources: { cpus },
    revocable: {},
    ...more,
  };
}

function plan(snapshot: Partial<AllocatorSnapshot>, options: Partial<AllocateOptions> = {}) {
  return allocate(
    { agents: [], roles: [], frameworks: [], allocations: [], filters: [], ...snapshot },
    {
      nowMs: 0,
      seed: 1,
      minAllocatable: [{ cpus: 10 }],
      mode: 'mezzo',
      fairnessExclude: [],
      ...options,
    },
  );
}
const offersOf = (given: Parameters<typeof plan>[0], options: Partial<AllocateOptions> = {}) =>
  plan(given, options).offers.map(
    (one) => `${one.framework} ${one.agent} ${one.resources['cpus'] ?? 0}`,
  );

const A = framework('A', 'a');
const B = framework('B', 'b');

describe('holds', () => {
  const held = [taken('task', 'B', 'A1', 2000), taken('hold', 'A', 'A1', 3000)];

  test('held capacity is offered to the one it is held for, and to nobody else', () => {
    const [first, second] = plan({
      agents: [agent('A1', 6000)],
      frameworks: [A, B],
      allocations: held,
    }).offers;
    expect([first?.framework, second?.framework]).toEqual(['A', 'B']);
    expect(first).toMatchObject({ resources: { cpus: 3000 }, fromHold: { cpus: 3000 } });
    expect(second).toMatchObject({ resources: { cpus: 1000 }, fromHold: {} });
  });

  test('a hold is capped to what is physically free while its victims still run', () => {
    expect(
      offersOf({ agents: [agent('A1', 4000)], frameworks: [A, B], allocations: held }),
    ).toEqual(['A A1 2000']);
  });

  test('what an offer took out of a hold is counted once', () => {
    const offer = taken('offer', 'A', 'A1', 3000, { fromHold: { cpus: 3000 } });
    const allocations = [...held, offer];
    expect(offersOf({ agents: [agent('A1', 6000)], frameworks: [B], allocations })).toEqual([
      'B A1 1000',
    ]);
    const consumed = consumptionOf({
      agents: [agent('A1', 6000)],
      roles: [],
      frameworks: [],
      filters: [],
      allocations,
    });
    expect(consumed.consumed.get('a')).toEqual({ cpus: 3000 });
  });

  test('a former refusal does not keep a framework from what was freed for it', () => {
    const filter = {
      framework: A.id,
      role: rolePath('a'),
      agent: agentId('A1'),
      refused: { cpus: 9000 },
      refusedRevocable: {},
      untilMs: 1,
    };
    const given = { agents: [agent('A1', 6000)], frameworks: [A], filters: [filter] };
    expect(offersOf({ ...given, allocations: held })).toEqual(['A A1 4000']);
    expect(offersOf(given)).toEqual([]);
  });

  test('offering a hold charges neither share nor limit a second time', () => {
    const given = {
      agents: [agent('A1', 10_000)],
      frameworks: [A],
      allocations: [taken('hold', 'A', 'A1', 3000)],
    };
    const limited = plan({ ...given, roles: [role('a', { limits: { cpus: 3000 } })] });
    expect(limited.offers).toMatchObject([{ resources: { cpus: 3000 }, fromHold: { cpus: 3000 } }]);
    expect(limited.shares).toMatchObject([
      { role: 'a', dominantSharePpm: 300_000, allocated: { cpus: 3000 }, offered: { cpus: 3000 } },
    ]);
  });

  test('a hold inside a reservation gives the reservation to its holder only', () => {
    const reservations = [{ role: rolePath('a'), resources: { cpus: 2000 }, reservationId: 'r' }];
    const other = framework('A2', 'a');
    const hold = taken('hold', 'A', 'A1', 2000, { reserved: { cpus: 2000 } });
    const offers = plan({
      agents: [agent('A1', 2000, { reservations })],
      frameworks: [other, A],
      allocations: [hold],
    }).offers;
    expect(offers).toMatchObject([
      { framework: 'A', reserved: { cpus: 2000 }, fromHold: { cpus: 2000 } },
    ]);
  });
});

describe('guarantees', () => {
  const frozen = {
    agents: [agent('A1', 2000), agent('A2', 2000, { schedulable: false })],
    roles: [role('q', { guarantees: { cpus: 2000 } })],
    frameworks: [B],
  };

  test('capacity of a frozen agent is no headroom for them; Mesos counts it', () => {
    expect(offersOf(frozen)).toEqual([]);
    expect(offersOf(frozen, { mode: 'mesos' })).toEqual(['B A1 2000']);
  });
});

describe('reasons', () => {
  test('each agent is counted under the first check that held it back, with the nearest miss', () => {
    const { reasons } = plan(
      {
        agents: [
          agent('A1', 4000),
          agent('A2', 4000, { schedulable: false }),
          agent('A3', 8),
          agent('A4', 3),
          agent('A5', 4000, { hasGpus: true }),
        ],
        roles: [role('a', { limits: { cpus: 5 } })],
        frameworks: [A],
      },
      {},
    );
    expect(reasons).toEqual([
      { framework: 'A', role: 'a', check: 'AgentUnschedulable', agents: 1 },
      { framework: 'A', role: 'a', check: 'GpuAgentHidden', agents: 1 },
      {
        framework: 'A',
        role: 'a',
        check: 'BelowMinAllocatable',
        agents: 2,
        nearest: { agent: 'A3', shortfall: { cpus: 2 } },
      },
      {
        framework: 'A',
        role: 'a',
        check: 'LimitReached',
        agents: 1,
        nearest: { agent: 'A1', shortfall: { cpus: 5 } },
      },
    ]);
  });

  test('inactive and suppressed frameworks are told so, for every agent', () => {
    const frameworks = [
      { ...A, active: false },
      { ...B, suppressedRoles: [rolePath('b')] },
    ];
    expect(plan({ agents: [agent('A1', 1000), agent('A2', 1000)], frameworks }).reasons).toEqual([
      { framework: 'A', role: 'a', check: 'FrameworkInactive', agents: 2 },
      { framework: 'B', role: 'b', check: 'RoleSuppressed', agents: 2 },
    ]);
  });

  test('capacity held for a guarantee is named', () => {
    const given = {
      agents: [agent('A1', 1000)],
      roles: [role('q', { guarantees: { cpus: 1000 } })],
      frameworks: [B],
    };
    expect(plan(given).reasons).toMatchObject([{ check: 'HeldForGuarantees', agents: 1 }]);
  });
});

describe('wouldExceed', () => {
  const tree = {
    roles: [role('a', { limits: { cpus: 10, mem: 0 } }), role('a/b', { limits: { cpus: 20 } })],
    consumed: new Map([['a', { cpus: 9 }]]),
  };

  test('names the nearest limit that would break, ancestors included', () => {
    expect(wouldExceed(tree, rolePath('a/b'), { cpus: 2 })).toEqual({
      role: 'a',
      resource: 'cpus',
      limit: 10,
      consumed: 9,
      requested: 2,
    });
    expect(wouldExceed(tree, rolePath('a/b'), { cpus: 21 })?.role).toBe('a/b');
  });

  test('a limit of zero forbids, an absent one allows anything, nothing asked always fits', () => {
    expect(wouldExceed(tree, rolePath('a'), { mem: 1 })?.resource).toBe('mem');
    expect(wouldExceed(tree, rolePath('a'), { disk: 1e15 })).toBeNull();
    expect(wouldExceed(tree, rolePath('a'), { cpus: 1 })).toBeNull();
    expect(
      wouldExceed({ ...tree, consumed: new Map([['a', { cpus: 99 }]]) }, rolePath('a'), {}),
    ).toBeNull();
  });
});
