import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  isTerminal,
  type Offer,
  type OperationStatus,
  type Resource,
  SchedulerClient,
  shellTask,
  type TaskStatus,
} from '../../client/index.ts';
import {
  type Estate,
  reservationFor,
  taskResources,
  volumeFor,
} from '../../examples/persistent/volume.ts';
import { waitFor } from '../../local-cluster/support/waitFor.ts';
import { startTestCluster, type TestCluster } from '../../local-cluster/testCluster.ts';
import { applyCrds } from '../../local-cluster/up/apply.ts';
import { type OperatorEndpoints, startOperator } from '../../local-cluster/up/hostProcesses.ts';
import { realNodesSuite } from './realNodes.ts';

/** A persistent volume on a real kubelet, in a namespace of the restricted Pod Security level, through an operator's death. */

const MINUTE = 60_000;
const ROLE = 'volumes';
const ESTATE: Estate = { role: ROLE, cpus: 0.1, memMb: 32, diskMb: 16, volumeId: 'Data.1' };

let dir: string;
let cluster: TestCluster;
let operator: OperatorEndpoints;
let client: SchedulerClient;
let frameworkId: string | undefined;
let wanted: ((offer: Offer) => boolean) | undefined;
let found: Offer | undefined;
let statuses: TaskStatus[] = [];
let operations: OperationStatus[] = [];

const until = <T>(what: string, check: () => T | undefined | Promise<T | undefined>) =>
  waitFor(what, async () => await check(), { timeoutMs: 2 * MINUTE });

async function start(): Promise<void> {
  operator = await startOperator({
    dir,
    kubeconfigPath: cluster.kubeconfigPath,
    lifetime: 'parent',
  });
  client = new SchedulerClient({
    url: operator.schedulerUrl,
    framework: {
      user: 'nobody',
      name: 'volumes',
      roles: [ROLE],
      failover_timeout: 3_600,
      capabilities: [{ type: 'MULTI_ROLE' }, { type: 'RESERVATION_REFINEMENT' }],
    },
    idStore: {
      load: () => Promise.resolve(frameworkId),
      save(id) {
        frameworkId = id;
        return Promise.resolve();
      },
      clear: () => Promise.resolve(),
    },
    knownTasks: () => [],
    handlers: {
      async onOffers(offers) {
        for (const offer of offers) {
          if (found === undefined && wanted?.(offer) === true) found = offer;
          else await client.decline([offer], { refuse_seconds: 1 });
        }
      },
      onOperationUpdate: (status) => void operations.push(status),
      onUpdate: (status) => void statuses.push(status),
    },
  });
  void client.run();
}

/** The next offer that is as wanted; it is kept. */
async function nextOffer(isWanted: (resources: readonly Resource[]) => boolean): Promise<Offer> {
  wanted = (one) => isWanted(one.resources ?? []);
  found = undefined;
  return await until('an offer', async () => {
    if (found === undefined) await client.revive().catch(() => undefined);
    return found;
  });
}

const isVolume = (one: Resource): boolean => one.disk?.persistence?.id === ESTATE.volumeId;
const hasVolume = (all: readonly Resource[]): boolean => all.some(isVolume);

/** Runs a command with the volume and returns how it ended. */
async function run(id: string, command: string): Promise<TaskStatus> {
  const on = await nextOffer(hasVolume);
  const resources = taskResources(ESTATE);
  await client.launch([on], [shellTask({ id, offer: on, resources, command })], {
    refuse_seconds: 0,
  });
  return await until(`the end of ${id}`, () =>
    statuses.find((one) => one.task_id.value === id && isTerminal(one.state)),
  );
}

const settled = (id: string): Promise<OperationStatus> =>
  until(`operation ${id}`, () =>
    operations.find((one) => one.operation_id?.value === id && one.state !== 'OPERATION_PENDING'),
  );

const volumeName = async (): Promise<string> => {
  const text = await cluster.kubectl(['get', 'mres', '-o', 'json']);
  const { items } = JSON.parse(text) as {
    items: readonly { metadata: { name: string }; spec: { volume?: object } }[];
  };
  return items.find((one) => one.spec.volume !== undefined)?.metadata.name ?? '';
};

