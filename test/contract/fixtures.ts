import type { KubeApi, KubeObject, WatchEvent } from '../../operator/src/ports/kubeApi.ts';
import { NODES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Node, Pod } from '../../operator/src/schema/kubeObjects.ts';
import { SERVICE_JOBS, type ServiceJobObject } from '../../operator/src/schema/mezzoKinds.ts';

/** One API server under test. */
export interface ContractEnv {
  readonly kube: KubeApi;
  /** An existing namespace in which the suite may do as it likes. */
  readonly namespace: string;
  /** Makes the server forget all history so far. */
  readonly compact: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface ConfigMap extends KubeObject {
  readonly data?: { readonly [key: string]: string };
}

export interface Lease extends KubeObject {
  readonly spec?: { readonly holderIdentity?: string; readonly leaseDurationSeconds?: number };
}

let count = 0;
/** A name no other test uses. */
export function freshName(stem: string): string {
  count += 1;
  return `${stem}-${count}`;
}

export const configMap = (
  namespace: string,
  name: string,
  data: ConfigMap['data'] = {},
): ConfigMap => ({
  metadata: { name, namespace },
  data,
});

export function podOf(
  namespace: string,
  name: string,
  options: {
    readonly nodeName?: string;
    readonly finalizers?: readonly string[];
    readonly labels?: { readonly [key: string]: string };
    readonly graceSeconds?: number;
  } = {},
): Pod {
  const { nodeName, finalizers, labels, graceSeconds } = options;
  return {
    metadata: {
      name,
      namespace,
      ...(labels !== undefined && { labels }),
      ...(finalizers !== undefined && { finalizers }),
    },
    spec: {
      containers: [{ name: 'main', image: 'example.test/none:1' }],
      automountServiceAccountToken: false,
      ...(nodeName !== undefined && { nodeName }),
      ...(graceSeconds !== undefined && { terminationGracePeriodSeconds: graceSeconds }),
    },
  };
}

export const nodeOf = (name: string): Node => ({
  metadata: { name, labels: { 'contract.test/node': 'yes' } },
  status: { allocatable: { cpu: '4', memory: '8Gi', pods: '110' } },
});

export const serviceJob = (namespace: string, name: string, instances = 1): ServiceJobObject => ({
  metadata: { name, namespace },
  spec: {
    role: 'eng',
    instances,
    template: { image: 'example.test/none:1', resources: { cpus: '100m', mem: '64Mi' } },
  },
});

/** Collects the events of a watch and waits for what a test expects of them. */
export class WatchLog<T extends KubeObject> {
  readonly events: WatchEvent<T>[] = [];
  readonly #controller = new AbortController();
  #ended: Promise<unknown> = Promise.resolve();

  start(
    open: (onEvent: (event: WatchEvent<T>) => void, signal: AbortSignal) => Promise<unknown>,
  ): this {
    this.#ended = open((event) => this.events.push(event), this.#controller.signal).catch(
      (error: unknown) => error,
    );
    return this;
  }

  get seen(): readonly string[] {
    return this.events
      .filter((event) => event.kind !== 'bookmark')
      .map((event) => `${event.kind} ${event.object.metadata.name}`);
  }

  async waitFor(length: number): Promise<readonly string[]> {
    await eventually(
      () => this.seen.length >= length,
      () => `${length} events, got ${this.seen.join(', ')}`,
    );
    return this.seen;
  }

  async stop(): Promise<unknown> {
    this.#controller.abort(new Error('the test is over'));
    return this.#ended;
  }
}

export async function eventually(
  holds: () => boolean | Promise<boolean>,
  expected: () => string,
  limitMs = 10_000,
): Promise<void> {
  const until = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > until)
      throw new Error(`waited ${limitMs} ms in vain for ${expected()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** What the kubelet does last: the Pod is ended and its record may go. */
export async function kubeletRemoves(kube: KubeApi, { metadata }: KubeObject): Promise<void> {
  await kube.delete(PODS, metadata, { gracePeriodSeconds: 0 });
}

export async function removeNode(kube: KubeApi, name: string): Promise<void> {
  await kube.delete(NODES, { name });
}

export const jobRef = SERVICE_JOBS;
