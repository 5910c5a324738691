import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { ended, OperatorWorld, RUNNING, taskPod } from '../../../test/support/operatorWorld.ts';
import type { KubeObject, ResourceRef } from '../ports/kubeApi.ts';
import { NODES } from '../schema/kubeKinds.ts';
import {
  ADHOC_JOBS,
  AGENTS,
  CRON_JOBS,
  QUOTAS,
  RESERVATIONS,
  ROLES,
  SERVICE_JOBS,
} from '../schema/mezzoKinds.ts';
import { routeEvents } from './eventRouting.ts';

const JOB = { role: 'web', template: { image: 'app:1', resources: { cpus: '1' } } };

let all: OperatorWorld;
let asked: string[];
let triggers: number;
let refusals: string[];
let illegal: string[];
let stop: () => void;

beforeEach(() => {
  all = new OperatorWorld(new FakeClock());
  asked = [];
  triggers = 0;
  refusals = [];
  illegal = [];
  stop = () => undefined;
});

function listen(): void {
  stop = routeEvents(all.world, {
    enqueue: (controller, key) => asked.push(`${controller} ${key}`),
    trigger: () => {
      triggers += 1;
    },
    refused: (reason) => refusals.push(reason),
    illegal: (pod, from, to) => illegal.push(`${pod.metadata.name}: ${from} ${to}`),
  });
}
/** What is asked for by a change, after everything before it was told. */
function after(change: () => unknown): string[] {
  listen();
  asked.length = 0;
  triggers = 0;
  change();
  return asked.toSorted();
}
const statusOf = (ref: ResourceRef, object: KubeObject, status: object): KubeObject =>
  all.api.update(ref, { ...object, status } as KubeObject, { subresource: 'status' });
const specOf = (ref: ResourceRef, object: KubeObject, spec: object): KubeObject =>
  all.api.update(ref, { ...object, spec } as KubeObject);

describe('what a new leader finds', () => {
  test('is asked for all at once, orphaned Pods included', () => {
    all.make(SERVICE_JOBS, 'shop', JOB);
    all.make(ROLES, 'web', { path: 'web' });
    all.node('node-1', { cpu: '4' });
    all.pod(taskPod({ job: 'gone', kind: 'AdhocJob' }));
    listen();
    expect(asked).toEqual(
      expect.arrayContaining([
        'serviceJob apps/shop',
        'role Role/web',
        'agent node-1',
        'adhocJob apps/gone',
      ]),
    );
    expect(triggers).toBeGreaterThan(0);
  });
});

describe('a change concerns', () => {
  test('the job whose Pod it is, and the allocation', () => {
    const pod = all.pod(taskPod({ job: 'shop' }));
    expect(after(() => all.report(pod.metadata.name, RUNNING))).toEqual(['serviceJob apps/shop']);
    expect(triggers).toBe(1);
  });
  test('the allocation alone, when the Pod is not of Mezzo', () => {
    const change = () =>
      all.pod({
        metadata: { name: 'dns', namespace: 'kube-system' },
        spec: { containers: [{ name: 'c', image: 'x' }] },
      });
    expect(after(change)).toEqual([]);
    expect(triggers).toBe(1);
  });
  test('its agent, when a node changes', () => {
    const node = all.node('node-1', { cpu: '4' });
    expect(
      after(() => all.api.update(NODES, { ...node, spec: { unschedulable: true } } as KubeObject)),
    ).toEqual(['agent node-1']);
    expect(triggers).toBe(1);
  });
  test('its CronJob, when a run changes', () => {
    const run = all.api.create(ADHOC_JOBS, {
      metadata: { name: 'tick-1', namespace: 'apps', labels: { 'mezzo.dev/cron-job': 'tick' } },
      spec: JOB,
    } as KubeObject);
    expect(after(() => statusOf(ADHOC_JOBS, run, { result: 'Succeeded' }))).toEqual([
      'adhocJob apps/tick-1',
      'cronJob apps/tick',
    ]);
  });
  test('its preemptions, while one is open', () => {
    const job = all.make(SERVICE_JOBS, 'vip', JOB);
    const record = {
      id: 'r',
      phase: 'Intended',
      preemptor: 'x',
      instance: 0,
      rule: 'r',
      agent: 'n',
      victims: [],
      resources: {},
      graceDeadline: '2026-01-01T00:00:00Z',
      startedAt: '2026-01-01T00:00:00Z',
    };
    expect(after(() => statusOf(SERVICE_JOBS, job, { preemptions: [record] }))).toEqual([
      'preemption ServiceJob/apps/vip',
      'serviceJob apps/vip',
    ]);
  });
  test('every job, when somebody changes a role or a quota', () => {
    all.make(SERVICE_JOBS, 'shop', JOB);
    all.make(ADHOC_JOBS, 'crunch', JOB);
    const role = all.make(ROLES, 'web', { path: 'web' });
    const jobs = ['adhocJob apps/crunch', 'role Role/web', 'serviceJob apps/shop'];
    expect(after(() => specOf(ROLES, role, { path: 'web', weight: 5 }))).toEqual(jobs);
    stop();
    expect(after(() => all.make(QUOTAS, 'web', { role: 'web', limits: { cpus: '1' } }))).toEqual([
      'adhocJob apps/crunch',
      'role Quota/web',
      'serviceJob apps/shop',
    ]);
  });
  test('its own controller, for everything else', () => {
    const spec = { role: 'ops', agent: 'a', resources: { cpus: '1' } };
    expect(after(() => all.make(RESERVATIONS, 'kept', spec))).toEqual(['reservation kept']);
    stop();
    const cron = { schedule: '@daily', jobTemplate: { spec: JOB } };
    expect(after(() => all.make(CRON_JOBS, 'tick', cron))).toEqual(['cronJob apps/tick']);
  });
});

