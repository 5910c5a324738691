import { beforeEach, describe, expect, test } from '@jest/globals';
import { ControllersByHand } from '../../../../test/support/controllers.ts';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { OperatorWorld, RUNNING } from '../../../../test/support/operatorWorld.ts';
import { ANNOTATION, LABEL } from '../../model/labels.ts';
import { type KubeApi, KubeApiError, type KubeObject } from '../../ports/kubeApi.ts';
import { DISRUPTION_BUDGETS, PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { ROLES, SERVICE_JOBS, type ServiceJobObject } from '../../schema/mezzoKinds.ts';
import { holdsOf } from './records.ts';

const VIP = 'ServiceJob/apps/vip';

let clock: FakeClock;
let all: OperatorWorld;
let operator: ControllersByHand;
let phases: string[];

beforeEach(() => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
  phases = [];
  operator = newOperator();
  all.make(ROLES, 'web', { path: 'web' });
  all.node('node-1', { cpu: '4', memory: '8Gi', pods: '20' });
});

function newOperator(kube?: KubeApi): ControllersByHand {
  return new ControllersByHand(all, clock, {
    ...(kube === undefined ? {} : { kube }),
    metrics: { preemption: (phase) => phases.push(phase) },
  });
}

const spec = (instances: number, tier: string, cpus: string, more: object = {}) => ({
  role: 'web',
  tier,
  instances,
  template: { image: 'app:1', resources: { cpus, mem: '64Mi' } },
  ...more,
});
const job = (name: string): ServiceJobObject =>
  all.api.get(SERVICE_JOBS, { name, namespace: 'apps' }) as ServiceJobObject;
const records = (name = 'vip') => job(name).status?.preemptions ?? [];
const podsOf = (name: string): Pod[] =>
  ([...all.api.all(PODS)] as Pod[])
    .filter((pod) => pod.metadata.labels?.['mezzo.dev/job'] === name)
    .toSorted((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));

/** Looks at a job, lets offers come, and lets every new Pod run. */
async function settle(...jobs: readonly string[]): Promise<void> {
  for (const name of jobs) await operator.look('serviceJob', `apps/${name}`);
  await clock.advance(100);
  for (const pod of [...all.api.all(PODS)] as Pod[])
    if (pod.status?.phase === 'Pending') all.report(pod.metadata.name, RUNNING);
}

/** The kubelet's last words about a Pod that is being deleted, and the operator's release. */
async function die(pod: Pod): Promise<void> {
  const terminated = { exitCode: 143, finishedAt: new Date(clock.nowMs()).toISOString() };
  all.report(pod.metadata.name, {
    phase: 'Failed',
    containerStatuses: [{ name: 'task', state: { terminated } }],
  });
  await clock.settle();
}

/** Four preemptible tasks fill the node; a production task waits and has waited long enough. */
async function fullNode(cpus = '1', instances = 1): Promise<void> {
  all.make(SERVICE_JOBS, 'batch', spec(4, 'preemptible', '1'));
  await settle('batch');
  expect(podsOf('batch')).toHaveLength(4);
  all.make(SERVICE_JOBS, 'vip', spec(instances, 'production', cpus));
  await settle('vip');
  await clock.advance(2_000);
}

