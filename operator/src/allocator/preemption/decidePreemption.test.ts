import { describe, expect, test } from '@jest/globals';
import { agentId, offerId, rolePath } from '../../model/ids.ts';
import type { RoleConsumption } from '../quotaCheck.ts';
import { decidePreemption } from './decidePreemption.ts';
import type {
  PreemptionAgent,
  PreemptionCandidate,
  PreemptionInput,
  RunningTask,
} from './types.ts';

const CANDIDATE: PreemptionCandidate = {
  jobKey: 'ServiceJob/prod/web',
  instance: 0,
  role: rolePath('eng/web'),
  tier: 'production',
  priority: 0,
  resources: { cpus: 4000 },
};
const NO_QUOTA: RoleConsumption = { roles: [], consumed: new Map() };

function task(podKey: string, cpus: number, more: Partial<RunningTask> = {}): RunningTask {
  return {
    podKey,
    uid: `uid-${podKey}`,
    agent: agentId('A1'),
    role: rolePath('batch'),
    tier: 'preemptible',
    priority: 0,
    resources: { cpus },
    revocable: {},
    startedAtMs: 0,
    jobKey: `AdhocJob/dev/${podKey}`,
    terminating: false,
    ...more,
  };
}

function agent(id: string, freeCpus: number, more: Partial<PreemptionAgent> = {}): PreemptionAgent {
  return {
    id: agentId(id),
    total: { cpus: 16_000, mem: 64_000 },
    free: { cpus: freeCpus },
    heldForOthers: {},
    rescindable: [],
    ...more,
  };
}

function decide(more: Partial<PreemptionInput>) {
  const decision = decidePreemption({
    candidate: CANDIDATE,
    agents: [agent('A1', 0)],
    tasks: [],
    quota: NO_QUOTA,
    ...more,
  });
  return decision.kind === 'none'
    ? decision.reasons.map((reason) => `${reason.check} ${reason.agents}`)
    : {
        agent: decision.agent,
        victims: decision.victims.map((victim) => victim.podKey),
        rescind: decision.rescind,
      };
}
const victims = (...names: readonly string[]) => ({ agent: 'A1', victims: names, rescind: [] });

describe('who may take from whom', () => {
  test('production takes from a preemptible task of any role, whatever its priority', () => {
    expect(decide({ tasks: [task('p', 4000, { priority: 99 })] })).toEqual(victims('p'));
  });

  test('within a tier: only the same role and only a strictly lower priority', () => {
    const candidate = { ...CANDIDATE, priority: 5 };
    const same = { role: CANDIDATE.role, tier: 'production' as const };
    expect(decide({ candidate, tasks: [task('p', 4000, { ...same, priority: 4 })] })).toEqual(
      victims('p'),
    );
    expect(decide({ candidate, tasks: [task('p', 4000, { ...same, priority: 5 })] })).toEqual([
      'NoEligibleVictims 1',
    ]);
    const other = { ...same, role: rolePath('eng/db') };
    expect(decide({ candidate, tasks: [task('p', 4000, other)] })).toEqual(['NoEligibleVictims 1']);
  });

  test('a preemptible candidate never takes a production task, a revocable one takes nothing', () => {
    const production = task('p', 4000, { tier: 'production', role: CANDIDATE.role, priority: -1 });
    const preemptible = { ...CANDIDATE, tier: 'preemptible' as const, priority: 9 };
    expect(decide({ candidate: preemptible, tasks: [production] })).toEqual([
      'NoEligibleVictims 1',
    ]);
    const revocable = { ...CANDIDATE, tier: 'revocable' as const };
    expect(decide({ candidate: revocable, tasks: [task('p', 4000)] })).toEqual([
      'RevocableCandidate 1',
    ]);
  });

  test('a job never takes from itself, though its tier was raised since', () => {
    const own = task('p', 4000, { jobKey: CANDIDATE.jobKey, role: CANDIDATE.role });
    expect(decide({ tasks: [own] })).toEqual(['NoEligibleVictims 1']);
  });

  test('revocable amounts of a victim are not reclaimed', () => {
    const borrower = task('r', 0, { tier: 'revocable', resources: {}, revocable: { cpus: 4000 } });
    expect(decide({ tasks: [borrower] })).toEqual(['VictimsNotEnough 1']);
  });

  test('what goes back to a reservation of another role is not reclaimed', () => {
    expect(decide({ tasks: [task('p', 4000, { reserved: { cpus: 4000 } })] })).toEqual([
      'VictimsNotEnough 1',
    ]);
  });
});

