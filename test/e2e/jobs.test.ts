import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ManagedProcess } from '../../local-cluster/support/managedProcess.ts';
import { waitFor } from '../../local-cluster/support/waitFor.ts';
import { startTestCluster, type TestCluster } from '../../local-cluster/testCluster.ts';
import { applyCrds } from '../../local-cluster/up/apply.ts';
import {
  type OperatorEndpoints,
  startAgents,
  startOperator,
} from '../../local-cluster/up/hostProcesses.ts';
import { realNodesSuite } from './realNodes.ts';

interface Listed<T> {
  readonly items: readonly T[];
}
interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly labels: { readonly [key: string]: string };
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName: string };
  readonly status: { readonly phase: string; readonly qosClass?: string };
}
interface JobObject {
  readonly status?: {
    readonly counts?: { readonly running?: number };
    readonly result?: string;
    readonly update?: { readonly state: string };
    readonly preemptions?: readonly {
      readonly phase: string;
      readonly victims: readonly { readonly pod: string }[];
    }[];
    readonly preempted?: readonly { readonly by: string }[];
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

const IMAGE = 'mezzo.local/busybox:1';
const MINUTE = 60_000;

let cluster: TestCluster;
let operator: OperatorEndpoints;
let agents: readonly ManagedProcess[];
let dir: string;

const get = async <T>(...args: string[]): Promise<T> =>
  JSON.parse(await cluster.kubectl(['get', ...args, '-o', 'json'])) as T;
const podsOf = async (job: string): Promise<readonly PodObject[]> =>
  (await get<Listed<PodObject>>('pods', '-l', `mezzo.dev/job=${job}`)).items;
const running = async (job: string): Promise<readonly PodObject[]> =>
  (await podsOf(job)).filter(
    (pod) => pod.status.phase === 'Running' && pod.metadata.deletionTimestamp === undefined,
  );
const until = (what: string, check: () => Promise<boolean>, timeoutMs = MINUTE): Promise<unknown> =>
  waitFor(what, async () => ((await check()) ? true : undefined), { timeoutMs });
const condition = async (kind: string, name: string): Promise<string> => {
  const first = (await get<JobObject>(kind, name)).status?.conditions?.find(
    (one) => one.type === 'Ready' || one.type === 'Succeeded',
  );
  return `${first?.reason}: ${first?.message}`;
};

const role = (path: string, limits?: string): string => `
apiVersion: mezzo.dev/v1alpha1
kind: Role
metadata: {name: ${path.replaceAll('/', '-')}}
spec: {path: ${path}}
---
${limits === undefined ? '' : `apiVersion: mezzo.dev/v1alpha1\nkind: Quota\nmetadata: {name: ${path.replaceAll('/', '-')}}\nspec: {role: ${path}, limits: ${limits}}\n---`}
`;
const job = (kind: string, name: string, spec: string): string => `
apiVersion: mezzo.dev/v1alpha1
kind: ${kind}
metadata: {name: ${name}, namespace: default}
spec: ${spec}
---
`;
const template = (command: string, amounts = '{cpus: 100m, mem: 32Mi}', image = IMAGE): string =>
  `{image: "${image}", command: [sh, -c, '${command}'], killGraceSeconds: 1, resources: ${amounts}}`;

realNodesSuite('jobs on real kubelets', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mezzo-e2e-jobs-'));
    cluster = await startTestCluster({ realNodes: 2 });
    await applyCrds(cluster.kubectl);
    operator = await start();
    agents = await startAgents({
      dir,
      kubeconfigPath: cluster.kubeconfigPath,
      lifetime: 'parent',
      nodes: cluster.realNodes?.nodes ?? [],
      schedulerUrl: operator.schedulerUrl,
    });
    await cluster.apply(role('eng', '{cpus: "3", mem: 4Gi}') + role('eng/web') + role('lab'));
  }, 5 * MINUTE);

  afterAll(async () => {
    for (const agent of agents ?? []) await agent.stop();
    await operator?.process.stop();
    await cluster?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }, 2 * MINUTE);

  const start = (): Promise<OperatorEndpoints> =>
    startOperator({ dir, kubeconfigPath: cluster.kubeconfigPath, lifetime: 'parent' });

  test(
    'a ServiceJob runs, scales, and rolls a changed template while never fewer than all but one run',
    async () => {
      await cluster.apply(
        job(
          'ServiceJob',
          'web',
          `{role: eng/web, tier: production, instances: 2, update: {watchSeconds: 1}, template: ${template('echo first; sleep 3600')}}`,
        ),
      );
      await until('two instances to run', async () => (await running('web')).length === 2);
      await cluster.kubectl(['scale', 'sj/web', '--replicas=3']);
      await until('three instances to run', async () => (await running('web')).length === 3);
      await cluster.kubectl([
        'patch',
        'sj',
        'web',
        '--type=merge',
        '-p',
        '{"spec":{"template":{"env":[{"name":"V","value":"2"}]}}}',
      ]);
      let fewest = 3;
      await until(
        'the update to finish',
        async () => {
          fewest = Math.min(fewest, (await running('web')).length);
          return (await get<JobObject>('sj', 'web')).status?.update?.state === 'ROLLED_FORWARD';
        },
        2 * MINUTE,
      );
      expect(fewest).toBeGreaterThanOrEqual(2);
      expect(
        new Set((await running('web')).map((pod) => pod.metadata.labels['mezzo.dev/template-hash']))
          .size,
      ).toBe(1);
    },
    4 * MINUTE,
  );

