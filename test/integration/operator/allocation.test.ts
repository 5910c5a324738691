import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import {
  AGENTS,
  type AgentObject,
  MAINTENANCE_WINDOWS,
  type MaintenanceWindowObject,
  QUOTAS,
  type QuotaObject,
  RESERVATIONS,
  type ReservationObject,
  ROLES,
  type RoleObject,
  SERVICE_JOBS,
  type ServiceJobObject,
} from '../../../operator/src/schema/mezzoKinds.ts';
import { eventually, NAMESPACE, OperatorCluster, template } from './operatorCluster.ts';

let all: OperatorCluster;

/** Two nodes of 2 CPUs each. */
beforeAll(async () => {
  all = await OperatorCluster.start();
  await all.make(ROLES, 'eng', { path: 'eng' });
  await all.make(ROLES, 'eng-web', { path: 'eng/web' });
  await all.make(ROLES, 'rival', { path: 'rival', weight: 100 });
  await all.make(QUOTAS, 'eng', { role: 'eng', limits: { cpus: '4', mem: '8Gi' } });
  await all.startOperator();
}, 240_000);
afterAll(async () => {
  await all?.stop();
}, 60_000);

const job = (name: string, spec: object): Promise<ServiceJobObject> =>
  all.make<ServiceJobObject>(SERVICE_JOBS, name, { role: 'eng/web', ...spec });

const on = (agent: string) => ({
  constraints: [{ attribute: 'hostname', operator: 'In', values: [agent] }],
});

/** No test leaves anything behind for the next, however it ended. */
afterEach(async () => {
  const windows = await all.kube.list(MAINTENANCE_WINDOWS, {});
  for (const { metadata } of windows.items) await all.remove(MAINTENANCE_WINDOWS, metadata.name);
  const jobs = await all.kube.list(SERVICE_JOBS, { namespace: NAMESPACE });
  for (const { metadata } of jobs.items) await all.remove(SERVICE_JOBS, metadata.name);
  for (const { metadata } of jobs.items)
    await eventually(`no Pod of ${metadata.name}`, async () =>
      (await all.podsOf(metadata.name)).length === 0 ? true : undefined,
    );
}, 60_000);

describe('figures', () => {
  test('Role, Quota and Agent status say the same of the same tasks', async () => {
    await job('sum', { instances: 3, template: template('250m') });
    await all.running('sum', 3);
    await eventually('the figures to arrive', async () => {
      const web = await all.get<RoleObject>(ROLES, 'eng-web');
      const eng = await all.get<RoleObject>(ROLES, 'eng');
      const quota = await all.get<QuotaObject>(QUOTAS, 'eng');
      const { items } = await all.kube.list<AgentObject>(AGENTS, {});
      const tasks = items.reduce((total, one) => total + (one.status?.tasks ?? 0), 0);
      expect(web.status).toMatchObject({ allocated: { cpus: '750m', mem: '192Mi' }, tasks: 3 });
      expect(eng.status).toMatchObject({
        allocated: { cpus: '750m', mem: '192Mi' },
        tasks: 3,
        dominantShare: '18.8%',
      });
      expect(quota.status).toMatchObject({
        consumed: { cpus: '750m', mem: '192Mi' },
        headroom: { cpus: '3250m', mem: '8000Mi' },
      });
      expect(items.map((one) => one.metadata.name).toSorted()).toEqual([
        'mezzo-fake-1',
        'mezzo-fake-2',
      ]);
      expect(items.map((one) => one.status?.capacity?.['cpus'])).toEqual(['2', '2']);
      expect(tasks).toBe(3);
      return true;
    });
    const columns = await all.cluster.kubectl(['get', 'mrole,mquota,magent']);
    expect(columns).toMatch(/quota\.mezzo\.dev\/eng +eng +4 +8Gi +750m +192Mi +True +False/);
    expect(columns).toMatch(
      /role\.mezzo\.dev\/eng-web +eng\/web +1 +18\.8% +750m +192Mi +0 +0 +True/,
    );
    expect(columns).toMatch(/agent\.mezzo\.dev\/mezzo-fake-1 +Shared +false +2 +6Gi .* True/);
  }, 90_000);

  test('an older Role keeps its path; the newer one says so', async () => {
    await all.make(ROLES, 'web-again', { path: 'eng/web', weight: 7 });
    const told = await all.told(ROLES, 'web-again', { type: 'Ready', reason: 'DuplicatePath' });
    expect(told.message).toBe(
      'spec.path `eng/web` is already taken by the older Role eng-web; delete one of the two',
    );
    await all.remove(ROLES, 'web-again');
  }, 60_000);
});

