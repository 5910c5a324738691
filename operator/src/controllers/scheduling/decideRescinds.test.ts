import { describe, expect, test } from '@jest/globals';
import type {
  AgentReservation,
  Allocation,
  AllocatorSnapshot,
  RoleSpec,
} from '../../allocator/types.ts';
import { agentId, frameworkId, offerId, rolePath } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { OutstandingOffer, Unavailability } from '../../state/offerBook.ts';
import { decideRescinds } from './decideRescinds.ts';

const offer = (
  id: string,
  agent: string,
  resources: Resources,
  more: Partial<OutstandingOffer> & { readonly at?: number } = {},
): OutstandingOffer => ({
  id: offerId(id),
  framework: frameworkId('f'),
  role: rolePath('eng/web'),
  agent: agentId(agent),
  resources,
  revocable: {},
  reserved: {},
  fromHold: {},
  issuedAtMs: more.at ?? 0,
  ...more,
});

const task = (agent: string, resources: Resources, role = 'eng/web'): Allocation => ({
  agent: agentId(agent),
  framework: frameworkId('f'),
  role: rolePath(role),
  resources,
  revocable: {},
  kind: 'task',
});

const reservation = (id: string, role: string, resources: Resources): AgentReservation => ({
  reservationId: id,
  role: rolePath(role),
  resources,
});

interface Cluster {
  /** CPUs by agent. */
  readonly agents?: { readonly [name: string]: number };
  readonly closed?: readonly string[];
  readonly revocable?: number;
  readonly reservations?: readonly AgentReservation[];
  readonly tasks?: readonly Allocation[];
  readonly limits?: { readonly [path: string]: Resources };
  readonly guarantees?: { readonly [path: string]: Resources };
  readonly weights?: { readonly [path: string]: number };
  /** Roles a framework waits in. */
  readonly waiting?: readonly string[];
}

interface Situation extends Cluster {
  readonly before?: Cluster;
  readonly away?: { readonly [agent: string]: Unavailability };
  readonly offers: readonly OutstandingOffer[];
}

function snapshotOf(given: Cluster, offers: readonly OutstandingOffer[]): AllocatorSnapshot {
  const paths = new Set(
    [given.limits, given.guarantees, given.weights].flatMap((one) => Object.keys(one ?? {})),
  );
  return {
    agents: Object.entries(given.agents ?? { a: 4000 }).map(([name, cpus]) => ({
      id: agentId(name),
      total: { cpus },
      revocable: given.revocable === undefined ? {} : { cpus: given.revocable },
      reservations: given.reservations ?? [],
      attributes: {},
      schedulable: given.closed?.includes(name) !== true,
      hasGpus: false,
    })),
    roles: [...paths].map(
      (path): RoleSpec => ({
        path: rolePath(path),
        weightMilli: (given.weights?.[path] ?? 1) * 1000,
        guarantees: given.guarantees?.[path] ?? {},
        limits: given.limits?.[path] ?? {},
      }),
    ),
    frameworks: (given.waiting ?? []).map((role) => ({
      id: frameworkId(`of ${role}`),
      roles: [rolePath(role)],
      suppressedRoles: [],
      active: true,
      capabilities: { revocable: true, gpu: true },
    })),
    allocations: [
      ...(given.tasks ?? []),
      ...offers.map((one): Allocation => ({ ...one, kind: 'offer' })),
    ],
    filters: [],
  };
}

const rescinded = (given: Situation, mode: 'mezzo' | 'mesos' = 'mezzo'): string[] =>
  decideRescinds({
    snapshot: snapshotOf(given, given.offers),
    before: given.before === undefined ? undefined : snapshotOf(given.before, given.offers),
    offers: given.offers,
    unavailable: new Map(Object.entries(given.away ?? {})),
    mode,
  })
    .map(({ offer: { id }, reason }) => `${id} ${reason}`)
    .toSorted();

const OPS = rolePath('ops');
const MAY = { startMs: 5_000, durationMs: 60_000 };

