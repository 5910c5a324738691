import { describe, expect, test } from '@jest/globals';
import { agentId, frameworkId, rolePath } from '../model/ids.ts';
import { allocate } from './allocate.ts';
import type { AgentReservation, Allocation, AllocatorSnapshot, PlannedOffer } from './types.ts';

const reserved = (
  reservationId: string,
  disk: number,
  volume?: AgentReservation['volume'],
): AgentReservation => ({
  role: rolePath('web'),
  resources: { disk },
  reservationId,
  ...(volume === undefined ? {} : { volume }),
});

const task = (more: Partial<Allocation>): Allocation => ({
  kind: 'task',
  agent: agentId('A'),
  framework: frameworkId('F'),
  role: rolePath('web'),
  resources: {},
  revocable: {},
  ...more,
});

/** One agent of 4 cpus and 100 disk; 40 of the disk are reserved for the role, in the parts given. */
function offersOf(
  reservations: readonly AgentReservation[],
  allocations: readonly Allocation[] = [],
  frameworks: readonly { readonly id: string; readonly shared: boolean }[] = [
    { id: 'F', shared: false },
  ],
): readonly PlannedOffer[] {
  const snapshot: AllocatorSnapshot = {
    agents: [
      {
        id: agentId('A'),
        total: { cpus: 4000, disk: 100 },
        revocable: {},
        reservations,
        attributes: {},
        schedulable: true,
        hasGpus: false,
      },
    ],
    roles: [],
    frameworks: frameworks.map(({ id, shared }) => ({
      id: frameworkId(id),
      roles: [rolePath('web')],
      suppressedRoles: [],
      active: true,
      capabilities: { revocable: false, gpu: false, shared },
    })),
    allocations,
    filters: [],
  };
  const options = { nowMs: 0, seed: 1, minAllocatable: [], fairnessExclude: [] };
  return allocate(snapshot, { ...options, mode: 'mezzo' }).offers;
}

/** What an offer holds: disk in all sums, and disk per reservation. */
const shown = (offers: readonly PlannedOffer[]): readonly unknown[] =>
  offers.map((offer) => [
    offer.framework,
    offer.resources['disk'] ?? 0,
    Object.fromEntries(
      offer.reservedBy.map((part) => [part.reservationId, part.resources['disk']]),
    ),
  ]);

describe('a persistent volume', () => {
  const volume = reserved('v', 16, { shared: false });

  test('is offered as a part of its own beside the rest of its reservation', () => {
    expect(shown(offersOf([reserved('r', 24), volume]))).toEqual([['F', 100, { r: 24, v: 16 }]]);
  });

  test('is not offered while a task holds it, and nothing else is charged for it', () => {
    const held = task({ resources: { disk: 16 }, reserved: { disk: 16 }, volumes: ['v'] });
    expect(shown(offersOf([reserved('r', 24), volume], [held]))).toEqual([['F', 84, { r: 24 }]]);
  });

  test('pays for nobody who does not name it', () => {
    const held = task({ resources: { disk: 10 }, reserved: { disk: 10 } });
    expect(shown(offersOf([volume, reserved('r', 24)], [held]))).toEqual([
      ['F', 90, { r: 14, v: 16 }],
    ]);
  });
});

describe('a shared volume', () => {
  const parts = [reserved('r', 24), reserved('v', 16, { shared: true })];

  test('is hidden from frameworks that know no shared resources', () => {
    expect(shown(offersOf(parts))).toEqual([['F', 84, { r: 24 }]]);
  });

  test('is in no sum, and offered again while tasks hold it', () => {
    const held = task({ resources: { cpus: 1000 }, volumes: ['v'] });
    const offers = offersOf(parts, [held, held], [{ id: 'F', shared: true }]);
    expect(shown(offers)).toEqual([['F', 84, { r: 24, v: 16 }]]);
    expect(offers[0]?.resources['cpus']).toBe(2000);
  });

  test('goes to one framework of a cycle', () => {
    const both = [
      { id: 'F', shared: true },
      { id: 'G', shared: true },
    ];
    const holders = offersOf(parts, [], both).filter((offer) =>
      offer.reservedBy.some((part) => part.reservationId === 'v'),
    );
    expect(holders).toHaveLength(1);
  });
});
