import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PODS } from '../../../operator/src/schema/kubeKinds.ts';
import {
  ADHOC_JOBS,
  type AdhocJobObject,
  CRON_JOBS,
  type CronJobObject,
  QUOTAS,
  ROLES,
  SERVICE_JOBS,
  type ServiceJobObject,
} from '../../../operator/src/schema/mezzoKinds.ts';
import {
  eventually,
  NAMESPACE,
  OperatorCluster,
  type OperatorProcess,
  template,
} from './operatorCluster.ts';

let all: OperatorCluster;
let operator: OperatorProcess;

beforeAll(async () => {
  all = await OperatorCluster.start();
  await all.make(ROLES, 'web', { path: 'web' });
  operator = await all.startOperator();
}, 240_000);
afterAll(async () => {
  await all?.stop();
}, 60_000);

const imagesOf = async (job: string): Promise<string[]> =>
  (await all.runningOf(job)).map((pod) => pod.spec.containers[0]?.image ?? '');

describe('a ServiceJob', () => {
  test('runs, replaces a deleted task, follows kubectl scale, and leaves nothing when deleted', async () => {
    await all.make(SERVICE_JOBS, 'shop', { role: 'web', instances: 2, template: template('100m') });
    const [first] = await all.running('shop', 2);
    const told = await all.told(SERVICE_JOBS, 'shop', {
      type: 'Ready',
      reason: 'AllInstancesRunning',
    });
    expect(told).toMatchObject({ status: 'True', message: '2 of 2 instances run' });

    await all.cluster.kubectl([
      '-n',
      NAMESPACE,
      'delete',
      'pod',
      '--wait=false',
      first?.metadata.name ?? '',
    ]);
    await eventually('a replacement', async () => {
      const pods = await all.runningOf('shop');
      const isNew = pods.every((pod) => pod.metadata.uid !== first?.metadata.uid);
      return pods.length === 2 && isNew ? true : undefined;
    });

    await all.cluster.kubectl(['-n', NAMESPACE, 'scale', 'servicejob', 'shop', '--replicas=4']);
    await all.running('shop', 4);
    await all.cluster.kubectl(['-n', NAMESPACE, 'scale', 'servicejob', 'shop', '--replicas=1']);
    const [left] = await all.running('shop', 1);
    expect(left?.metadata.labels?.['mezzo.dev/instance']).toBe('0');

    await all.remove(SERVICE_JOBS, 'shop');
    await eventually('no Pod of the job', async () =>
      (await all.podsOf('shop')).length === 0 ? true : undefined,
    );
  }, 120_000);

  test('rolls a changed template over its instances one at a time', async () => {
    await all.make(SERVICE_JOBS, 'roll', {
      role: 'web',
      instances: 3,
      template: template('100m'),
      update: { watchSeconds: 3 },
    });
    await all.running('roll', 3);
    await all.change(SERVICE_JOBS, 'roll', {
      spec: { template: { image: 'registry.example/app:2' } },
    });
    await eventually('every instance on the new template', async () => {
      const images = await imagesOf('roll');
      const isDone = images.length === 3 && images.every((image) => image.endsWith(':2'));
      return isDone ? true : undefined;
    });
    // Who looks now and then may miss the moment in which too many are gone; the times of birth do not lie.
    const born = (await all.runningOf('roll'))
      .map((pod) => Date.parse(pod.metadata.creationTimestamp ?? ''))
      .toSorted((left, right) => left - right);
    const gapsMs = born.slice(1).map((ms, index) => ms - (born[index] ?? 0));
    expect(Math.min(...gapsMs)).toBeGreaterThanOrEqual(3000);
    const job = await eventually('the update to be recorded', async () => {
      const { status } = await all.get<ServiceJobObject>(SERVICE_JOBS, 'roll');
      return status?.update?.state === 'ROLLED_FORWARD' ? status : undefined;
    });
    expect(job.update).toMatchObject({ updatedInstances: 3 });
    await all.remove(SERVICE_JOBS, 'roll');
  }, 120_000);
});

