import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { OperatorWorld, taskPod } from '../../../../test/support/operatorWorld.ts';
import { NO_RESOURCES, type Resources } from '../../model/resources.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import { QUOTAS, type QuotaObject, ROLES, type RoleObject } from '../../schema/mezzoKinds.ts';
import type { RoleView } from '../views.ts';
import { createRoleController } from './roleController.ts';
import { roleTableOf } from './roleTable.ts';

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
let consumed: Map<string, Resources>;
let remembered: Map<string, Resources> | undefined;
beforeEach(() => {
  all = new OperatorWorld(new FakeClock());
  views = [];
  consumed = new Map();
  remembered = undefined;
});

const controller = () =>
  createRoleController({
    world: all.world,
    kube: all.kube,
    clock: all.api.clock,
    roleViews: () => views,
    consumed: () => remembered ?? consumed,
    consumedNow: () => consumed,
    capacity: () => ({ cpus: 8000 }),
  });
const look = async (key: string): Promise<void> => {
  await controller().reconcile(key);
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
    consumed.set('eng', { cpus: 1500 });
    await look('Role/eng');
    expect(roleStatus('eng')).toMatchObject({
      observedGeneration: 1,
      dominantShare: '12.5%',
      allocated: { cpus: '1500m' },
      offered: { mem: '1Gi' },
      used: { cpus: '400m' },
      limit: { cpus: '4' },
      consumed: { cpus: '1500m', mem: '0' },
      headroom: { cpus: '2500m' },
      tasks: 3,
      conditions: [{ type: 'Ready', status: 'True', reason: 'InEffect' }],
    });
  });
  test('says how its children take turns when that is not by share', async () => {
    all.make(ROLES, 'eng', { path: 'eng', sorter: 'random' });
    await look('Role/eng');
    expect(roleStatus('eng')?.conditions).toMatchObject([
      {
        status: 'True',
        reason: 'InEffect',
        message: expect.stringContaining('take turns at random by weight'),
      },
    ]);
    const table = roleTableOf(all.world.roles.list(), all.world.quotas.list());
    expect(table.specs.find((one) => one.path === 'eng')?.sorter).toBe('random');
  });
  test('tells no use where nobody measured', async () => {
    all.make(ROLES, 'eng', { path: 'eng' });
    views = [view('eng', { tasks: 1, used: undefined })];
    await look('Role/eng');
    expect(roleStatus('eng')).not.toHaveProperty('used');
  });
});

const quotaOf = (name: string) => all.api.get(QUOTAS, { name }) as QuotaObject;
const change = (name: string, spec: object): void => {
  const quota = quotaOf(name);
  all.api.update(QUOTAS, { ...quota, spec: { ...quota.spec, ...spec } } as QuotaObject);
};
const inForce = (path: string) =>
  roleTableOf(all.world.roles.list(), all.world.quotas.list()).specs.find(
    (one) => one.path === path,
  );

