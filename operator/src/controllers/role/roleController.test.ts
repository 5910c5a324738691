import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { OperatorWorld } from '../../../../test/support/operatorWorld.ts';
import { NO_RESOURCES } from '../../model/resources.ts';
import { QUOTAS, type QuotaObject, ROLES, type RoleObject } from '../../schema/mezzoKinds.ts';
import type { RoleView } from '../views.ts';
import { createRoleController } from './roleController.ts';

const view = (role: string, more: Partial<RoleView> = {}): RoleView => ({
  role,
  weight: 1,
  dominantSharePpm: 0,
  guaranteed: NO_RESOURCES,
  limit: NO_RESOURCES,
  reserved: NO_RESOURCES,
  consumed: NO_RESOURCES,
  allocated: NO_RESOURCES,
  offered: NO_RESOURCES,
  used: NO_RESOURCES,
  revocable: NO_RESOURCES,
  tasks: 0,
  ...more,
});

let all: OperatorWorld;
let views: RoleView[];
beforeEach(() => {
  all = new OperatorWorld(new FakeClock());
  views = [];
});

const look = async (key: string): Promise<void> => {
  const controller = createRoleController({
    world: all.world,
    kube: all.kube,
    clock: all.api.clock,
    roleViews: () => views,
    capacity: () => ({ cpus: 8000 }),
  });
  await controller.reconcile(key);
};
const roleStatus = (name: string) => (all.api.get(ROLES, { name }) as RoleObject).status;
const quotaStatus = (name: string) => (all.api.get(QUOTAS, { name }) as QuotaObject).status;

describe('a Role', () => {
  test('shows its own policy and the amounts of all roles below it', async () => {
    all.make(ROLES, 'eng', { path: 'eng' });
    views = [
      view('eng', {
        allocated: { cpus: 1000 },
        used: { cpus: 420 },
        tasks: 1,
        dominantSharePpm: 125_000,
        limit: { cpus: 4000 },
      }),
      view('eng/web', {
        allocated: { cpus: 500 },
        offered: { mem: 2 ** 30 },
        used: undefined,
        tasks: 2,
      }),
      view('engine', { allocated: { cpus: 9000 }, tasks: 9 }),
    ];
    await look('Role/eng');
    expect(roleStatus('eng')).toMatchObject({
      observedGeneration: 1,
      dominantShare: '12.5%',
      allocated: { cpus: '1500m' },
      offered: { mem: '1Gi' },
      used: { cpus: '400m' },
      limit: { cpus: '4' },
      tasks: 3,
      conditions: [{ type: 'Ready', status: 'True', reason: 'InEffect' }],
    });
  });
  test('tells no use where nobody measured', async () => {
    all.make(ROLES, 'eng', { path: 'eng' });
    views = [view('eng', { tasks: 1, used: undefined })];
    await look('Role/eng');
    expect(roleStatus('eng')).not.toHaveProperty('used');
  });
});

describe('a Quota', () => {
  test('shows what is left, zero included, and what is above it', async () => {
    all.make(ROLES, 'web', { path: 'web' });
    all.make(QUOTAS, 'web', {
      role: 'web',
      limits: { cpus: '2', mem: '2Gi' },
    });
    views = [view('web', { consumed: { cpus: 2500 } })];
    await look('Quota/web');
    expect(quotaStatus('web')).toMatchObject({
      consumed: { cpus: '2500m', mem: '0' },
      headroom: { cpus: '0', mem: '2Gi' },
      conditions: [
        {
          type: 'OverCommitted',
          status: 'True',
          reason: 'AboveBounds',
          message: 'cpus: consumed 2500m is 500m above the limit 2',
        },
        { type: 'Ready', status: 'True', reason: 'InEffect' },
      ],
    });
  });
  test('tells guarantees that nobody can keep', async () => {
    all.make(QUOTAS, 'web', { role: 'web', guarantees: { cpus: '10' } });
    await look('Quota/web');
    expect(quotaStatus('web')?.conditions).toMatchObject([
      {
        type: 'OverCommitted',
        status: 'True',
        message: 'cpus: guarantee 10 is 2 more than all agents have',
      },
      {
        type: 'Ready',
        reason: 'RoleNotFound',
        message: expect.stringContaining('spec.role `web` has no Role object'),
      },
    ]);
  });
});

test('the same figures are not written twice', async () => {
  all.make(ROLES, 'eng', { path: 'eng' });
  views = [view('eng', { allocated: { cpus: 1000 }, tasks: 1 })];
  await look('Role/eng');
  const before = all.api.resourceVersion;
  await look('Role/eng');
  expect(all.api.resourceVersion).toBe(before);
});