describe('bounded work', () => {
  test('an AdhocJob runs each instance once and succeeds', async () => {
    await all.make(ADHOC_JOBS, 'crunch', {
      role: 'web',
      instances: 2,
      template: template('100m'),
    });
    const told = await all.told(ADHOC_JOBS, 'crunch', {
      type: 'Succeeded',
      reason: 'AllInstancesFinished',
    });
    expect(told).toMatchObject({ status: 'True', message: '2 of 2 instances finished' });
    const { status } = await all.get<AdhocJobObject>(ADHOC_JOBS, 'crunch');
    expect(status).toMatchObject({ result: 'Succeeded', finished: '0-1', failures: 0 });
    expect((await all.podsOf('crunch')).length).toBe(2);
    await all.remove(ADHOC_JOBS, 'crunch');
  }, 60_000);

  test('a CronJob starts a run at the next minute and tells when the one after is due', async () => {
    await all.make(CRON_JOBS, 'tick', {
      schedule: '* * * * *',
      jobTemplate: { labels: { team: 'a' }, spec: { role: 'web', template: template('50m') } },
    });
    const cron = await eventually(
      'a run',
      async () => {
        const found = await all.get<CronJobObject>(CRON_JOBS, 'tick');
        return found.status?.lastScheduleTime === undefined ? undefined : found;
      },
      75_000,
    );
    const { items } = await all.kube.list<AdhocJobObject>(ADHOC_JOBS, { namespace: NAMESPACE });
    const runs = items.filter((one) => one.metadata.labels?.['mezzo.dev/cron-job'] === 'tick');
    expect(runs.map((run) => run.metadata.labels?.['team'])).toEqual(['a']);
    const last = Date.parse(cron.status?.lastScheduleTime ?? '');
    expect(runs[0]?.metadata.name).toBe(`tick-${last / 60_000}`);
    expect(cron.status?.nextScheduleTime).toBe(
      new Date(last + 60_000).toISOString().replace('.000Z', 'Z'),
    );
    await all.remove(CRON_JOBS, 'tick');
    await eventually('its runs to be gone', async () =>
      (await all.podsOf(runs[0]?.metadata.name ?? '')).length === 0 ? true : undefined,
    );
  }, 120_000);
});

describe('a job that cannot run says why', () => {
  test('an unknown role: the field and the remedy', async () => {
    await all.make(SERVICE_JOBS, 'lost', { role: 'nowhere', template: template('100m') });
    const told = await all.told(SERVICE_JOBS, 'lost', { type: 'Ready', reason: 'RoleNotFound' });
    expect(told.message).toBe(
      'spec.role `nowhere` does not exist; create a Role object with spec.path `nowhere`, or use one of: web',
    );
    await all.make(ROLES, 'nowhere', { path: 'nowhere' });
    await all.running('lost', 1);
    await all.remove(SERVICE_JOBS, 'lost');
  }, 60_000);

  test.each([
    ['a negative amount', { cpus: '-1', mem: '64Mi' }, /resources/],
    [
      'an amount nobody can count',
      { 'example.com/fpga': '9999999999999999P', cpus: '1' },
      /resources/,
    ],
    [
      'too many CPUs for any machine',
      { cpus: '1000000', mem: '64Mi' },
      /cpus must be at most 100000/,
    ],
  ])(
    '%s: refused by the server, or told by the condition',
    async (_what, resources, expected) => {
      const spec = { role: 'web', template: template('1', { resources }) };
      const name = 'absurd';
      const refusal = await all.make(SERVICE_JOBS, name, spec).then(
        async () =>
          (await all.told(SERVICE_JOBS, name, { type: 'Ready', reason: 'InvalidQuantity' }))
            .message,
        (error: Error) => error.message,
      );
      expect(refusal).toMatch(expected);
      expect(await all.podsOf(name)).toEqual([]);
      await all.remove(SERVICE_JOBS, name);
    },
    60_000,
  );

  test('a job over the quota of its role: the limit, the consumption, the remedy', async () => {
    await all.make(ROLES, 'small', { path: 'small' });
    await all.make(QUOTAS, 'small', { role: 'small', limits: { cpus: '250m' } });
    await all.make(SERVICE_JOBS, 'big', {
      role: 'small',
      instances: 3,
      template: template('100m'),
    });
    await all.running('big', 2);
    // Reports are made from figures that may be half a second old: the first may say less.
    await eventually('the limit to be told', async () => {
      const told = await all.told(SERVICE_JOBS, 'big', {
        type: 'Ready',
        reason: 'InstancesPending',
      });
      expect(told.message).toBe(
        '2 of 3 instances run, 1 wait: role small is at its limit: cpus limit 250m, consumed 200m, one instance needs 100m; raise the Quota or stop other work of the role',
      );
      return true;
    });
    await all.change(QUOTAS, 'small', { spec: { limits: { cpus: '300m' } } });
    await all.running('big', 3);
    await all.remove(SERVICE_JOBS, 'big');
  }, 60_000);

  test('one instance larger than the quota, and one larger than any agent', async () => {
    await all.make(SERVICE_JOBS, 'huge', { role: 'small', template: template('1') });
    const quota = await all.told(SERVICE_JOBS, 'huge', { type: 'Ready', reason: 'QuotaExceeded' });
    expect(quota.message).toMatch(
      /^spec\.template\.resources\.cpus: one instance needs 1, the limit of role `small` is 300m/,
    );
    await all.make(SERVICE_JOBS, 'giant', { role: 'web', template: template('5') });
    const told = await all.told(SERVICE_JOBS, 'giant', {
      type: 'Ready',
      reason: 'InstancesPending',
    });
    expect(told.message).toMatch(
      /none of 2 agents fits; 2 agents have too little cpus free \(nearest: mezzo-fake-\d, which lacks 3/,
    );
    await all.remove(SERVICE_JOBS, 'huge');
    await all.remove(SERVICE_JOBS, 'giant');
  }, 60_000);

  test('an image that cannot be pulled is named as soon as the kubelet says so', async () => {
    await makeBareNode();
    await all.make(SERVICE_JOBS, 'typo', {
      role: 'web',
      template: template('100m', { image: 'registry.example/tpyo:1' }),
      constraints: [{ attribute: 'hostname', operator: 'In', values: ['bare'] }],
    });
    const pod = await eventually('its Pod', async () => (await all.podsOf('typo'))[0]);
    const waiting = {
      reason: 'ImagePullBackOff',
      message: 'Back-off pulling image "registry.example/tpyo:1"',
    };
    const status = {
      phase: 'Pending',
      containerStatuses: [
        {
          name: 'task',
          image: 'registry.example/tpyo:1',
          imageID: '',
          ready: false,
          restartCount: 0,
          state: { waiting },
        },
      ],
    };
    const { name } = pod.metadata;
    await all.kube.patch(
      PODS,
      { name, namespace: NAMESPACE },
      'merge',
      { status },
      { subresource: 'status' },
    );
    const told = await all.told(SERVICE_JOBS, 'typo', {
      type: 'Ready',
      reason: 'ImagePullBackOff',
    });
    expect(told.message).toBe(
      '0 of 1 instances run; instance 0 on bare: ImagePullBackOff: Back-off pulling image "registry.example/tpyo:1"; check spec.template.image and whether the agents can pull it',
    );
    await all.remove(SERVICE_JOBS, 'typo');
    await all.cluster.kubectl(['delete', 'node', 'bare', '--wait=false']);
    await eventually('the Pod of a node that is gone to go too', async () =>
      (await all.podsOf('typo')).length === 0 ? true : undefined,
    );
  }, 120_000);
});

/** A node no kubelet works on: the test says what becomes of its Pods. */
async function makeBareNode(): Promise<void> {
  const allocatable = { cpu: '2', memory: '4Gi', pods: '10' };
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'bare' },
    status: {
      allocatable,
      capacity: allocatable,
      conditions: [{ type: 'Ready', status: 'True', reason: 'Test', message: 'as the test says' }],
    },
  };
  await all.cluster.kubectl(['create', '-f', '-'], JSON.stringify(node));
  await all.cluster.kubectl([
    'patch',
    'node',
    'bare',
    '--subresource=status',
    '--type=merge',
    '-p',
    JSON.stringify({ status: node.status }),
  ]);
}