describe('a preemption', () => {
  test('is written down before a Pod is touched', async () => {
    await fullNode();
    await operator.set.preemption.consider();
    expect(records()).toMatchObject([
      {
        phase: 'Intended',
        preemptor: VIP,
        instance: 0,
        rule: 'TierAboveVictims',
        agent: 'node-1',
        resources: { cpus: '1', mem: '64Mi' },
        shareBefore: '100.0%',
      },
    ]);
    expect(records()[0]?.victims).toHaveLength(1);
    expect(podsOf('batch').filter((pod) => pod.metadata.deletionTimestamp !== undefined)).toEqual(
      [],
    );
    expect(phases).toEqual(['Intended']);
  });

  test('tells the victim and its job why, then stops it', async () => {
    await fullNode();
    await operator.set.preemption.consider();
    await operator.look('preemption', VIP);
    const [record] = records();
    expect(record?.phase).toBe('Evicting');
    const [victim] = podsOf('batch').filter((pod) => pod.metadata.deletionTimestamp !== undefined);
    expect(`apps/${victim?.metadata.name}`).toBe(record?.victims[0]?.pod);
    expect(victim?.metadata.annotations).toMatchObject({
      [ANNOTATION.intent]: 'preempt',
      [ANNOTATION.preemptedBy]: record?.id,
      [ANNOTATION.killReason]: `preempted by ${VIP} (TierAboveVictims, record ${record?.id})`,
    });
    expect(job('batch').status?.preempted).toMatchObject([
      { id: record?.id, pod: record?.victims[0]?.pod, by: VIP, rule: 'TierAboveVictims' },
    ]);
    expect(operator.events.lines.join('\n')).toMatch(
      /batch: Warning TaskPreempted: instance \d on node-1 preempted by ServiceJob\/apps\/vip/,
    );
    expect(operator.events.lines.join('\n')).toMatch(/vip: Normal PreemptionStarted: apps\/batch-/);
  });

  test('holds what the victims leave, as they leave it, and completes when the task runs there', async () => {
    await fullNode('2');
    await operator.set.preemption.consider();
    await operator.look('preemption', VIP);
    const victims = podsOf('batch').filter((pod) => pod.metadata.deletionTimestamp !== undefined);
    expect(victims).toHaveLength(2);
    const held = (): number => holdsOf(all.world)[0]?.resources['cpus'] ?? 0;
    expect(held()).toBe(0);
    await die(victims[0] as Pod);
    expect(held()).toBe(1000);
    await settle('batch');
    expect(podsOf('batch').filter((pod) => pod.status?.phase === 'Running')).toHaveLength(3);
    await die(victims[1] as Pod);
    await operator.look('preemption', VIP);
    expect(records()[0]?.phase).toBe('Held');
    await settle('batch', 'vip');
    expect(podsOf('vip')).toHaveLength(1);
    await operator.look('preemption', VIP);
    expect(records()[0]).toMatchObject({
      phase: 'Completed',
      message: 'instance 0 was placed on node-1',
      finishedAt: expect.any(String),
      shareAfter: expect.any(String),
    });
    expect(holdsOf(all.world)).toEqual([]);
    expect(phases).toEqual(['Intended', 'Completed']);
  });

  test('is not begun before the task has waited, nor for a role that forbids it', async () => {
    all.make(SERVICE_JOBS, 'batch', spec(4, 'preemptible', '1'));
    await settle('batch');
    all.make(SERVICE_JOBS, 'vip', spec(1, 'production', '1'));
    await settle('vip');
    await operator.set.preemption.consider();
    expect(records()).toEqual([]);
    const role = all.api.get(ROLES, { name: 'web' });
    const forbidding = { path: 'web', preemption: { enabled: false } };
    const changed = all.api.update(ROLES, { ...role, spec: forbidding } as never);
    await clock.advance(5_000);
    await operator.set.preemption.consider();
    expect(records()).toEqual([]);
    all.api.update(ROLES, { ...changed, spec: { path: 'web' } } as never);
    await operator.set.preemption.consider();
    expect(records()).toHaveLength(1);
  });
});

describe('two tasks that wait', () => {
  test('never take the same victim', async () => {
    await fullNode('1', 2);
    await operator.set.preemption.consider();
    const victims = records().flatMap((one) => one.victims.map((victim) => victim.pod));
    expect(victims).toHaveLength(2);
    expect(new Set(victims).size).toBe(2);
    expect(records().map((one) => one.instance)).toEqual([0, 1]);
  });
  test('do not take more than there is: the third of three large ones waits', async () => {
    await fullNode('2', 3);
    await operator.set.preemption.consider();
    expect(records()).toHaveLength(2);
    await operator.set.preemption.consider();
    expect(records()).toHaveLength(2);
  });
});

