import { describe, expect, test } from '@jest/globals';
import type { Allocation, AllocatorSnapshot, RoleSpec } from '../../allocator/types.ts';
import { agentId, frameworkId, offerId, rolePath } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import type { OutstandingOffer } from '../../state/offerBook.ts';
import { overdrawnOffers } from './overdrawn.ts';

const offer = (
  id: string,
  agent: string,
  resources: Resources,
  more: Partial<OutstandingOffer> = {},
): OutstandingOffer => ({
  id: offerId(id),
  framework: frameworkId('f'),
  role: rolePath('eng/web'),
  agent: agentId(agent),
  resources,
  revocable: {},
  reserved: {},
  fromHold: {},
  issuedAtMs: 0,
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

interface Situation {
  readonly agents?: { readonly [name: string]: number };
  readonly closed?: readonly string[];
  readonly revocable?: number;
  readonly tasks?: readonly Allocation[];
  readonly limits?: { readonly [path: string]: Resources };
  readonly offers: readonly OutstandingOffer[];
}

const overdrawn = (given: Situation): string[] => {
  const snapshot: AllocatorSnapshot = {
    agents: Object.entries(given.agents ?? { a: 4000 }).map(([name, cpus]) => ({
      id: agentId(name),
      total: { cpus },
      revocable: given.revocable === undefined ? {} : { cpus: given.revocable },
      reservations: [],
      attributes: {},
      schedulable: given.closed?.includes(name) !== true,
      hasGpus: false,
    })),
    roles: Object.entries(given.limits ?? {}).map(
      ([path, limits]): RoleSpec => ({
        path: rolePath(path),
        weightMilli: 1000,
        guarantees: {},
        limits,
      }),
    ),
    frameworks: [],
    allocations: [
      ...(given.tasks ?? []),
      ...given.offers.map((one): Allocation => ({ ...one, kind: 'offer' })),
    ],
    filters: [],
  };
  return overdrawnOffers(snapshot, given.offers).map((one) => one.id);
};

describe('offers that may no longer stand', () => {
  test.each<[string, Situation, readonly string[]]>([
    ['none, while all of them fit', { offers: [offer('1-1', 'a', { cpus: 4000 })] }, []],
    [
      'those of an agent that is gone or closed',
      {
        agents: { a: 4000, b: 4000 },
        closed: ['b'],
        offers: [
          offer('1-1', 'a', { cpus: 1 }),
          offer('1-2', 'b', { cpus: 1 }),
          offer('1-3', 'c', { cpus: 1 }),
        ],
      },
      ['1-2', '1-3'],
    ],
    [
      'the newest of an agent that shrank, and only as many as it takes',
      {
        agents: { a: 2500 },
        offers: [
          offer('1-1', 'a', { cpus: 1000 }, { issuedAtMs: 1 }),
          offer('1-2', 'a', { cpus: 1000 }, { issuedAtMs: 2 }),
          offer('1-3', 'a', { cpus: 1000 }, { issuedAtMs: 3 }),
        ],
      },
      ['1-3'],
    ],
    [
      'those that tasks have grown into',
      { tasks: [task('a', { cpus: 3500 })], offers: [offer('1-1', 'a', { cpus: 1000 })] },
      ['1-1'],
    ],
    [
      'of an agent short of CPU, not one that offers memory only',
      {
        agents: { a: 500 },
        tasks: [task('a', { cpus: 1000 })],
        offers: [offer('1-1', 'a', {}, { issuedAtMs: 5, revocable: {} })],
      },
      [],
    ],
    [
      'what was lent and is needed again',
      { revocable: 100, offers: [offer('1-1', 'a', {}, { revocable: { cpus: 500 } })] },
      ['1-1'],
    ],
    [
      'those of a role whose limit was lowered, and of roles below it',
      {
        limits: { eng: { cpus: 1000 } },
        offers: [
          offer('1-1', 'a', { cpus: 1000 }, { issuedAtMs: 1 }),
          offer('1-2', 'a', { cpus: 1000 }, { issuedAtMs: 2 }),
          offer('1-3', 'a', { cpus: 1000 }, { issuedAtMs: 3, role: rolePath('ops') }),
        ],
      },
      ['1-2'],
    ],
  ])('%s', (_sentence, given, expected) => {
    expect(overdrawn(given).toSorted()).toEqual(expected);
  });
});