realNodesSuite('a persistent volume on a real kubelet', () => {
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'mezzo-e2e-volumes-'));
    cluster = await startTestCluster({ realNodes: 1 });
    await applyCrds(cluster.kubectl);
    await cluster.kubectl([
      'label',
      'namespace',
      'default',
      'pod-security.kubernetes.io/enforce=restricted',
    ]);
    const role = { apiVersion: 'mezzo.dev/v1alpha1', kind: 'Role', metadata: { name: ROLE } };
    await cluster.apply(JSON.stringify({ ...role, spec: { path: ROLE } }));
    await start();
  }, 5 * MINUTE);

  afterAll(async () => {
    client?.stop();
    await operator?.process.stop();
    await cluster?.stop();
    if (dir !== undefined) await rm(dir, { recursive: true, force: true });
  }, 2 * MINUTE);

  test(
    'keeps its data until it is destroyed, and then they are gone from the node',
    async () => {
      const first = await nextOffer((all) => all.some((one) => one.name === 'disk'));
      await client.accept(
        [first],
        [
          {
            id: { value: 'reserve' },
            type: 'RESERVE',
            reserve: { resources: reservationFor(ESTATE) },
          },
          { id: { value: 'create' }, type: 'CREATE', create: { volumes: [volumeFor(ESTATE)] } },
        ],
      );
      expect((await settled('reserve')).state).toBe('OPERATION_FINISHED');
      expect((await settled('create')).state).toBe('OPERATION_FINISHED');

      const writer = await run('writer', 'echo kept > data/file; id -u; sleep 1');
      expect([writer.state, writer.message]).toEqual(['TASK_FINISHED', expect.anything()]);
      const name = await volumeName();
      const node = cluster.realNodes?.nodes[0]?.dir ?? '';
      const folder = join(node, 'var-lib/mezzo/volumes', name);
      expect(readFileSync(join(folder, 'file'), 'utf8')).toBe('kept\n');

      await operator.process.kill('SIGKILL');
      client.stop();
      await start();
      expect((await run('reader', 'test "$(cat data/file)" = kept')).state).toBe('TASK_FINISHED');

      const on = await nextOffer(hasVolume);
      const resources = taskResources(ESTATE);
      const sleeper = shellTask({ id: 'sleeper', offer: on, resources, command: 'sleep 3600' });
      await client.launch([on], [sleeper], { refuse_seconds: 0 });
      await until('it to run', () =>
        statuses.find((one) => one.task_id.value === 'sleeper' && one.state === 'TASK_RUNNING'),
      );
      const destroy = (id: string) => ({
        id: { value: id },
        type: 'DESTROY' as const,
        destroy: { volumes: [volumeFor(ESTATE)] },
      });
      const other = await nextOffer((all) => all.some((one) => one.name === 'mem'));
      expect(hasVolume(other.resources ?? [])).toBe(false);
      await client.accept([other], [destroy('early')]);
      const early = await settled('early');
      expect([early.state, early.message]).toEqual([
        'OPERATION_ERROR',
        expect.stringContaining('Persistent volumes in use'),
      ]);
      expect(existsSync(join(folder, 'file'))).toBe(true);
      await client.kill('sleeper');

      const last = await nextOffer(hasVolume);
      await client.accept(
        [last],
        [
          destroy('destroy'),
          {
            id: { value: 'unreserve' },
            type: 'UNRESERVE',
            unreserve: { resources: reservationFor(ESTATE) },
          },
        ],
      );
      expect((await settled('destroy')).state).toBe('OPERATION_FINISHED');
      expect((await settled('unreserve')).state).toBe('OPERATION_FINISHED');
      await until('the folder to be gone', () => (existsSync(folder) ? undefined : true));
      await until('everything made for it to be gone', async () => {
        const kinds = 'reservations.mezzo.dev,persistentvolumes,persistentvolumeclaims';
        const left = await cluster.kubectl(['get', kinds, '--all-namespaces', '-o', 'name']);
        if (left.trim() === '') return true;
        throw new Error(`left: ${left}`);
      });
    },
    8 * MINUTE,
  );
});
