import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { agentId, frameworkId, rolePath } from '../model/ids.ts';
import { TIERS } from '../model/job.ts';
import { add, isEmpty, type Resources, resources } from '../model/resources.ts';
import { rolesOf } from './engine/figures.ts';
import { loadSnapshot } from './engine/loadSnapshot.ts';
import { TierMeter, type TierTask, tierExcess, tierUseOf } from './tierCheck.ts';
import type { Allocation, RoleSpec } from './types.ts';

const ROLES = ['a', 'a/b', 'a/b/c', 'a/d', 'e', '*'].map(rolePath);
const OPTIONS = { mode: 'mezzo' as const, minAllocatable: [], fairnessExclude: [], nowMs: 0 };

const amounts = (most: number): fc.Arbitrary<Resources> =>
  fc.record({ cpus: fc.nat(most), mem: fc.nat(most) }).map(resources);
const task = fc.record({
  role: fc.constantFrom(...ROLES),
  tier: fc.constantFrom(...TIERS),
  resources: amounts(4),
  revocable: amounts(2),
  // One of the two is gone.
  agent: fc.constantFrom('A1', 'A2').map(agentId),
});
const limits = fc.record({ cpus: fc.nat(12), mem: fc.nat(12) }, { requiredKeys: [] });
const specs: fc.Arbitrary<readonly RoleSpec[]> = fc.subarray(ROLES).chain((paths) =>
  fc.tuple(
    ...paths.map((path) =>
      fc
        .record(
          { production: limits, preemptible: limits, revocable: limits },
          { requiredKeys: [] },
        )
        .map((tierLimits) => ({
          path,
          weightMilli: 1000,
          guarantees: {},
          limits: {},
          tierLimits: tierLimits as never,
        })),
    ),
  ),
);

const allocationOf = (one: TierTask & Pick<Allocation, 'agent'>): Allocation =>
  ({ ...one, framework: frameworkId('F'), kind: 'task' }) as Allocation;

const load = (
  roles: readonly RoleSpec[],
  tasks: readonly (TierTask & Pick<Allocation, 'agent'>)[],
) =>
  loadSnapshot(
    {
      agents: [
        {
          id: agentId('A1'),
          total: { cpus: 100, mem: 100 },
          revocable: { cpus: 100, mem: 100 },
          reservations: [],
          attributes: {},
          schedulable: true,
          hasGpus: false,
        },
      ],
      roles,
      frameworks: [],
      allocations: tasks.map(allocationOf),
      filters: [],
    },
    OPTIONS,
  );

describe('tier limits, counted from tasks and in the ledger', () => {
  test('every tier of every role holds the same', () => {
    fc.assert(
      fc.property(specs, fc.array(task), (roles, tasks) => {
        const use = tierUseOf(tasks);
        const core = load(roles, tasks);
        const counted = new Map(rolesOf(core).map((one) => [one.role as string, one.tiers]));
        for (const path of ROLES)
          for (const tier of TIERS) {
            const rows = counted.get(path)?.filter((one) => one.tier === tier) ?? [];
            expect(rows[0]?.used ?? {}).toEqual(use.get(path)?.[tier] ?? {});
          }
      }),
    );
  });

  test('one more task is refused by both or by neither, for the same role and resource', () => {
    fc.assert(
      fc.property(specs, fc.array(task), task, (roles, tasks, more) => {
        fc.pre(!isEmpty(add(more.resources, more.revocable)));
        const { ledger } = load(roles, tasks);
        const row = ledger.acquireRole(more.role);
        const extra = new Float64Array(ledger.space.stride);
        ledger.space.read(add(more.resources, more.revocable), extra, 0);
        const inLedger = ledger.tiers.excess(row, TIERS.indexOf(more.tier), extra);
        const counted = tierExcess(roles, tierUseOf(tasks), more);
        expect(counted?.role).toBe(inLedger && ledger.roles.paths[inLedger.role]);
        expect(counted?.resource).toBe(inLedger && ledger.space.names[inLedger.k]);
      }),
    );
  });

  test('a meter takes tasks one by one as if all had been counted at once', () => {
    fc.assert(
      fc.property(specs, fc.array(task), task, (roles, tasks, more) => {
        const meter = new TierMeter(roles, []);
        for (const one of tasks) meter.take(one);
        expect(meter.excess(more)).toEqual(tierExcess(roles, tierUseOf(tasks), more));
      }),
    );
  });
});
