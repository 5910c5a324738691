import type { KubeObject, ResourceRef } from '../../operator/src/ports/kubeApi.ts';
import type { Rng } from '../../operator/src/ports/rng.ts';
import { NAMESPACES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';
import {
  ADHOC_JOBS,
  CRON_JOBS,
  QUOTAS,
  ROLES,
  SERVICE_JOBS,
  type ServiceJobObject,
} from '../../operator/src/schema/mezzoKinds.ts';
import type { FakeApiServer } from '../support/fakeApiServer.ts';
import type { FakeClock } from '../support/fakeClock.ts';
import { CAPPED, FILLER, keyOf, NAMESPACE, serviceJob, task } from './jobs.ts';
import { tolerant } from './kubelet.ts';
import { isMezzo, isTerminal } from './podFacts.ts';

const USER = 'user';
const ROLE_PATHS = ['eng', 'eng/web', 'ops'] as const;

export interface WorkloadOptions {
  readonly api: FakeApiServer;
  readonly clock: FakeClock;
  readonly rng: Rng;
  /** Until then users keep changing things. */
  readonly activeMs: number;
  readonly nodeNames: () => readonly string[];
  /** Chance of a node to run a Pod of somebody else. */
  readonly foreignShare: number;
  /** Without the kinds a controller under test does not know. */
  readonly only: 'services' | 'everything';
  /** The nodes are full of work of the lowest tier, this many instances of it. */
  readonly fillers: number;
}

/** What the users do: roles, quotas, jobs, and changes of mind, all within what the nodes can hold. */
export class Workload {
  readonly #options: WorkloadOptions;
  #made = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  start(): void {
    const { api, rng, foreignShare, fillers } = this.#options;
    const by = USER;
    api.create(NAMESPACES, { metadata: { name: NAMESPACE } }, { by });
    for (const path of ROLE_PATHS) this.#role(path);
    this.#quota('eng', 4000);
    this.#quota('eng/web', 2000);
    if (rng.next() < 0.3) {
      this.#role(CAPPED.role);
      this.#quota(CAPPED.role, CAPPED.limitMillis);
      this.#create(
        SERVICE_JOBS,
        serviceJob(CAPPED.job, CAPPED.role, CAPPED.instances, CAPPED.eachMillis),
      );
    }
    if (fillers > 0) this.#fill(fillers);
    // In a tight run the others come when all is taken.
    if (fillers > 0) this.#options.clock.setTimer(6000, () => this.#addJobs());
    else this.#addJobs();
    for (const node of this.#options.nodeNames())
      if (rng.next() < foreignShare) this.#addForeign(node);
    this.#changeMindLater();
  }

  /** Takes all there is: a service for ever, or a batch that must get through in spite of being preempted. */
  #fill(instances: number): void {
    const { rng } = this.#options;
    const { job, role, eachMillis } = FILLER;
    if (rng.next() < 0.5) {
      this.#create(SERVICE_JOBS, serviceJob(job, role, instances, eachMillis));
      return;
    }
    const template = task('batch:1', eachMillis, { seconds: 6 + rng.int(8), exitCode: 0 });
    const spec = { role, instances: 2 * instances, maxRetries: 50, template };
    this.#create(ADHOC_JOBS, { metadata: { name: job, namespace: NAMESPACE }, spec } as KubeObject);
  }

  #addJobs(): void {
    const { rng, only } = this.#options;
    const services = 1 + rng.int(3);
    for (let count = 0; count < services; count += 1) this.#addService();
    if (only === 'everything') {
      const adhocs = 1 + rng.int(2);
      for (let count = 0; count < adhocs; count += 1) this.#addAdhoc();
      if (rng.next() < 0.4) this.#addCron();
    }
  }

  #role(path: string): void {
    const { api, rng } = this.#options;
    const role = {
      metadata: { name: path.replace('/', '-') },
      spec: { path, weight: 1 + rng.int(3) },
    };
    api.create(ROLES, role, { by: USER });
  }

  #quota(role: string, cpuMillis: number): void {
    const quota = {
      metadata: { name: role.replace('/', '-') },
      spec: { role, limits: { cpus: `${cpuMillis}m`, mem: '16Gi' } },
    };
    this.#options.api.create(QUOTAS, quota, { by: USER });
  }

  #create(ref: ResourceRef, object: KubeObject): void {
    this.#options.api.create(ref, this.#inTier(object), { by: USER });
  }

  /** Where the nodes are full, work must be of the tier that may preempt. */
  #inTier(object: KubeObject): KubeObject {
    if (this.#options.fillers === 0 || object.metadata.name === FILLER.job) return object;
    const { spec } = object as { spec?: { jobTemplate?: { spec: object } } };
    const tier = 'production';
    if (spec?.jobTemplate === undefined)
      return { ...object, spec: { ...spec, tier } } as KubeObject;
    const jobTemplate = { ...spec.jobTemplate, spec: { ...spec.jobTemplate.spec, tier } };
    return { ...object, spec: { ...spec, jobTemplate } } as KubeObject;
  }

  #name(stem: string): string {
    this.#made += 1;
    return `${stem}-${this.#made}`;
  }

  #anyRole(): string {
    return ROLE_PATHS[this.#options.rng.int(ROLE_PATHS.length)] ?? 'ops';
  }

  #addService(): void {
    const { rng } = this.#options;
    // At most 4 jobs of 3 instances of 200m: within the limit of every role and half of three nodes.
    this.#create(
      SERVICE_JOBS,
      serviceJob(this.#name('service'), this.#anyRole(), 1 + rng.int(3), 100 + rng.int(101)),
    );
  }

  #addAdhoc(): void {
    const { rng } = this.#options;
    const parallelism = rng.next() < 0.3 ? { parallelism: 1 } : {};
    const job = {
      metadata: { name: this.#name('adhoc'), namespace: NAMESPACE },
      spec: {
        role: this.#anyRole(),
        instances: 1 + rng.int(3),
        ...parallelism,
        maxRetries: 50,
        template: task('adhoc:1', 100, {
          seconds: 2 + rng.int(20),
          exitCode: rng.next() < 0.05 ? 1 : 0,
        }),
      },
    };
    if (job.spec.template.env[1]?.value === '1') job.spec.maxRetries = 1;
    this.#create(ADHOC_JOBS, job);
  }

  #addCron(): void {
    const { rng } = this.#options;
    const policies = ['CancelNew', 'KillExisting', 'Allow'] as const;
    const job = {
      metadata: { name: this.#name('cron'), namespace: NAMESPACE },
      spec: {
        schedule: '* * * * *',
        collisionPolicy: policies[rng.int(3)],
        startingDeadlineSeconds: 120,
        jobTemplate: {
          spec: {
            role: this.#anyRole(),
            instances: 1,
            maxRetries: 5,
            template: task('cron:1', 100, { seconds: 3 + rng.int(5), exitCode: 0 }),
          },
        },
      },
    };
    this.#create(CRON_JOBS, job);
  }

  /** A Pod of somebody else, bound by another scheduler, which sees the truth. */
  #addForeign(nodeName: string): void {
    const pod = {
      metadata: {
        name: this.#name('foreign'),
        namespace: 'kube-system',
        labels: { app: 'foreign' },
      },
      spec: {
        nodeName,
        containers: [
          {
            name: 'main',
            image: 'foreign:1',
            resources: { requests: { cpu: '500m', memory: '512Mi' } },
          },
        ],
      },
    };
    this.#options.api.create(PODS, pod, { by: 'scheduler' });
  }

  #changeMindLater(): void {
    const { clock, rng, activeMs } = this.#options;
    clock.setTimer(2000 + rng.int(25_000), () => {
      if (clock.monotonicMs() >= activeMs) return;
      this.#changeMind();
      this.#changeMindLater();
    });
  }

  #changeMind(): void {
    const { rng, only } = this.#options;
    const changes = [
      () => this.#scale(),
      () => this.#newTemplate(),
      () => this.#deletePod(),
      () => this.#replaceService(),
      () => this.#changeQuota(),
      ...(only === 'everything'
        ? [() => this.#addAdhocIfFew(), () => this.#corruptJob(), () => this.#corruptQuota()]
        : []),
    ];
    changes[rng.int(changes.length)]?.();
  }

  #service(): ServiceJobObject | undefined {
    const { api, rng } = this.#options;
    const jobs = [...(api.all(SERVICE_JOBS) as Iterable<ServiceJobObject>)].filter(
      (job) =>
        job.metadata.name !== CAPPED.job &&
        job.metadata.name !== FILLER.job &&
        job.metadata.deletionTimestamp === undefined &&
        !isCorrupt(job),
    );
    return jobs[rng.int(jobs.length)];
  }

  #patchSpec(job: ServiceJobObject | undefined, spec: unknown): void {
    const { api } = this.#options;
    if (job !== undefined)
      tolerant(() => api.patch(SERVICE_JOBS, keyOf(job), 'merge', { spec }, { by: USER }));
  }

  #scale(): void {
    this.#patchSpec(this.#service(), { instances: this.#options.rng.int(4) });
  }

  #newTemplate(): void {
    this.#made += 1;
    this.#patchSpec(this.#service(), { template: { image: `service:${this.#made}` } });
  }

  #deletePod(): void {
    const { api, rng } = this.#options;
    const all = [...(api.all(PODS) as Iterable<Pod>)].filter(isMezzo);
    const ended = all.filter(isTerminal);
    const pods = rng.next() < 0.5 && ended.length > 0 ? ended : all;
    const pod = pods[rng.int(pods.length)];
    if (pod !== undefined) tolerant(() => api.delete(PODS, keyOf(pod), { by: USER }));
  }

  /** Up and down, but never below what the jobs may ask for. */
  #changeQuota(): void {
    const { api, rng } = this.#options;
    const isTop = rng.next() < 0.5;
    const limits = { cpus: `${(isTop ? 4000 : 2000) + rng.int(3) * 500}m` };
    const name = isTop ? 'eng' : 'eng-web';
    const quota = api.peek(QUOTAS, { name });
    if (quota === undefined || isCorrupt(quota)) return;
    tolerant(() => api.patch(QUOTAS, { name }, 'merge', { spec: { limits } }, { by: USER }));
  }

  /** As after a change of the schema: what is stored cannot be read any more, for a while. */
  #corruptJob(): void {
    const job = this.#service();
    if (job !== undefined) this.#corrupt(SERVICE_JOBS, job, { instances: 'many' });
  }

  #corruptQuota(): void {
    const name = this.#options.rng.next() < 0.5 ? 'eng' : 'eng-web';
    const quota = this.#options.api.peek(QUOTAS, { name });
    if (quota !== undefined && !isCorrupt(quota)) this.#corrupt(QUOTAS, quota, { limits: 'few' });
  }

  #corrupt(ref: ResourceRef, object: KubeObject, wrong: object): void {
    const { api, clock, rng, activeMs } = this.#options;
    const { spec } = object as { spec?: object };
    const { uid } = object.metadata;
    const key = ref.namespaced ? keyOf(object) : { name: object.metadata.name };
    api.forceSpec(ref, key, { ...spec, ...wrong }, { by: USER });
    const leftMs = activeMs - clock.monotonicMs();
    clock.setTimer(Math.min(leftMs, 3000 + rng.int(30_000)), () => {
      if (api.peek(ref, key)?.metadata.uid === uid) api.forceSpec(ref, key, spec, { by: USER });
    });
  }

  /** Deletes a job and makes another, sometimes of the same name. */
  #replaceService(): void {
    const { api, rng } = this.#options;
    const job = this.#service();
    if (job === undefined) return;
    tolerant(() => api.delete(SERVICE_JOBS, keyOf(job), { by: USER }));
    const isFree = api.peek(SERVICE_JOBS, keyOf(job)) === undefined;
    const name = isFree && rng.next() < 0.6 ? job.metadata.name : this.#name('service');
    this.#create(SERVICE_JOBS, serviceJob(name, job.spec.role, 1 + rng.int(3), 100 + rng.int(101)));
  }

  #addAdhocIfFew(): void {
    if ([...this.#options.api.all(ADHOC_JOBS)].length < 6) this.#addAdhoc();
  }
}

/** Written past the schema by `#corrupt`. */
function isCorrupt(object: KubeObject): boolean {
  const { spec } = object as { spec?: { instances?: unknown; limits?: unknown } };
  return typeof spec?.instances === 'string' || typeof spec?.limits === 'string';
}