describe('a Quota', () => {
  test('shows what is left, zero included', async () => {
    all.make(ROLES, 'web', { path: 'web' });
    all.make(QUOTAS, 'web', { role: 'web', limits: { cpus: '2', mem: '2Gi' } });
    consumed.set('web', { cpus: 2000 });
    await look('Quota/web');
    expect(quotaStatus('web')).toMatchObject({
      consumed: { cpus: '2', mem: '0' },
      headroom: { cpus: '0', mem: '2Gi' },
      inEffect: { generation: 1, limits: { cpus: '2', mem: '2Gi' } },
      conditions: [
        { type: 'OverCommitted', status: 'False', reason: 'WithinBounds' },
        { type: 'Ready', status: 'True', reason: 'InEffect' },
      ],
    });
  });
  test('that was taken and is exceeded since says by how much', async () => {
    all.make(QUOTAS, 'web', { role: 'web', limits: { cpus: '2' } });
    await look('Quota/web');
    consumed.set('web', { cpus: 2500 });
    await look('Quota/web');
    expect(quotaStatus('web')?.conditions).toMatchObject([
      {
        type: 'OverCommitted',
        status: 'True',
        reason: 'AboveBounds',
        message: 'cpus: consumed 2500m is 500m above the limit 2',
      },
      {
        type: 'Ready',
        reason: 'RoleNotFound',
        message: expect.stringContaining('spec.role `web` has no Role object'),
      },
    ]);
  });
  test('lowered below its use is refused: the former values hold until it fits, or is forced', async () => {
    all.make(QUOTAS, 'web', { role: 'web', limits: { cpus: '4' } });
    consumed.set('web', { cpus: 3000 });
    await look('Quota/web');
    change('web', { limits: { cpus: '2' } });
    expect(inForce('web')?.limits).toEqual({ cpus: 4000 });
    await look('Quota/web');
    expect(quotaStatus('web')).toMatchObject({
      observedGeneration: 2,
      inEffect: { generation: 1, limits: { cpus: '4' } },
      headroom: { cpus: '1' },
      conditions: [
        { type: 'OverCommitted', status: 'False' },
        {
          type: 'Ready',
          status: 'False',
          reason: 'LimitBelowConsumption',
          message:
            'limits.cpus 2 is below the 3 that web consumes; free 1 first, or set spec.force to let running tasks stay ' +
            'and start no new ones. Until then generation 1 stays in effect (status.inEffect).',
        },
      ],
    });
    expect(inForce('web')?.limits).toEqual({ cpus: 4000 });
    consumed.set('web', { cpus: 2000 });
    await look('Quota/web');
    expect(inForce('web')?.limits).toEqual({ cpus: 2000 });
    change('web', { limits: { cpus: '1' }, force: true });
    expect(inForce('web')?.limits).toEqual({ cpus: 1000 });
    await look('Quota/web');
    expect(quotaStatus('web')?.conditions).toMatchObject([
      { type: 'OverCommitted', status: 'True' },
      { type: 'Ready', status: 'True' },
    ]);
  });
  test('is judged by what is consumed at that moment, not by figures that are shown', async () => {
    all.make(QUOTAS, 'web', { role: 'web', limits: { cpus: '2' } });
    consumed.set('web', { cpus: 3000 });
    remembered = new Map();
    await look('Quota/web');
    expect(quotaStatus('web')?.inEffect).toEqual({ generation: 0 });
  });
  test('that is new and refused has no effect', async () => {
    all.make(QUOTAS, 'web', { role: 'web', guarantees: { cpus: '10' } });
    await look('Quota/web');
    expect(quotaStatus('web')).toMatchObject({
      inEffect: { generation: 0 },
      conditions: [
        { type: 'OverCommitted', status: 'False' },
        {
          type: 'Ready',
          status: 'False',
          reason: 'GuaranteesAboveCapacity',
          message:
            'guarantees.cpus of all roles come to 10 with this one, all agents have 8; lower guarantees by 2, add agents, ' +
            'or set spec.force. Until then the quota has no effect.',
        },
      ],
    });
    expect(inForce('web')?.guarantees).toEqual({});
  });
  test('that is forced tells guarantees that nobody can keep', async () => {
    all.make(QUOTAS, 'web', { role: 'web', guarantees: { cpus: '10' }, force: true });
    await look('Quota/web');
    expect(quotaStatus('web')?.conditions).toMatchObject([
      {
        type: 'OverCommitted',
        status: 'True',
        message: 'cpus: guarantees of all roles come to 10, 2 more than all agents have',
      },
      { type: 'Ready', status: 'True' },
    ]);
    expect(inForce('web')?.guarantees).toEqual({ cpus: 10_000 });
  });
  test('shows what tasks of each limited tier hold, those of the roles below too', async () => {
    const tierLimits = [
      { tier: 'production', limits: { cpus: '3' } },
      { tier: 'revocable', limits: { cpus: '0' } },
    ];
    all.make(QUOTAS, 'web', { role: 'web', tierLimits });
    all.api.create(PODS, taskPod({ job: 'a', role: 'web', tier: 'production', cpus: '2' }));
    all.api.create(PODS, taskPod({ job: 'b', role: 'web/eu', tier: 'production', cpus: '500m' }));
    all.api.create(PODS, taskPod({ job: 'c', role: 'web', tier: 'preemptible', cpus: '7' }));
    await look('Quota/web');
    expect(quotaStatus('web')).toMatchObject({
      inEffect: {
        tierLimits: [
          { tier: 'production', limits: { cpus: '3' } },
          { tier: 'revocable', limits: { cpus: '0' } },
        ],
      },
      tiers: [
        { tier: 'production', consumed: { cpus: '2500m' }, headroom: { cpus: '500m' } },
        { tier: 'revocable', consumed: { cpus: '0' }, headroom: { cpus: '0' } },
      ],
      conditions: [
        { type: 'OverCommitted', status: 'False' },
        { type: 'Ready', status: 'True', reason: 'RoleNotFound' },
      ],
    });
    expect(inForce('web')?.tierLimits).toEqual({
      production: { cpus: 3000 },
      revocable: { cpus: 0 },
    });
  });
  test.each([
    [false, 'False', 'TierLimitBelowConsumption', 'False', 'consumption is within the limits'],
    [
      true,
      'True',
      'RoleNotFound',
      'True',
      'cpus: consumed 2 is 1 above the limit 1 of tier production',
    ],
  ])(
    'with a tier limit below use (forced: %s) is Ready %s',
    async (force, status, reason, over, message) => {
      all.api.create(PODS, taskPod({ job: 'a', role: 'web', tier: 'production', cpus: '2' }));
      const tierLimits = [{ tier: 'production', limits: { cpus: '1' } }];
      all.make(QUOTAS, 'web', { role: 'web', tierLimits, force });
      await look('Quota/web');
      expect(quotaStatus('web')?.conditions).toMatchObject([
        { type: 'OverCommitted', status: over, message },
        { type: 'Ready', status, reason },
      ]);
    },
  );
  test('a newer one for the same role says who has it', async () => {
    all.make(QUOTAS, 'a-web', { role: 'web', limits: { cpus: '2' } });
    all.make(QUOTAS, 'b-web', { role: 'web', limits: { cpus: '4' } });
    await look('Quota/b-web');
    expect(quotaStatus('b-web')?.conditions).toMatchObject([
      { type: 'Ready', status: 'False', reason: 'DuplicatePath' },
    ]);
  });
});

test('many roles are looked at less often', async () => {
  const delayOf = async () => {
    const result = await controller().reconcile('Role/eng');
    return result.kind === 'requeueAfter' ? result.delayMs : undefined;
  };
  all.make(ROLES, 'eng', { path: 'eng' });
  expect(await delayOf()).toBe(5_000);
  for (let index = 0; index < 199; index++) all.make(ROLES, `r${index}`, { path: `r${index}` });
  expect(await delayOf()).toBe(10_000);
});

test('the same figures are not written twice', async () => {
  all.make(ROLES, 'eng', { path: 'eng' });
  views = [view('eng', { allocated: { cpus: 1000 }, tasks: 1 })];
  await look('Role/eng');
  const before = all.api.resourceVersion;
  await look('Role/eng');
  expect(all.api.resourceVersion).toBe(before);
});