describe('a crash', () => {
  test('after the intent: the next leader evicts', async () => {
    await fullNode();
    await operator.set.preemption.consider();
    operator.kill();
    operator = newOperator();
    await operator.look('preemption', VIP);
    expect(
      podsOf('batch').filter((pod) => pod.metadata.deletionTimestamp !== undefined),
    ).toHaveLength(1);
    expect(records()[0]?.phase).toBe('Evicting');
  });
  test('after the victim was told and before it was deleted: it is deleted, and told once', async () => {
    await fullNode();
    await operator.set.preemption.consider();
    operator.kill();
    const evict: KubeApi['evict'] = (pod, options) =>
      options?.dryRun === true
        ? all.kube.evict(pod, options)
        : Promise.reject(new KubeApiError('unknownOutcome', 'killed'));
    const dying = new Proxy(all.kube, {
      get: (target, name: keyof KubeApi) => (name === 'evict' ? evict : target[name].bind(target)),
    });
    await expect(newOperator(dying).look('preemption', VIP)).rejects.toThrow('killed');
    expect(records()[0]?.phase).toBe('Intended');
    operator = newOperator();
    await operator.look('preemption', VIP);
    expect(
      podsOf('batch').filter((pod) => pod.metadata.deletionTimestamp !== undefined),
    ).toHaveLength(1);
    expect(job('batch').status?.preempted).toHaveLength(1);
  });
  test('while a budget protects the victim: it runs on, nobody is told that it was preempted', async () => {
    await fullNode();
    const budget = { name: 'batch', namespace: 'apps' };
    const allow = (disruptionsAllowed: number): void => {
      const status = { observedGeneration: 1, disruptionsAllowed };
      all.api.patch(DISRUPTION_BUDGETS, budget, 'merge', { status }, { subresource: 'status' });
    };
    const selector = { matchLabels: { [LABEL.job]: 'batch' } };
    all.api.create(DISRUPTION_BUDGETS, { metadata: budget, spec: { selector } } as KubeObject);
    allow(0);
    await operator.set.preemption.consider();
    await operator.look('preemption', VIP);
    expect(podsOf('batch').flatMap((pod) => pod.metadata.deletionTimestamp ?? [])).toEqual([]);
    expect(job('batch').status?.preempted ?? []).toEqual([]);
    expect(operator.events.lines.join('\n')).toMatch(
      /vip: Warning PreemptionBlocked: apps\/batch-.* disruption budget/,
    );
    allow(1);
    await operator.look('preemption', VIP);
    expect(podsOf('batch').flatMap((pod) => pod.metadata.deletionTimestamp ?? [])).toHaveLength(1);
    expect(job('batch').status?.preempted).toHaveLength(1);
  });
  test('while the capacity is held: it stays held for the same instance', async () => {
    await fullNode();
    await operator.set.preemption.consider();
    await operator.look('preemption', VIP);
    const [victim] = podsOf('batch').filter((pod) => pod.metadata.deletionTimestamp !== undefined);
    await die(victim as Pod);
    operator.kill();
    operator = newOperator();
    await settle('batch', 'vip');
    expect(podsOf('vip')).toHaveLength(1);
    await operator.look('preemption', VIP);
    expect(records()[0]?.phase).toBe('Completed');
  });
});

describe('a preemption is given up', () => {
  const begun = async (): Promise<void> => {
    await fullNode();
    await operator.set.preemption.consider();
  };
  test('when its instance is not wanted any more, before anybody is stopped for it', async () => {
    await begun();
    const vip = job('vip');
    all.api.update(SERVICE_JOBS, { ...vip, spec: { ...vip.spec, instances: 0 } } as never);
    await operator.look('preemption', VIP);
    expect(records()[0]).toMatchObject({
      phase: 'Abandoned',
      message: 'instance 0 is not wanted any more',
    });
    expect(podsOf('batch').filter((pod) => pod.metadata.deletionTimestamp !== undefined)).toEqual(
      [],
    );
    expect(phases).toEqual(['Intended', 'Abandoned']);
  });
  test('when nobody takes the place within three minutes of the grace of its victims', async () => {
    await begun();
    await operator.look('preemption', VIP);
    await clock.advance(200_000);
    await operator.look('preemption', VIP);
    expect(records()[0]?.phase).toBe('Evicting');
    await clock.advance(15_000);
    await operator.look('preemption', VIP);
    expect(records()[0]?.phase).toBe('Abandoned');
    expect(operator.events.lines.join('\n')).toMatch(
      /vip: Warning PreemptionAbandoned: instance 0 was not placed/,
    );
    expect(holdsOf(all.world)).toEqual([]);
  });
});

test('an offer in the way is taken back instead of a task, once, and its room is kept', async () => {
  all.node('node-2', { cpu: '4', memory: '8Gi', pods: '20' });
  const offers: string[] = [];
  const rescinded: string[] = [];
  operator.set.scheduling.register(
    {
      id: 'hoarder' as never,
      roles: ['web' as never],
      suppressedRoles: [],
      capabilities: { revocable: false, gpu: false },
    },
    {
      onOffers: (made) => offers.push(...made.map((one) => one.id)),
      onRescind: (id) => rescinded.push(id),
      onLaunchFailed: () => undefined,
    },
  );
  await clock.advance(100);
  expect(offers).toHaveLength(2);
  all.make(SERVICE_JOBS, 'vip', spec(1, 'production', '3'));
  await settle('vip');
  await clock.advance(2_000);
  await operator.set.preemption.consider();
  await operator.set.preemption.consider();
  expect(rescinded).toHaveLength(1);
  expect(operator.set.preemption.transientHolds()).toHaveLength(1);
  await settle('vip');
  expect(podsOf('vip')).toHaveLength(1);
  expect(records()).toEqual([]);
});