describe('preemption', () => {
  test('production takes the place of the least damaging preemptible task, and everybody is told', async () => {
    // The cheap one is the older by a second or more: its priority makes it the victim, not its age.
    await job('cheap', { tier: 'preemptible', template: template('1') });
    await all.running('cheap', 1);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    await job('batch', {
      tier: 'preemptible',
      priority: 10,
      instances: 3,
      template: template('1'),
    });
    await all.running('batch', 3);
    await job('front', { tier: 'production', template: template('1') });
    await all.running('front', 1);
    const record = await eventually('the record to be completed', async () => {
      const { status } = await all.get<ServiceJobObject>(SERVICE_JOBS, 'front');
      return status?.preemptions?.find((one) => one.phase === 'Completed');
    });
    expect(record).toMatchObject({
      preemptor: 'ServiceJob/team/front',
      instance: 0,
      rule: 'TierAboveVictims',
      resources: { cpus: '1', mem: '64Mi' },
      victims: [{ job: 'ServiceJob/team/cheap', role: 'eng/web' }],
    });
    const victim = await all.get<ServiceJobObject>(SERVICE_JOBS, 'cheap');
    expect(victim.status?.preempted).toMatchObject([
      { id: record.id, pod: record.victims[0]?.pod, by: 'ServiceJob/team/front' },
    ]);
    await all.running('batch', 3);
    await eventually('events on both', async () => {
      const front = (await all.notesOn('front')).join('\n');
      const cheap = (await all.notesOn('cheap')).join('\n');
      expect(front).toMatch(
        /PreemptionStarted: team\/cheap-\S+ on mezzo-fake-\d make room for instance 0/,
      );
      expect(front).toMatch(/PreemptionCompleted: instance 0 was placed on mezzo-fake-\d/);
      expect(cheap).toMatch(
        /Warning TaskPreempted: instance \d on mezzo-fake-\d preempted by ServiceJob\/team\/front/,
      );
      return true;
    });
    const told = await all.told(SERVICE_JOBS, 'cheap', {
      type: 'Ready',
      reason: 'InstancesPending',
    });
    expect(told.message).toMatch(
      /^0 of 1 instances run, 1 wait: role eng is at its limit: cpus limit 4/,
    );
  }, 120_000);

  test('what the victim leaves is held for the preemptor while others ask for it too', async () => {
    const slow = { killGraceSeconds: 5 };
    await job('old', { tier: 'preemptible', template: template('2', slow), ...on('mezzo-fake-1') });
    await all.running('old', 1);
    await job('vip', { tier: 'production', template: template('2'), ...on('mezzo-fake-1') });
    // As soon as the intent is written many small ones ask for the same agent.
    await eventually(
      'the intent',
      async () => (await all.get<ServiceJobObject>(SERVICE_JOBS, 'vip')).status?.preemptions?.[0],
    );
    // Of a role that holds nothing and weighs much: it comes first wherever nothing is held.
    await job('small', {
      role: 'rival',
      tier: 'preemptible',
      instances: 8,
      template: template('250m'),
      ...on('mezzo-fake-1'),
    });
    await all.running('vip', 1);
    const told = await all.told(SERVICE_JOBS, 'small', {
      type: 'Ready',
      reason: 'InstancesPending',
    });
    expect(told.message).toMatch(
      /none of 2 agents fits; 1 agent breaks the constraint on hostname; 1 agent has too little cpus free/,
    );
  }, 120_000);
});