describe('the process', () => {
  test('serves the scheduler API and its probes on loopback', async () => {
    const version = await fetch(`${operator.url}/version`);
    expect(version.status).toBe(200);
    expect(await version.json()).toMatchObject({ version: expect.any(String) });
    const ready = await fetch(`${operator.metricsUrl}/readyz`);
    expect(ready.status).toBe(200);
    const live = await fetch(`${operator.metricsUrl}/livez`);
    expect(live.status).toBe(200);
  });

  test('writes nothing while nothing changes', async () => {
    await all.make(SERVICE_JOBS, 'calm', { role: 'web', instances: 2, template: template('100m') });
    await all.told(SERVICE_JOBS, 'calm', { type: 'Ready', reason: 'AllInstancesRunning' });
    const { status } = await all.get<ServiceJobObject>(SERVICE_JOBS, 'calm');
    expect(status?.counts).toMatchObject({ desired: 2, running: 2, pending: 0 });
    const writes = async (): Promise<number> => {
      const text = await (await fetch(`${operator.metricsUrl}/metrics`)).text();
      const lines = text
        .split('\n')
        .filter(
          (line) =>
            /^mezzo_kube_requests_total\{.*(verb="(create|update|patch|delete)")/.test(line) &&
            !/resource="(leases|events)"/.test(line),
        );
      return lines.reduce((total, line) => total + Number(line.split(' ').at(-1)), 0);
    };
    expect(await writes()).toBeGreaterThan(0);
    // Statuses of roles settle within their refresh; then two looks in a row must agree.
    let before = -1;
    await eventually('an interval of seven seconds without a write', async () => {
      const now = await writes();
      if (now === before) return true;
      before = now;
      await new Promise((resolve) => setTimeout(resolve, 7_000));
      return (await writes()) === before ? true : undefined;
    });
    await all.remove(SERVICE_JOBS, 'calm');
  }, 90_000);
});