  test(
    'an AdhocJob runs to completion and its Pods printed what their command says',
    async () => {
      await cluster.apply(
        job(
          'AdhocJob',
          'once',
          `{role: lab, instances: 2, template: ${template('echo piece $MEZZO_INSTANCE')}}`,
        ),
      );
      await until(
        'the job to succeed',
        async () => (await get<JobObject>('aj', 'once')).status?.result === 'Succeeded',
      );
      const [pod] = (await podsOf('once')).filter(
        (one) => one.metadata.labels['mezzo.dev/instance'] === '1',
      );
      expect(await cluster.kubectl(['logs', pod?.metadata.name ?? ''])).toBe('piece 1\n');
    },
    2 * MINUTE,
  );

  test(
    'after kill -9 of the operator every task still runs, none is doubled, and a lost one is replaced',
    async () => {
      const before = new Set((await running('web')).map((pod) => pod.metadata.uid));
      await operator.process.kill('SIGKILL');
      const victim = (await running('web'))[0]?.metadata.name ?? '';
      operator = await start();
      await until(
        'the new process to lead',
        async () =>
          (await (await fetch(`${operator.metricsUrl}/metrics`)).text()).match(
            /^mezzo_leader 1$/m,
          ) !== null,
      );
      expect(new Set((await running('web')).map((pod) => pod.metadata.uid))).toEqual(before);
      await cluster.kubectl(['delete', 'pod', victim, '--wait=false']);
      await until('the deleted instance to be replaced', async () => {
        const now = await running('web');
        return now.length === 3 && now.every((pod) => pod.metadata.name !== victim);
      });
      const instances = (await running('web')).map(
        (pod) => pod.metadata.labels['mezzo.dev/instance'],
      );
      expect(new Set(instances)).toEqual(new Set(['0', '1', '2']));
      expect(instances).toHaveLength(3);
    },
    3 * MINUTE,
  );

  test(
    'a revocable job borrows what others hold and do not use',
    async () => {
      await cluster.apply(
        job(
          'AdhocJob',
          'borrow',
          `{role: lab, tier: revocable, template: ${template('echo borrowed; sleep 1')}}`,
        ),
      );
      await until(
        'the revocable job to succeed',
        async () => (await get<JobObject>('aj', 'borrow')).status?.result === 'Succeeded',
        3 * MINUTE,
      );
      const [pod] = await podsOf('borrow');
      expect(pod?.status.qosClass).toBe('BestEffort');
      const magents =
        await get<Listed<{ status: { hardware?: { cpu?: { threads: number } } } }>>('magent');
      for (const agent of magents.items)
        expect(agent.status.hardware?.cpu?.threads).toBeGreaterThan(0);
    },
    4 * MINUTE,
  );

  test(
    'production takes the place of preemptible work, and both objects tell it',
    async () => {
      await cluster.apply(
        job(
          'ServiceJob',
          'filler',
          `{role: lab, instances: 3, template: ${template('sleep 3600', '{cpus: 900m, mem: 32Mi}')}}`,
        ),
      );
      await until(
        'the filler to hold most of the cluster',
        async () => (await running('filler')).length >= 2,
      );
      await cluster.apply(
        job(
          'ServiceJob',
          'vip',
          `{role: eng, tier: production, template: ${template('sleep 3600', '{cpus: 1200m, mem: 32Mi}')}}`,
        ),
      );
      await until(
        'the production instance to run',
        async () => (await running('vip')).length === 1,
        2 * MINUTE,
      );
      const vip = await get<JobObject>('sj', 'vip');
      const filler = await get<JobObject>('sj', 'filler');
      expect(vip.status?.preemptions?.[0]?.victims.length).toBeGreaterThan(0);
      expect(filler.status?.preempted?.[0]?.by).toBe('ServiceJob/default/vip');
      await until(
        'the record to be completed',
        async () =>
          (await get<JobObject>('sj', 'vip')).status?.preemptions?.[0]?.phase === 'Completed',
      );
      const events = await cluster.kubectl(['get', 'events.events.k8s.io']);
      expect(events).toMatch(/TaskPreempted\s+servicejob\/filler/);
      expect(events).toMatch(/PreemptionCompleted\s+servicejob\/vip/);
      await cluster.kubectl(['delete', 'sj', 'vip', 'filler']);
    },
    4 * MINUTE,
  );

  test(
    'bad input is told in the condition, with the field and the remedy',
    async () => {
      await cluster.apply(
        job('ServiceJob', 'no-role', `{role: no/such, template: ${template('true')}}`) +
          job(
            'ServiceJob',
            'too-big',
            `{role: eng, template: ${template('true', '{cpus: "50", mem: 32Mi}')}}`,
          ) +
          job(
            'ServiceJob',
            'no-image',
            `{role: lab, template: {image: "127.0.0.1:1/nothing:1", resources: {cpus: 50m, mem: 16Mi}}}`,
          ),
      );
      await until('the unknown role to be told', async () =>
        (await condition('sj', 'no-role')).includes('spec.role `no/such` does not exist'),
      );
      await until('the quota to be told', async () =>
        /QuotaExceeded: spec\.template\.resources\.cpus: .*lower it or raise the Quota/.test(
          await condition('sj', 'too-big'),
        ),
      );
      await until(
        'the image to be told',
        async () => /ErrImagePull|ImagePullBackOff/.test(await condition('sj', 'no-image')),
        2 * MINUTE,
      );
      await cluster.kubectl(['delete', 'sj', 'no-role', 'too-big', 'no-image']);
    },
    4 * MINUTE,
  );

  test(
    'deleting the objects deletes their tasks',
    async () => {
      await cluster.kubectl(['delete', 'sj,aj,mcron', '--all']);
      await until(
        'no Pod of Mezzo to be left',
        async () =>
          (await get<Listed<PodObject>>('pods', '-l', 'mezzo.dev/framework')).items.length === 0,
        2 * MINUTE,
      );
    },
    3 * MINUTE,
  );
});
