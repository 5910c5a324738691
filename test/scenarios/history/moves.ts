import * as fc from 'fast-check';
import type { AllocatorEvent, PortRanges } from '../../../operator/src/allocator/engine/types.ts';
import { agentId, frameworkId, rolePath } from '../../../operator/src/model/ids.ts';
import type { Resources } from '../../../operator/src/model/resources.ts';
import type { Move } from './replay.ts';

const ROLES = ['a', 'a/b', 'a/b/c', 'a/d', 'e', '*'].map(rolePath);
const role = fc.constantFrom(...ROLES);
const agent = fc.constantFrom('A1', 'A2', 'A3', 'A4').map(agentId);
const framework = fc.constantFrom('F1', 'F2', 'F3', 'F4').map(frameworkId);
const amounts = (most: number): fc.Arbitrary<Resources> =>
  fc
    .record({ cpus: fc.nat(most), mem: fc.nat(most) })
    .map((one) => Object.fromEntries(Object.entries(one).filter(([, amount]) => amount > 0)));
const optionalAmounts = (most: number): fc.Arbitrary<Resources> =>
  fc.oneof(
    fc.constant({}),
    fc.nat(most).map((cpus) => ({ cpus })),
    fc.record({ cpus: fc.nat(most), mem: fc.nat(most) }),
  );

const addAgent: fc.Arbitrary<AllocatorEvent> = fc.record({
  kind: fc.constant('addAgent' as const),
  id: agent,
  total: amounts(12),
  ports: fc.constantFrom<PortRanges>(
    [],
    [[1, 4]],
    [
      [1, 2],
      [5, 6],
    ],
  ),
  revocable: fc.oneof(fc.constant({}), amounts(4)),
  reserved: fc.array(
    fc.record({
      stack: fc.oneof(
        role.map((one) => [one]),
        fc.constant([rolePath('a'), rolePath('a/b')]),
      ),
      resources: fc.nat(3).map((cpus) => ({ cpus: cpus + 1, disk: 8 })),
      ports: fc.constantFrom<PortRanges>([], [[8, 9]]),
    }),
    { maxLength: 2 },
  ),
});
const addFramework: fc.Arbitrary<AllocatorEvent> = fc.record({
  kind: fc.constant('addFramework' as const),
  id: framework,
  roles: fc.uniqueArray(role, { minLength: 1, maxLength: 3 }),
  capabilities: fc.constantFrom(
    ['MULTI_ROLE'],
    ['MULTI_ROLE', 'REVOCABLE_RESOURCES', 'RESERVATION_REFINEMENT'],
  ),
});
const setQuota: fc.Arbitrary<AllocatorEvent> = fc.record({
  kind: fc.constant('setQuota' as const),
  role,
  guarantees: optionalAmounts(8),
  limits: optionalAmounts(16),
});
const change: fc.Arbitrary<AllocatorEvent> = fc.oneof(
  fc.record({ kind: fc.constant('removeAgent' as const), id: agent }),
  fc.record({ kind: fc.constant('updateAgent' as const), id: agent, total: amounts(12) }),
  fc.record({ kind: fc.constant('updateAgent' as const), id: agent, revocable: amounts(4) }),
  fc.record({ kind: fc.constantFrom('activate' as const, 'deactivate' as const), id: framework }),
  fc.record({ kind: fc.constant('removeFramework' as const), id: framework }),
  fc.record({
    kind: fc.constant('updateFramework' as const),
    id: framework,
    roles: fc.uniqueArray(role, { minLength: 1, maxLength: 3 }),
  }),
  fc.record({ kind: fc.constantFrom('suppress' as const, 'revive' as const), framework }),
  fc.record({
    kind: fc.constantFrom('suppress' as const, 'revive' as const),
    framework,
    roles: role.map((one) => [one]),
  }),
  fc.record({ kind: fc.constant('removeQuota' as const), role }),
  fc.record({
    kind: fc.constant('setWeight' as const),
    role,
    weightMilli: fc.constantFrom(500, 1000, 3000),
  }),
  fc.record({
    kind: fc.constant('setSorter' as const),
    role,
    sorter: fc.constantFrom('drf' as const, 'random' as const),
  }),
);

const event = (events: fc.Arbitrary<AllocatorEvent>): fc.Arbitrary<Move> =>
  events.map((one): Move => ({ kind: 'event', event: one }));

/** Long histories: a cluster comes up, is worked, and is changed under way. */
export const histories: fc.Arbitrary<readonly Move[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: event(addAgent) },
    { weight: 3, arbitrary: event(addFramework) },
    { weight: 2, arbitrary: event(setQuota) },
    { weight: 3, arbitrary: event(change) },
    {
      weight: 8,
      arbitrary: fc.record({
        kind: fc.constant('answer' as const),
        which: fc.nat(50),
        eighths: fc.nat(8),
        keeps: fc.boolean(),
        refuseMs: fc.constantFrom(0, 0, 0, 1000, 5000),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('finish' as const), which: fc.nat(50) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('reserveHeld' as const),
        which: fc.nat(50),
        eighths: fc.nat(8),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('unreserveHeld' as const), which: fc.nat(50) }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constantFrom('makeVolume' as const, 'breakVolume' as const),
        which: fc.nat(50),
        bytes: fc.integer({ min: 1, max: 5 }),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ kind: fc.constant('advance' as const), seconds: fc.nat({ max: 3 }) }),
    },
  ),
  { minLength: 40, maxLength: 80, size: 'max' },
);
