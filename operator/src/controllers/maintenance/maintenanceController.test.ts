import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { EventList, OperatorWorld, taskPod } from '../../../../test/support/operatorWorld.ts';
import { agentId, frameworkId } from '../../model/ids.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import {
  MAINTENANCE_WINDOWS,
  type MaintenanceWindowObject,
  SERVICE_JOBS,
} from '../../schema/mezzoKinds.ts';
import type { InverseAnswerRow } from '../../state/inverseOfferBook.ts';
import {
  createMaintenanceController,
  type MaintenanceController,
} from './maintenanceController.ts';
import { unavailableAgents } from './windows.ts';

const READY: Pod['status'] = {
  phase: 'Running',
  conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }],
  containerStatuses: [
    {
      name: 'main',
      ready: true,
      restartCount: 0,
      state: { running: { startedAt: '2026-01-01T00:00:00Z' } },
    },
  ],
};

let clock: FakeClock;
let all: OperatorWorld;
let answers: InverseAnswerRow[];
let controller: MaintenanceController;

beforeEach(() => {
  clock = new FakeClock();
  all = new OperatorWorld(clock);
  answers = [];
  for (const name of ['node-1', 'node-2']) all.node(name, { cpu: '4', memory: '4Gi', pods: '10' });
  controller = createMaintenanceController({
    world: all.world,
    kube: all.kube,
    clock,
    recorder: new EventList(),
    inverseAnswers: () => answers,
  });
});

const iso = (offsetMs: number): string => new Date(clock.nowMs() + offsetMs).toISOString();
const open = (spec: object = {}, name = 'w'): void => {
  all.make(MAINTENANCE_WINDOWS, name, {
    agents: ['node-1'],
    start: iso(-1_000),
    durationSeconds: 3600,
    mode: 'Drain',
    ...spec,
  });
};
const look = async (name = 'w') => {
  const result = await controller.reconcile(name);
  const { status } = all.api.get(MAINTENANCE_WINDOWS, { name }) as MaintenanceWindowObject;
  return { result, status };
};
const shop = (minAvailable: number): void => {
  all.make(SERVICE_JOBS, 'shop', {
    role: 'web',
    instances: 2,
    sla: { minAvailable },
    template: { image: 'x', resources: { cpus: '1', mem: '64Mi' } },
  });
  for (const instance of [0, 1])
    all.pod(taskPod({ instance, agent: `node-${instance + 1}`, status: READY }));
};
const goingAway = (): string[] =>
  ([...all.api.all(PODS)] as Pod[])
    .filter((pod) => pod.metadata.deletionTimestamp !== undefined)
    .map((pod) => pod.metadata.name);

describe('a drain', () => {
  test('takes no ready instance from a job at its minimum, and says so', async () => {
    shop(2);
    open();
    const { status } = await look();
    expect(goingAway()).toEqual([]);
    expect(status?.conditions).toMatchObject([
      {
        type: 'Ready',
        status: 'False',
        reason: 'WaitingForJobs',
        message:
          '1 agent(s) take nothing new; 1 task(s) are left there; ServiceJob/apps/shop can spare no instance ' +
          '(spec.sla.minAvailable): add instances, or set spec.deadlineSeconds or slaPolicy: Ignore here',
      },
    ]);
  });
  test('moves what the job can spare', async () => {
    shop(1);
    open();
    await look();
    expect(goingAway()).toEqual(['shop-0-0']);
  });
  test('of two windows together takes no more than the job can spare', async () => {
    shop(1);
    open();
    open({ agents: ['node-2'] }, 'v');
    await Promise.all([look('w'), look('v')]);
    expect(goingAway()).toHaveLength(1);
  });
  test.each<[string, object]>([
    [
      'after its deadline',
      { start: '2025-12-31T23:00:00Z', durationSeconds: 31_536_000, deadlineSeconds: 60 },
    ],
    ['that ignores what jobs may spare', { slaPolicy: 'Ignore' }],
  ])('%s moves everything', async (_when, spec) => {
    shop(2);
    open(spec);
    await look();
    expect(goingAway()).toEqual(['shop-0-0']);
  });
});

test('status tells what frameworks answered', async () => {
  open({ start: iso(60_000) });
  answers = [
    { framework: frameworkId('f'), agent: agentId('node-1'), answer: 'accepted', atMs: 0 },
    { framework: frameworkId('g'), agent: agentId('node-1'), answer: 'unknown', atMs: 0 },
    { framework: frameworkId('f'), agent: agentId('node-2'), answer: 'declined', atMs: 0 },
  ];
  expect((await look()).status?.agents).toEqual([
    {
      name: 'node-1',
      state: 'Waiting',
      tasksLeft: 0,
      answers: { accepted: 1, declined: 0, unknown: 1 },
    },
  ]);
});

test('an agent will be away by the window that starts first and is not over', () => {
  open({ start: iso(-7_200_000) }, 'over');
  open({ start: iso(90_000), durationSeconds: 60 }, 'later');
  open({ start: iso(30_000), durationSeconds: 600 }, 'soon');
  expect([...unavailableAgents(all.world, clock.nowMs())]).toEqual([
    ['node-1', { startMs: clock.nowMs() + 30_000, durationMs: 600_000 }],
  ]);
});