describe('before anybody is harmed', () => {
  test('nothing happens when an agent has room', () => {
    expect(
      decide({ agents: [agent('A1', 0), agent('A2', 4000)], tasks: [task('p', 4000)] }),
    ).toEqual(['FitsWithoutPreemption 1']);
  });

  test('offers are taken back when that is enough, and no more of them than needed', () => {
    const rescindable = [
      { offer: offerId('1-1'), role: rolePath('x'), resources: { cpus: 1000 } },
      { offer: offerId('1-2'), role: rolePath('x'), resources: { cpus: 4000 } },
      { offer: offerId('1-3'), role: rolePath('x'), resources: { cpus: 3000 } },
    ];
    const agents = [agent('A1', 0, { rescindable })];
    expect(decide({ agents, tasks: [task('p', 4000)] })).toEqual({
      agent: 'A1',
      victims: [],
      rescind: ['1-1', '1-3'],
    });
  });

  test('capacity that is coming anyway is waited for, unless it is held for another', () => {
    const tasks = [task('going', 4000, { terminating: true }), task('p', 4000)];
    expect(decide({ tasks })).toEqual(['PendingRelease 1']);
    const agents = [agent('A1', 0, { heldForOthers: { cpus: 4000 } })];
    expect(decide({ agents, tasks })).toEqual(victims('p'));
  });

  test('a victim is taken only for what offers and ending tasks do not give', () => {
    const rescindable = [{ offer: offerId('1-1'), role: rolePath('x'), resources: { cpus: 1000 } }];
    const tasks = [
      task('going', 1000, { terminating: true }),
      task('big', 4000),
      task('small', 2000),
    ];
    expect(decide({ agents: [agent('A1', 0, { rescindable })], tasks })).toEqual({
      agent: 'A1',
      victims: ['small'],
      rescind: ['1-1'],
    });
  });
});

describe('the least damage', () => {
  test.each([
    {
      name: 'one victim rather than two of lower priority',
      tasks: [task('a', 2000), task('b', 2000), task('c', 4000, { priority: 9 })],
      expected: victims('c'),
    },
    {
      name: 'the lowest tier first',
      tasks: [
        task('p', 4000, { priority: 0 }),
        task('r', 4000, { tier: 'revocable', priority: 50 }),
      ],
      expected: victims('r'),
    },
    {
      name: 'the lowest priority first, though older and larger',
      tasks: [
        task('young', 4000, { priority: 2, startedAtMs: 9 }),
        task('old', 9000, { priority: 1 }),
      ],
      expected: victims('old'),
    },
    {
      name: 'the youngest of equal priority, though larger',
      tasks: [task('young', 9000, { startedAtMs: 9 }), task('old', 4000)],
      expected: victims('young'),
    },
    {
      name: 'the smallest surplus of equal age',
      tasks: [task('a', 16_000), task('b', 4000)],
      expected: victims('b'),
    },
    {
      name: 'the name when all else is equal',
      tasks: [task('b', 4000), task('a', 4000)],
      expected: victims('a'),
    },
  ])('$name', ({ tasks, expected }) => {
    expect(decide({ tasks })).toEqual(expected);
  });

  test('agents are compared too: fewest victims anywhere', () => {
    const agents = [agent('A1', 0), agent('A2', 1000)];
    const tasks = [
      task('a', 2000),
      task('b', 2000),
      task('c', 3000, { agent: agentId('A2'), priority: 9 }),
    ];
    expect(decide({ agents, tasks })).toEqual({ agent: 'A2', victims: ['c'], rescind: [] });
  });

  test('never more than eight victims', () => {
    const small = Array.from({ length: 9 }, (_one, index) => task(`t${index}`, 450));
    expect(decide({ tasks: small })).toEqual(['TooManyVictims 1']);
    expect(
      decide({ tasks: small.map((one) => ({ ...one, resources: { cpus: 500 } })) }),
    ).toMatchObject({
      victims: { length: 8 },
    });
  });

  test('a hundred unlike tasks are searched in bounded time, and the set found suffices', () => {
    const tasks = Array.from({ length: 100 }, (_one, index) =>
      task(`t${index}`, 600 + ((index * 37) % 101), {
        startedAtMs: index,
        resources: { cpus: 600 + ((index * 37) % 101), mem: 100 + ((index * 53) % 97) },
      }),
    );
    const candidate = { ...CANDIDATE, resources: { cpus: 4600, mem: 700 } };
    const decision = decidePreemption({
      candidate,
      agents: [agent('A1', 0)],
      tasks,
      quota: NO_QUOTA,
    });
    if (decision.kind === 'none') throw new Error('a set of eight exists');
    expect(decision.victims.length).toBeLessThanOrEqual(8);
    expect(decision.freed['cpus']).toBeGreaterThanOrEqual(4600);
    expect(decision.freed['mem']).toBeGreaterThanOrEqual(700);
  });
});

