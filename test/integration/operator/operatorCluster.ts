import { join } from 'node:path';
import { freePorts } from '../../../local-cluster/support/freePorts.ts';
import {
  describeEnd,
  type ManagedProcess,
  startProcess,
} from '../../../local-cluster/support/managedProcess.ts';
import { waitFor } from '../../../local-cluster/support/waitFor.ts';
import {
  startTestCluster,
  type TestCluster,
  type TestClusterOptions,
} from '../../../local-cluster/testCluster.ts';
import { LABEL } from '../../../operator/src/model/labels.ts';
import {
  isKubeError,
  type KubeObject,
  type ResourceRef,
} from '../../../operator/src/ports/kubeApi.ts';
import { KIND_TABLE } from '../../../operator/src/schema/kindTable.ts';
import { PODS } from '../../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import { API_VERSION } from '../../../operator/src/schema/mezzoKinds.ts';
import type { KubeApiClient } from '../../../operator/src/store/kube/createKubeApi.ts';
import { clientFor } from '../kube/harness.ts';

export const NAMESPACE = 'team';
const SYSTEM = 'mezzo-system';
const REPOSITORY = join(import.meta.dirname, '../../..');
/** Two busy cores start a process slowly. */
const PATIENCE_MS = 60_000;

/** One operator process, as `npm run up` starts it. */
export interface OperatorProcess {
  readonly url: string;
  readonly metricsUrl: string;
  readonly process: ManagedProcess;
  isLeading(): Promise<boolean>;
}

/** A real API server with fake nodes, the committed CRDs, and operators as processes of their own. */
export class OperatorCluster {
  readonly cluster: TestCluster;
  readonly kube: KubeApiClient;
  readonly #operators: ManagedProcess[] = [];

  private constructor(cluster: TestCluster) {
    this.cluster = cluster;
    this.kube = clientFor(cluster);
  }