describe('maintenance', () => {
  const open = (mode: string) => ({
    agents: ['mezzo-fake-1'],
    start: new Date(Date.now() - 60_000).toISOString(),
    durationSeconds: 3600,
    mode,
  });

  test('Freeze keeps what runs and starts nothing new there', async () => {
    await job('stay', { template: template('100m'), ...on('mezzo-fake-1') });
    const [before] = await all.running('stay', 1);
    await all.make(MAINTENANCE_WINDOWS, 'freeze', open('Freeze'));
    const told = await all.told(MAINTENANCE_WINDOWS, 'freeze', { type: 'Ready', reason: 'Frozen' });
    expect(told.message).toBe('1 agent(s) take nothing new; 1 task(s) go on running there');
    await job('late', { template: template('100m'), ...on('mezzo-fake-1') });
    await eventually('the late job to say what keeps it', async () => {
      const waits = await all.told(SERVICE_JOBS, 'late', {
        type: 'Ready',
        reason: 'InstancesPending',
      });
      expect(waits.message).toMatch(/1 agent is in a maintenance window/);
      return true;
    });
    expect((await all.running('stay', 1))[0]?.metadata.uid).toBe(before?.metadata.uid);
    await all.remove(MAINTENANCE_WINDOWS, 'freeze');
    await all.running('late', 1);
  }, 90_000);

  test('Drain moves the tasks to another agent', async () => {
    // While the other agent is full there is one place for them.
    await job('full', { template: template('2'), ...on('mezzo-fake-2') });
    await all.running('full', 1);
    await job('move', { instances: 2, template: template('100m') });
    const before = await all.running('move', 2);
    expect(before.map((pod) => pod.spec.nodeName)).toEqual(['mezzo-fake-1', 'mezzo-fake-1']);
    await all.remove(SERVICE_JOBS, 'full');
    await all.make(MAINTENANCE_WINDOWS, 'drain', open('Drain'));
    await all.told(MAINTENANCE_WINDOWS, 'drain', { type: 'Ready', reason: 'Drained' });
    const pods = await all.running('move', 2);
    expect(pods.map((pod) => pod.spec.nodeName)).toEqual(['mezzo-fake-2', 'mezzo-fake-2']);
    const window = await all.get<MaintenanceWindowObject>(MAINTENANCE_WINDOWS, 'drain');
    expect(window.status).toMatchObject({
      phase: 'Active',
      agents: [{ name: 'mezzo-fake-1', state: 'Drained', tasksLeft: 0 }],
    });
  }, 90_000);
});

describe('a Reservation', () => {
  test('is bound, keeps others out, and serves its own role', async () => {
    await all.make(ROLES, 'ops', { path: 'ops' });
    await all.make(RESERVATIONS, 'kept', {
      role: 'ops',
      resources: { cpus: '1500m', mem: '1Gi' },
      agent: 'mezzo-fake-1',
      ttlSeconds: 3600,
    });
    const told = await all.told(RESERVATIONS, 'kept', { type: 'Ready', reason: 'Bound' });
    expect(told.message).toBe('bound on mezzo-fake-1');
    const kept = await all.get<ReservationObject>(RESERVATIONS, 'kept');
    expect(kept.status).toMatchObject({ agents: ['mezzo-fake-1'], boundCount: 1 });
    expect(Date.parse(kept.status?.expiresAt ?? '')).toBe(
      Date.parse(kept.metadata.creationTimestamp ?? '') + 3_600_000,
    );
    await job('outside', { template: template('1'), ...on('mezzo-fake-1') });
    const waits = await all.told(SERVICE_JOBS, 'outside', {
      type: 'Ready',
      reason: 'InstancesPending',
    });
    expect(waits.message).toMatch(
      /1 agent has too little cpus free \(nearest: mezzo-fake-1, which lacks 500m cpus\)/,
    );
    await job('inside', { role: 'ops', template: template('1'), ...on('mezzo-fake-1') });
    await all.running('inside', 1);
    await all.remove(RESERVATIONS, 'kept');
    await all.running('outside', 1);
  }, 90_000);
});

describe('limits per tier', () => {
  test('hold back tasks of the tier alone, and tell who waits for what', async () => {
    await all.make(ROLES, 'lab', { path: 'lab', weight: 1.5, sorter: 'random' });
    await all.make(QUOTAS, 'lab', {
      role: 'lab',
      tierLimits: [{ tier: 'preemptible', limits: { cpus: '500m' } }],
    });
    await all.told(QUOTAS, 'lab', { type: 'Ready', reason: 'InEffect' });
    const spare = { role: 'lab', tier: 'preemptible', template: template('250m') };
    await job('spare', { ...spare, instances: 3 });
    await all.running('spare', 2);
    await eventually('the third to tell why it waits', async () => {
      const waits = { type: 'Ready', reason: 'InstancesPending' };
      const { message } = await all.told(SERVICE_JOBS, 'spare', waits);
      expect(message).toContain(
        'limits tier preemptible of role lab to cpus 500m: its tasks hold 500m and one more needs 250m',
      );
      return true;
    });
    await job('sure', { role: 'lab', tier: 'production', template: template('1') });
    await all.running('sure', 1);
    await eventually('the figures of the tier', async () => {
      const quota = await all.get<QuotaObject>(QUOTAS, 'lab');
      expect(quota.status?.tiers).toMatchObject([
        { tier: 'preemptible', consumed: { cpus: '500m' }, headroom: { cpus: '0' } },
      ]);
      return true;
    });
    const role = await all.told(ROLES, 'lab', { type: 'Ready', reason: 'InEffect' });
    expect(role.message).toContain('take turns at random by weight');
    expect(await all.cluster.kubectl(['get', 'mrole', 'lab'])).toMatch(/lab +lab +1\.5 /);
    await all.remove(QUOTAS, 'lab');
    await all.running('spare', 3);
  }, 90_000);
});