describe('our own figures ask for nothing', () => {
  test('of a role: neither its controller nor a cycle nor any job', () => {
    all.make(SERVICE_JOBS, 'shop', JOB);
    const role = all.make(ROLES, 'web', { path: 'web' });
    expect(after(() => statusOf(ROLES, role, { tasks: 4 }))).toEqual([]);
    expect(triggers).toBe(0);
  });
  test('of an agent: unless there is a new estimate of what may be lent', () => {
    const agent = all.make(AGENTS, 'node-1', {});
    let changed = agent;
    const figures = (): void => {
      changed = statusOf(AGENTS, agent, { tasks: 4 });
    };
    expect(after(figures)).toEqual([]);
    expect(triggers).toBe(0);
    stop();
    const revocable = { cpuMillis: 500, memoryBytes: 0, observedAt: '2026-01-01T00:00:00Z' };
    expect(after(() => statusOf(AGENTS, changed, { tasks: 4, revocable }))).toEqual([
      'agent node-1',
    ]);
    expect(triggers).toBe(1);
  });
});

describe('a Pod that a kubelet refused', () => {
  test('is counted once, with the reason', () => {
    const pod = all.pod(taskPod());
    listen();
    const refused = { phase: 'Failed' as const, reason: 'OutOfcpu', message: 'no room' };
    all.report(pod.metadata.name, refused);
    all.report(pod.metadata.name, { ...refused, message: 'still no room' });
    expect(refusals).toEqual(['OutOfcpu']);
  });
  test('is not one that ran and failed', () => {
    const pod = all.pod(taskPod({ status: RUNNING }));
    listen();
    const terminated = {
      exitCode: 1,
      startedAt: '2026-01-01T00:00:00Z',
      finishedAt: '2026-01-01T00:00:09Z',
    };
    all.report(pod.metadata.name, {
      phase: 'Failed',
      containerStatuses: [{ name: 'task', state: { terminated } }],
    });
    expect(refusals).toEqual([]);
  });
});

describe('a way the lifecycle does not know', () => {
  test('is told of: an end that turns into another end', () => {
    const pod = all.pod(taskPod({ status: ended(0) }));
    listen();
    all.report(pod.metadata.name, ended(1));
    expect(illegal).toEqual([`${pod.metadata.name}: FINISHED FAILED`]);
  });
  test('is none where a watch has skipped what lay between', () => {
    const pod = all.pod(taskPod());
    listen();
    all.report(pod.metadata.name, ended(0));
    expect(illegal).toEqual([]);
  });
});

test('after the end nobody is asked any more', () => {
  listen();
  stop();
  asked.length = 0;
  all.make(SERVICE_JOBS, 'shop', JOB);
  expect(asked).toEqual([]);
});