  static async start(options: TestClusterOptions = {}): Promise<OperatorCluster> {
    const cluster = await startTestCluster({ fakeNodes: 2, ...options });
    try {
      await cluster.kubectl(['create', '-f', join(REPOSITORY, 'crds')]);
      await cluster.kubectl([
        'wait',
        '--for=condition=Established',
        '--timeout=60s',
        ...KIND_TABLE.map(({ ref }) => `crd/${ref.plural}.${ref.group}`),
      ]);
      const made = new OperatorCluster(cluster);
      for (const name of [SYSTEM, NAMESPACE]) await cluster.kubectl(['create', 'namespace', name]);
      return made;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#operators.map((one) => one.stop(2_000)));
    await this.kube.close();
    await this.cluster.stop();
  }

  /** Starts an operator and waits until it is ready; `name` is that of its log. */
  async startOperator(
    name = 'operator',
    flags: readonly string[] = [],
    nodeFlags: readonly string[] = [],
  ): Promise<OperatorProcess> {
    const [httpPort, metricsPort] = await freePorts(2);
    const metricsUrl = `http://127.0.0.1:${metricsPort}`;
    const child = await startProcess({
      name,
      command: process.execPath,
      args: [
        '--no-warnings',
        ...nodeFlags,
        join(REPOSITORY, 'operator/src/main.ts'),
        '--kubeconfig',
        this.cluster.kubeconfigPath,
        '--http-port',
        String(httpPort),
        '--metrics-port',
        String(metricsPort),
        '--namespace',
        SYSTEM,
        '--insecure-loopback',
        ...flags,
      ],
      dir: this.cluster.dir,
      cwd: REPOSITORY,
      lifetime: 'parent',
    });
    this.#operators.push(child);
    const ready = async () => {
      const response = await fetch(`${metricsUrl}/readyz`, { signal: AbortSignal.timeout(3_000) });
      return response.ok ? true : undefined;
    };
    await waitFor(`${name} to be ready`, ready, {
      timeoutMs: PATIENCE_MS,
      giveUp: () => child.ended() && 'it ended',
    }).catch(async (cause: unknown) => {
      throw new Error(await describeEnd(child), { cause });
    });
    const isLeading = async () => {
      const response = await fetch(`${metricsUrl}/metrics`, { signal: AbortSignal.timeout(3_000) });
      return /^mezzo_leader 1$/m.test(await response.text());
    };
    return { url: `http://127.0.0.1:${httpPort}`, metricsUrl, process: child, isLeading };
  }

  /** Makes an object of Mezzo; namespaced ones in the team's namespace. */
  async make<T extends KubeObject>(ref: ResourceRef, name: string, spec: object): Promise<T> {
    const metadata = { name, ...(ref.namespaced ? { namespace: NAMESPACE } : {}) };
    const object = { apiVersion: API_VERSION, kind: ref.kind, metadata, spec };
    return (await this.kube.create(ref, object)) as KubeObject as T;
  }

  async get<T extends KubeObject>(ref: ResourceRef, name: string): Promise<T> {
    return await this.kube.get<T>(ref, {
      name,
      ...(ref.namespaced ? { namespace: NAMESPACE } : {}),
    });
  }

  async remove(ref: ResourceRef, name: string): Promise<void> {
    const key = { name, ...(ref.namespaced ? { namespace: NAMESPACE } : {}) };
    await this.kube
      .delete(ref, key, { propagationPolicy: 'Background' })
      .catch((error: unknown) => {
        if (!isKubeError(error, 'notFound')) throw error;
      });
  }

  async change(ref: ResourceRef, name: string, patch: object): Promise<void> {
    const key = { name, ...(ref.namespaced ? { namespace: NAMESPACE } : {}) };
    await this.kube.patch(ref, key, 'merge', patch);
  }

  /** All Pods of a job, dead ones included, by name. */
  async podsOf(job: string): Promise<readonly Pod[]> {
    const labelSelector = `${LABEL.job}=${job}`;
    const { items } = await this.kube.list<Pod>(PODS, { namespace: NAMESPACE, labelSelector });
    return items.toSorted((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));
  }

  /** Pods of a job that run and are not being deleted. */
  async runningOf(job: string): Promise<readonly Pod[]> {
    return (await this.podsOf(job)).filter(
      (pod) => pod.status?.phase === 'Running' && pod.metadata.deletionTimestamp === undefined,
    );
  }

  /** Waits until exactly `count` Pods of a job run and returns them. */
  async running(job: string, count: number): Promise<readonly Pod[]> {
    return await eventually(`${count} running tasks of ${job}`, async () => {
      const pods = await this.runningOf(job);
      return pods.length === count ? pods : undefined;
    });
  }

  /** Waits until a condition of an object has a reason and returns it. */
  async told(
    ref: ResourceRef,
    name: string,
    wanted: { readonly type: string; readonly reason: string },
  ): Promise<Told> {
    let last: Told | undefined;
    return await eventually(`${ref.kind} ${name} to tell ${wanted.reason}`, async () => {
      const object = await this.get<WithConditions>(ref, name);
      last = object.status?.conditions?.find((one) => one.type === wanted.type);
      if (last?.reason === wanted.reason) return last;
      throw new Error(`it tells ${JSON.stringify(last)}`);
    });
  }

  /** Notes of the events about an object, oldest first. */
  async notesOn(name: string): Promise<readonly string[]> {
    const text = await this.cluster.kubectl([
      'get',
      'events.events.k8s.io',
      '--all-namespaces',
      '-o',
      'json',
    ]);
    const { items } = JSON.parse(text) as { items: EventObject[] };
    return items
      .filter((one) => one.regarding.name === name)
      .map((one) => `${one.type} ${one.reason}: ${one.note}`);
  }
}

export interface Told {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

interface WithConditions extends KubeObject {
  readonly status?: { readonly conditions?: readonly Told[] };
}

interface EventObject {
  readonly type: string;
  readonly reason: string;
  readonly note: string;
  readonly regarding: { readonly name: string };
}

/** Polls until the check returns something; the error at the deadline tells what it saw last. */
export function eventually<T>(
  what: string,
  check: () => Promise<T | undefined>,
  timeoutMs = PATIENCE_MS,
): Promise<T> {
  return waitFor(what, check, { timeoutMs, pollMs: 150 });
}

/** A task template without an image that anybody pulls: the nodes pretend. */
export const template = (cpus: string, more: object = {}): object => ({
  image: 'registry.example/app:1',
  resources: { cpus, mem: '64Mi' },
  killGraceSeconds: 1,
  ...more,
});