describe('an agent', () => {
  test.each<[string, Situation, readonly string[]]>([
    ['with room for its offers keeps them', { offers: [offer('1-1', 'a', { cpus: 4000 })] }, []],
    [
      'that is gone or closed loses all',
      {
        agents: { a: 4000, b: 4000 },
        closed: ['b'],
        offers: [
          offer('1-1', 'a', { cpus: 1 }),
          offer('1-2', 'b', { cpus: 1 }),
          offer('1-3', 'c', {}),
        ],
      },
      ['1-2 AgentClosed', '1-3 AgentClosed'],
    ],
    [
      'that shrank loses the newest, and only as many as it takes',
      {
        agents: { a: 2500 },
        offers: [1, 2, 3].map((at) => offer(`1-${at}`, 'a', { cpus: 1000 }, { at })),
      },
      ['1-3 AgentOverdrawn'],
    ],
    [
      'loses what tasks have grown into',
      { tasks: [task('a', { cpus: 3500 })], offers: [offer('1-1', 'a', { cpus: 1000 })] },
      ['1-1 AgentOverdrawn'],
    ],
    [
      'short of CPU keeps an offer without any',
      {
        agents: { a: 500 },
        tasks: [task('a', { cpus: 1000 })],
        offers: [offer('1-1', 'a', {})],
      },
      [],
    ],
    [
      'loses what was lent and is needed again',
      { revocable: 100, offers: [offer('1-1', 'a', {}, { revocable: { cpus: 500 } })] },
      ['1-1 AgentOverdrawn'],
    ],
    [
      'that will be away takes back what was offered before that was known',
      {
        away: { a: MAY },
        offers: [
          offer('1-1', 'a', { cpus: 1 }),
          offer('1-2', 'a', { cpus: 1 }, { unavailability: MAY }),
        ],
      },
      ['1-1 UnavailabilityChanged'],
    ],
    [
      'that is not away after all does too',
      { offers: [offer('1-1', 'a', { cpus: 1 }, { unavailability: MAY })] },
      ['1-1 UnavailabilityChanged'],
    ],
  ])('%s', (_sentence, given, expected) => {
    expect(rescinded(given)).toEqual(expected);
  });
});

describe('a revocable estimate', () => {
  const offers = [
    offer('1-1', 'a', {}, { revocable: { cpus: 500 }, at: 1 }),
    offer('1-2', 'a', {}, { revocable: { cpus: 500 }, at: 2 }),
    offer('1-3', 'a', { cpus: 100 }, { at: 3 }),
  ];
  test('that grew takes nothing back', () => {
    expect(rescinded({ before: { revocable: 1000 }, revocable: 1500, offers })).toEqual([]);
  });
  test('that shrank takes back no more than it lacks', () => {
    expect(rescinded({ before: { revocable: 1000 }, revocable: 600, offers })).toEqual([
      '1-2 AgentOverdrawn',
    ]);
  });
  test('that changed at all takes back every revocable offer of the agent, as in Mesos', () => {
    const changed = { before: { revocable: 1000 }, revocable: 1500, offers };
    expect(rescinded(changed, 'mesos')).toEqual(['1-1 RevocableChanged', '1-2 RevocableChanged']);
    expect(rescinded({ ...changed, revocable: 1000 }, 'mesos')).toEqual([]);
  });
});

describe('a reservation', () => {
  const held = reservation('r', 'ops', { cpus: 2000 });
  test.each<[string, Situation, readonly string[]]>([
    [
      'made of what is free disturbs nobody',
      { reservations: [held], offers: [offer('1-1', 'a', { cpus: 2000 })] },
      [],
    ],
    [
      'made of what is offered takes back the newest offers, no more than it needs',
      {
        reservations: [held],
        offers: [
          offer('1-1', 'a', { cpus: 1000 }, { at: 1 }),
          offer('1-2', 'a', { cpus: 1500 }, { at: 2 }),
        ],
      },
      ['1-2 ReservationsChanged'],
    ],
    [
      'counts what tasks have beside it',
      {
        reservations: [held],
        tasks: [task('a', { cpus: 1500 })],
        offers: [offer('1-1', 'a', { cpus: 1000 })],
      },
      ['1-1 ReservationsChanged'],
    ],
    [
      'that is gone takes back what was offered of it',
      {
        offers: [
          offer(
            '1-1',
            'a',
            { cpus: 2000 },
            { role: OPS, reserved: { cpus: 2000 }, reservedBy: [held] },
          ),
        ],
      },
      ['1-1 ReservationsChanged'],
    ],
    [
      'that stays keeps its offers',
      {
        reservations: [held],
        offers: [
          offer(
            '1-1',
            'a',
            { cpus: 2000 },
            { role: OPS, reserved: { cpus: 2000 }, reservedBy: [held] },
          ),
          offer('1-2', 'a', { cpus: 2000 }),
        ],
      },
      [],
    ],
  ])('%s', (_sentence, given, expected) => {
    expect(rescinded(given)).toEqual(expected);
  });
});

