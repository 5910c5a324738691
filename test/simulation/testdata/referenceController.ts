import { LABEL, TASK_FINALIZER } from '../../../operator/src/model/labels.ts';
import { sleep } from '../../../operator/src/ports/clock.ts';
import { isKubeError, type KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { LEASES, NODES, PODS, } from '../../../operator/src/schema/kubeKinds.ts';
import type { Node, Pod } from '../../../operator/src/schema/kubeObjects.ts';
import { QUOTAS, type QuotaObject, SERVICE_JOBS, type ServiceJobObject } from '../../../operator/src/schema/mezzoKinds.ts';
import { exceeds, isMezzo, isTerminal, plus, requestsOf, roleOf, amountsOf } from '../podFacts.ts';
import type { LaunchOperator, OperatorProcess, ProcessPorts } from '../process.ts';

/**
 * A small honest controller for ServiceJobs, against which the harness itself is tried: it lists everything each
 * second, holds a lease, and names Pods by decision or, to be caught, at random.
 */
export interface ReferenceOptions {
  readonly names: 'deterministic' | 'random';
}

interface Lease extends KubeObject {
  readonly spec?: { readonly holderIdentity: string; readonly leaseDurationSeconds: number; readonly leaseTransitions: number };
}

const LEASE_KEY = { name: 'reference', namespace: 'mezzo-system' };
const LEASE_MS = 15_000;
const RENEW_EVERY_MS = 2000;
const RENEW_DEADLINE_MS = 10_000;

export const referenceController =
  (options: ReferenceOptions): LaunchOperator =>
  (ports) =>
    new ReferenceController(ports, options);

class ReferenceController implements OperatorProcess {
  readonly #ports: ProcessPorts;
  readonly #options: ReferenceOptions;
  readonly #exit = Promise.withResolvers<unknown>();
  #renewedMs = -Infinity;
  #observed: { readonly version: string; readonly atMs: number } | undefined;

  constructor(ports: ProcessPorts, options: ReferenceOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  get exited(): Promise<unknown> {
    return this.#exit.promise;
  }

  isLeader(): boolean {
    return this.#ports.clock.monotonicMs() < this.#renewedMs + RENEW_DEADLINE_MS;
  }

  async start(): Promise<void> {
    void this.#elect();
    void this.#work();
    return Promise.resolve();
  }

  async #elect(): Promise<void> {
    const { clock } = this.#ports;
    let wasLeader = false;
    for (;;) {
      await this.#tryLease().catch(() => undefined);
      if (wasLeader && !this.isLeader()) {
        this.#exit.resolve('lost the lease');
        return;
      }
      wasLeader = this.isLeader();
      await sleep(clock, RENEW_EVERY_MS);
    }
  }

  async #tryLease(): Promise<void> {
    const { kube, clock, identity } = this.#ports;
    const sentMs = clock.monotonicMs();
    const mine = { holderIdentity: identity, leaseDurationSeconds: LEASE_MS / 1000, leaseTransitions: 0 };
    let lease: Lease;
    try {
      lease = await kube.get<Lease>(LEASES, LEASE_KEY);
    } catch (error) {
      if (!isKubeError(error, 'notFound')) throw error;
      await kube.create<Lease>(LEASES, { metadata: LEASE_KEY, spec: mine });
      this.#renewedMs = sentMs;
      return;
    }
    const version = lease.metadata.resourceVersion ?? '';
    if (this.#observed?.version !== version) this.#observed = { version, atMs: clock.monotonicMs() };
    const isMine = lease.spec?.holderIdentity === identity;
    if (!isMine && clock.monotonicMs() < this.#observed.atMs + LEASE_MS) return;
    const leaseTransitions = (lease.spec?.leaseTransitions ?? 0) + 1;
    await kube.update<Lease>(LEASES, { ...lease, spec: { ...mine, leaseTransitions } });
    this.#renewedMs = sentMs;
  }

  async #work(): Promise<void> {
    for (;;) {
      await sleep(this.#ports.clock, 1000);
      if (this.isLeader()) await this.#reconcile().catch(() => undefined);
    }
  }

  async #reconcile(): Promise<void> {
    const { kube } = this.#ports;
    const list = async <T extends KubeObject>(ref: typeof PODS): Promise<readonly T[]> => (await kube.list<T>(ref, {})).items;
    const jobs = await list<ServiceJobObject>(SERVICE_JOBS);
    const quotas = await list<QuotaObject>(QUOTAS);
    const nodes = (await list<Node>(NODES)).filter(({ spec }) => spec?.taints === undefined);
    const pods = [...(await list<Pod>(PODS))];
    for (const pod of pods.filter(isMezzo)) await this.#retire(pod, jobs, pods);
    for (const job of jobs) {
      for (let instance = 0; instance < (job.spec.instances ?? 1); instance += 1) {
        const own = pods.filter((pod) => isSlot(pod, job, instance));
        if (own.every(isTerminal)) await this.#launch(job, instance, { own, pods, nodes, quotas });
      }
    }
  }

  /** Kills what is not wanted and frees what is dead: at once when its job is gone, else when a successor exists. */
  async #retire(pod: Pod, jobs: readonly ServiceJobObject[], pods: readonly Pod[]): Promise<void> {
    const { kube, clock } = this.#ports;
    const { metadata } = pod;
    const key = { name: metadata.name, namespace: metadata.namespace ?? '' };
    const job = jobs.find(({ metadata: { uid } }) => uid === metadata.labels?.[LABEL.jobUid]);
    const instance = Number(metadata.labels?.[LABEL.instance]);
    const isWanted =
      job !== undefined && instance < (job.spec.instances ?? 1) && pod.spec.containers[0]?.image === job.spec.template.image;
    const preconditions = { uid: metadata.uid ?? '', resourceVersion: metadata.resourceVersion ?? '' };
    if (!isTerminal(pod)) {
      if (!isWanted && metadata.deletionTimestamp === undefined && this.isLeader()) await kube.delete(PODS, key, preconditions);
      return;
    }
    const ageMs = clock.nowMs() - Date.parse(metadata.creationTimestamp ?? '');
    const hasSuccessor = job !== undefined && pods.some((other) => isSlot(other, job, instance) && generationOf(other) > generationOf(pod));
    const isFree = job === undefined || ((instance >= (job.spec.instances ?? 1) || hasSuccessor) && ageMs > 40_000);
    if (!isFree || !this.isLeader()) return;
    if ((metadata.finalizers ?? []).length > 0) {
      await kube.patch(PODS, key, 'merge', { metadata: { finalizers: null, resourceVersion: preconditions.resourceVersion } });
    }
    if (metadata.deletionTimestamp === undefined) await kube.delete(PODS, key, { uid: preconditions.uid });
  }

  async #launch(
    job: ServiceJobObject,
    instance: number,
    view: { readonly own: readonly Pod[]; readonly pods: Pod[]; readonly nodes: readonly Node[]; readonly quotas: readonly QuotaObject[] },
  ): Promise<void> {
    const { kube } = this.#ports;
    const generation = Math.max(-1, ...view.own.map(generationOf)) + 1;
    const wanted = this.#pod(job, instance, generation);
    const live = view.pods.filter((pod) => !isTerminal(pod));
    const fits = view.quotas.every(({ spec }) => {
      const isUnder = (role: string): boolean => role === spec.role || role.startsWith(`${spec.role}/`);
      if (!isUnder(job.spec.role)) return true;
      const used = live.filter((pod) => isMezzo(pod) && isUnder(roleOf(pod))).map(requestsOf);
      return !exceeds([...used].reduce(plus, requestsOf(wanted)), amountsOf(spec.limits));
    });
    const node = view.nodes.find(({ metadata, status }) => {
      const used = live.filter(({ spec }) => spec.nodeName === metadata.name).map(requestsOf);
      return !exceeds(used.reduce(plus, requestsOf(wanted)), amountsOf(status?.allocatable));
    });
    if (!fits || node === undefined || !this.isLeader()) return;
    const pod = { ...wanted, spec: { ...wanted.spec, nodeName: node.metadata.name } };
    view.pods.push(pod);
    await kube.create(PODS, pod);
  }

  #pod(job: ServiceJobObject, instance: number, generation: number): Pod {
    const { name, namespace = '', uid = '' } = job.metadata;
    const suffix = this.#options.names === 'random' ? this.#ports.ids.uuid() : `${uid.slice(0, 8)}-${instance}-${generation}`;
    const { cpus = '0', mem = '0' } = job.spec.template.resources as { [name: string]: string };
    return {
      metadata: {
        name: `${name}-${suffix}`,
        namespace,
        finalizers: [TASK_FINALIZER],
        labels: {
          [LABEL.framework]: 'reference',
          [LABEL.role]: job.spec.role.replaceAll('/', '.'),
          [LABEL.job]: name,
          [LABEL.jobKind]: 'ServiceJob',
          [LABEL.jobUid]: uid,
          [LABEL.instance]: String(instance),
          [LABEL.generation]: String(generation),
        },
        ownerReferences: [{ apiVersion: 'mezzo.dev/v1alpha1', kind: 'ServiceJob', name, uid }],
      },
      spec: {
        terminationGracePeriodSeconds: 5,
        restartPolicy: 'Never',
        containers: [{ name: 'task', image: job.spec.template.image, resources: { requests: { cpu: cpus, memory: mem } } }],
      },
    };
  }
}

const generationOf = ({ metadata }: Pod): number => Number(metadata.labels?.[LABEL.generation]);

const isSlot = ({ metadata }: Pod, job: ServiceJobObject, instance: number): boolean =>
  metadata.labels?.[LABEL.jobUid] === job.metadata.uid && metadata.labels?.[LABEL.instance] === String(instance);