describe('limits', () => {
  const limited = (consumed: number): RoleConsumption => ({
    roles: [{ path: rolePath('eng'), weightMilli: 1000, guarantees: {}, limits: { cpus: 10_000 } }],
    consumed: new Map([['eng', { cpus: consumed }]]),
  });

  test('nobody is harmed for a role that may not use what it would get', () => {
    expect(decide({ tasks: [task('p', 4000)], quota: limited(7000) })).toEqual(['LimitReached 1']);
    expect(decide({ tasks: [task('p', 4000)], quota: limited(6000) })).toEqual(victims('p'));
  });

  test('nobody is harmed for a tier that is at its limit, unless the victims are of that tier', () => {
    const quota: RoleConsumption = {
      roles: [
        {
          path: rolePath('eng'),
          weightMilli: 1000,
          guarantees: {},
          limits: {},
          tierLimits: { production: { cpus: 6000 } },
        },
      ],
      consumed: new Map(),
      tierUse: new Map([['eng', { production: { cpus: 4000 }, preemptible: { cpus: 4000 } }]]),
    };
    const mine = { role: CANDIDATE.role, tier: 'production' as const, priority: -1 };
    expect(decide({ tasks: [task('p', 4000)], quota })).toEqual(['LimitReached 1']);
    expect(decide({ tasks: [task('p', 4000, { role: CANDIDATE.role })], quota })).toEqual([
      'LimitReached 1',
    ]);
    expect(decide({ tasks: [task('m', 4000, mine)], quota })).toEqual(victims('m'));
  });

  test('taking offers back wins no room under a limit, since offers use none up', () => {
    const rescindable = [
      { offer: offerId('1-1'), role: CANDIDATE.role, resources: { cpus: 4000 } },
    ];
    const agents = [agent('A1', 0, { rescindable })];
    expect(decide({ agents, quota: limited(8000) })).toEqual(['LimitReached 1']);
    expect(decide({ agents, quota: limited(6000) })).toMatchObject({ rescind: ['1-1'] });
  });

  test('a victim under the same limit gives back its share of it', () => {
    const tasks = [task('p', 4000), task('q', 4000, { role: rolePath('eng/lab'), priority: 5 })];
    expect(decide({ tasks, quota: limited(10_000) })).toEqual(victims('q'));
  });

  test('with room on the agent but none under the limit, a lower priority of the role gives way', () => {
    const candidate = { ...CANDIDATE, priority: 5 };
    const low = task('low', 4000, { role: CANDIDATE.role, tier: 'production', priority: 1 });
    expect(
      decide({ candidate, agents: [agent('A1', 9000)], tasks: [low], quota: limited(10_000) }),
    ).toEqual(victims('low'));
  });
});