describe('a quota', () => {
  test('lowered below its use takes back the newest offers of the role and of those below it', () => {
    expect(
      rescinded({
        limits: { eng: { cpus: 1000 } },
        offers: [
          offer('1-1', 'a', { cpus: 1000 }, { at: 1 }),
          offer('1-2', 'a', { cpus: 1000 }, { at: 2 }),
          offer('1-3', 'a', { cpus: 1000 }, { at: 3, role: OPS }),
        ],
      }),
    ).toEqual(['1-2 LimitExceeded']);
  });
  test('an offer that went for the limit of a child counts for its parent too', () => {
    expect(
      rescinded({
        limits: { eng: { cpus: 1000 }, 'eng/web': { cpus: 1000 } },
        offers: [1, 2].map((at) => offer(`1-${at}`, 'a', { cpus: 1000 }, { at })),
      }),
    ).toEqual(['1-2 LimitExceeded']);
  });
  test('reserved parts of an offer are consumed with or without it', () => {
    const mine = reservation('r', 'eng/web', { cpus: 3000 });
    expect(
      rescinded({
        limits: { eng: { cpus: 2000 } },
        reservations: [mine],
        offers: [
          offer('1-1', 'a', { cpus: 3000 }, { reserved: { cpus: 3000 }, reservedBy: [mine] }),
        ],
      }),
    ).toEqual([]);
  });
  const others = [
    offer('1-1', 'a', { cpus: 2000 }, { at: 1 }),
    offer('1-2', 'a', { cpus: 1000 }, { at: 2 }),
  ];
  test('that guarantees more than is free takes offers of others back, as many as it takes', () => {
    expect(rescinded({ before: {}, guarantees: { ops: { cpus: 1500 } }, offers: others })).toEqual([
      '1-2 GuaranteeRaised',
    ]);
  });
  test('a guarantee that was there before takes nothing back', () => {
    const guarantees = { ops: { cpus: 1500 } };
    expect(rescinded({ before: { guarantees }, guarantees, offers: others })).toEqual([]);
  });
  test('a guarantee that is met by what its role has takes nothing back', () => {
    expect(
      rescinded({
        before: {},
        guarantees: { ops: { cpus: 1000 } },
        tasks: [task('a', { cpus: 1000 }, 'ops')],
        offers: others,
      }),
    ).toEqual([]);
  });
  test('a guarantee does not take back what serves another guarantee', () => {
    const guarantees = { ops: { cpus: 1500 }, eng: { cpus: 3000 } };
    expect(rescinded({ before: {}, guarantees, offers: others })).toEqual([]);
  });
});

describe('weights', () => {
  const offers = [offer('1-1', 'a', { cpus: 1 }), offer('1-2', 'a', { cpus: 1 }, { role: OPS })];
  const before = { weights: { eng: 1, ops: 1 } };
  const waiting = ['eng/web', 'ops'];
  test('that did not change take nothing back', () => {
    expect(rescinded({ before, weights: { eng: 1 }, waiting, offers })).toEqual([]);
  });
  test('take back from those who are due less now', () => {
    expect(rescinded({ before, weights: { eng: 3 }, waiting, offers })).toEqual([
      '1-2 WeightsChanged',
    ]);
    expect(rescinded({ before, weights: { ops: 3 }, waiting, offers })).toEqual([
      '1-1 WeightsChanged',
    ]);
  });
  test('take nothing back when nobody is there who is due more', () => {
    expect(rescinded({ before, weights: { eng: 3 }, waiting: ['ops'], offers })).toEqual([]);
  });
  test('of a level below change nothing above it', () => {
    expect(rescinded({ before, weights: { 'eng/web': 3 }, waiting, offers })).toEqual([]);
  });
  test('of a role somebody waits in take everything back, as in Mesos', () => {
    expect(rescinded({ before, weights: { eng: 3 }, waiting, offers }, 'mesos')).toEqual([
      '1-1 WeightsChanged',
      '1-2 WeightsChanged',
    ]);
    expect(rescinded({ before, weights: { eng: 3 }, waiting: ['ops'], offers }, 'mesos')).toEqual(
      [],
    );
  });
});
