import { beforeEach, describe, expect, test } from '@jest/globals';
import { ControllersByHand } from '../../../test/support/controllers.ts';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { OperatorWorld, RUNNING, taskPod } from '../../../test/support/operatorWorld.ts';
import { LABEL } from '../model/labels.ts';
import type { Pod } from '../schema/kubeObjects.ts';
import { QUOTAS, ROLES } from '../schema/mezzoKinds.ts';
import { agentViews, jobViews, roleViews, taskRows, type ViewInput } from './gatherViews.ts';
import { createUsageBoard } from './usage.ts';

let all: OperatorWorld;
let input: ViewInput;

beforeEach(async () => {
  const clock = new FakeClock();
  all = new OperatorWorld(clock);
  all.make(ROLES, 'web', { path: 'web', weight: 3 });
  all.make(QUOTAS, 'web', { role: 'web', limits: { cpus: '2' }, guarantees: { cpus: '1' } });
  all.node('node-1', { cpu: '4', memory: '8Gi' });
  const measured = all.pod(taskPod({ job: 'shop', instance: 0, cpus: '500m', status: RUNNING }));
  all.pod(taskPod({ job: 'shop', instance: 1, cpus: '500m', status: RUNNING }));
  all.pod(taskPod({ job: 'batch', role: 'loose', kind: 'AdhocJob', cpus: '250m' }));
  all.pod(ofFramework());
  all.pod({
    metadata: { name: 'dns', namespace: 'kube-system' },
    spec: {
      nodeName: 'node-1',
      containers: [{ name: 'c', image: 'x', resources: { requests: { cpu: '100m' } } }],
    },
  });
  const operator = new ControllersByHand(all, clock);
  await clock.advance(50);
  const usage = createUsageBoard(clock);
  usage.report('node-1', [
    { uid: measured.metadata.uid ?? '', cpuMillis: 120, memoryBytes: 2 ** 20 },
  ]);
  input = { ...operator.set.viewInput(), usage };
});

function ofFramework(): Pod {
  const pod = taskPod({ job: 'ext', role: 'web', cpus: '1' });
  const {
    [LABEL.job]: _job,
    [LABEL.jobKind]: _kind,
    [LABEL.jobUid]: _uid,
    ...labels
  } = pod.metadata.labels ?? {};
  return {
    ...pod,
    metadata: { ...pod.metadata, labels: { ...labels, [LABEL.framework]: 'marathon' } },
  };
}

describe('roles', () => {
  test('have their policy, their own amounts, and the use somebody measured', () => {
    expect(roleViews(input).find((one) => one.role === 'web')).toMatchObject({
      weight: 3,
      limit: { cpus: 2000 },
      guaranteed: { cpus: 1000 },
      allocated: { cpus: 2000 },
      consumed: { cpus: 2000 },
      used: { cpus: 120, mem: 2 ** 20 },
      tasks: 3,
    });
  });
  test('without an object are shown too while they have tasks, their use unknown', () => {
    expect(roleViews(input).find((one) => one.role === 'loose')).toMatchObject({
      weight: 1,
      tasks: 1,
      used: undefined,
    });
  });
  test('without tasks use nothing', () => {
    expect(roleViews(input).find((one) => one.role === '*')).toMatchObject({ tasks: 0, used: {} });
  });
});

test('jobs by kind and name; tasks of a framework under its name', () => {
  const rows = jobViews(input).map(
    (one) => `${one.kind}|${one.namespace}|${one.job}|${one.role}|${one.tasks}`,
  );
  expect(rows.toSorted()).toEqual([
    'AdhocJob|apps|batch|loose|1',
    'Framework||marathon|web|1',
    'ServiceJob|apps|shop|web|2',
  ]);
});

test('agents with what is allocatable, taken by others, allocated and used', () => {
  expect(agentViews(input)).toMatchObject([
    {
      agent: 'node-1',
      capacity: { cpus: 4000, mem: 8 * 2 ** 30 },
      foreign: { cpus: 100 },
      allocated: { cpus: 2250 },
      used: { cpus: 120 },
      schedulable: true,
      tasks: 4,
    },
  ]);
});

test('one row per task, with its state', () => {
  expect(taskRows(input).find((row) => row.name === 'shop-0-0')).toEqual({
    namespace: 'apps',
    name: 'shop-0-0',
    framework: 'mezzo-jobs',
    role: 'web',
    job: 'ServiceJob/apps/shop',
    agent: 'node-1',
    state: 'RUNNING',
    message: 'running',
  });
});
