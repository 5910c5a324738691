import type { Recorder } from '../../operator/src/controllers/shared/recorder.ts';
import type { World } from '../../operator/src/controllers/world.ts';
import { ANNOTATION, LABEL, TASK_FINALIZER } from '../../operator/src/model/labels.ts';
import type { Clock } from '../../operator/src/ports/clock.ts';
import type { KubeApi, KubeObject, ResourceRef } from '../../operator/src/ports/kubeApi.ts';
import type { Metrics } from '../../operator/src/ports/metrics.ts';
import { Cache, type CacheOptions } from '../../operator/src/runtime/cache.ts';
import { POD_INDEXERS } from '../../operator/src/runtime/watches.ts';
import { NODES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Node, Pod } from '../../operator/src/schema/kubeObjects.ts';
import * as kinds from '../../operator/src/schema/mezzoKinds.ts';
import { directClient } from './fakeApi/directTransport.ts';
import { MEZZO_KINDS } from './fakeApi/mezzoKinds.ts';
import { FakeApiServer } from './fakeApiServer.ts';
import { silentLog } from './frameworkHarness.ts';

/** Caches fed at once by a fake API server: what the controllers see is what the server holds. */
export class OperatorWorld {
  readonly api: FakeApiServer;
  readonly kube: KubeApi;
  readonly world: World;

  constructor(clock: Clock) {
    this.api = new FakeApiServer({ clock, kinds: MEZZO_KINDS });
    this.kube = directClient(this.api);
    this.world = {
      nodes: this.#cache<Node>(NODES),
      pods: this.#cache<Pod>(PODS, { indexers: POD_INDEXERS }),
      roles: this.#cache<kinds.RoleObject>(kinds.ROLES),
      quotas: this.#cache<kinds.QuotaObject>(kinds.QUOTAS),
      reservations: this.#cache<kinds.ReservationObject>(kinds.RESERVATIONS),
      serviceJobs: this.#cache<kinds.ServiceJobObject>(kinds.SERVICE_JOBS),
      adhocJobs: this.#cache<kinds.AdhocJobObject>(kinds.ADHOC_JOBS),
      cronJobs: this.#cache<kinds.CronJobObject>(kinds.CRON_JOBS),
      frameworks: this.#cache<kinds.FrameworkObject>(kinds.FRAMEWORKS),
      agents: this.#cache<kinds.AgentObject>(kinds.AGENTS),
      maintenanceWindows: this.#cache<kinds.MaintenanceWindowObject>(kinds.MAINTENANCE_WINDOWS),
    };
  }

  #cache<T extends KubeObject>(
    ref: ResourceRef,
    options: Omit<CacheOptions<T>, 'log'> = {},
  ): Cache<T> {
    const cache = new Cache<T>({ log: silentLog, ...options });
    const all = { resourceVersion: '0', timeoutSeconds: 3_600 };
    this.api.watch(ref, all, (event) => cache.applyWatch(event));
    return cache;
  }

  /** Makes an object of Mezzo; namespaced ones in `apps`. */
  make(ref: ResourceRef, name: string, spec: object): KubeObject {
    const metadata = { name, ...(ref.namespaced ? { namespace: 'apps' } : {}) };
    const object = { apiVersion: kinds.API_VERSION, kind: ref.kind, metadata, spec };
    return this.api.create(ref, object);
  }

  node(name: string, allocatable: { readonly [name: string]: string }): Node {
    return this.api.create(NODES, nodeOf(name, allocatable));
  }

  pod(pod: Pod): Pod {
    const made = this.api.create(PODS, pod) as Pod;
    if (pod.status === undefined) return made;
    return this.api.update(PODS, { ...made, status: pod.status } as KubeObject, {
      subresource: 'status',
    }) as Pod;
  }

  report(name: string, status: NonNullable<Pod['status']>): Pod {
    const pod = this.api.get(PODS, { name, namespace: 'apps' });
    return this.api.update(PODS, { ...pod, status } as KubeObject, {
      subresource: 'status',
    }) as Pod;
  }
}

export const nodeOf = (
  name: string,
  allocatable: { readonly [name: string]: string },
  more: Partial<Node> = {},
): Node => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  status: { allocatable, capacity: allocatable, conditions: [{ type: 'Ready', status: 'True' }] },
  ...more,
});

export interface TaskShape {
  readonly job?: string;
  readonly jobUid?: string;
  readonly kind?: 'ServiceJob' | 'AdhocJob';
  readonly instance?: number;
  readonly generation?: number;
  readonly agent?: string;
  readonly role?: string;
  readonly tier?: string;
  readonly hash?: string;
  readonly cpus?: string;
  readonly mem?: string;
  readonly status?: Pod['status'];
  readonly annotations?: { readonly [name: string]: string };
  readonly metadata?: Partial<Pod['metadata']>;
}

/** The Pod of a task of Mezzo's own, as the operator makes it. */
export function taskPod(shape: TaskShape = {}): Pod {
  const { job = 'shop', instance = 0, generation = 0, role = 'web' } = shape;
  const requests = { cpu: shape.cpus ?? '1', memory: shape.mem ?? '64Mi' };
  const name = `${job}-${instance}-${generation}`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'apps',
      uid: `uid-${name}`,
      creationTimestamp: '2026-01-01T00:00:00Z',
      finalizers: [TASK_FINALIZER],
      labels: {
        [LABEL.framework]: 'mezzo-jobs',
        [LABEL.role]: role.replaceAll('/', '.'),
        [LABEL.job]: job,
        [LABEL.jobKind]: shape.kind ?? 'ServiceJob',
        [LABEL.jobUid]: shape.jobUid ?? `uid-${job}`,
        [LABEL.instance]: String(instance),
        [LABEL.generation]: String(generation),
        [LABEL.templateHash]: shape.hash ?? 'hash-1',
        [LABEL.tier]: shape.tier ?? 'preemptible',
      },
      annotations: { [ANNOTATION.rolePath]: role, ...shape.annotations },
      ...shape.metadata,
    },
    spec: {
      nodeName: shape.agent ?? 'node-1',
      containers: [{ name: 'task', image: 'app:1', resources: { requests, limits: requests } }],
      terminationGracePeriodSeconds: 30,
    },
    ...(shape.status === undefined ? {} : { status: shape.status }),
  };
}

export const RUNNING: NonNullable<Pod['status']> = {
  phase: 'Running',
  startTime: '2026-01-01T00:00:01Z',
  conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-01T00:00:02Z' }],
  containerStatuses: [
    { name: 'task', ready: true, state: { running: { startedAt: '2026-01-01T00:00:01Z' } } },
  ],
};

/** A task that ended by itself at this time, ten minutes after its start unless told otherwise. */
export function ended(
  exitCode: number,
  finishedAt = '2026-01-01T00:10:01Z',
  startedAt = '2026-01-01T00:00:01Z',
): NonNullable<Pod['status']> {
  const terminated = {
    exitCode,
    startedAt,
    finishedAt,
    reason: exitCode === 0 ? 'Completed' : 'Error',
  };
  return {
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    startTime: startedAt,
    containerStatuses: [{ name: 'task', state: { terminated } }],
  };
}

/** Waits for its image in vain. */
export const PULL_FAILS: NonNullable<Pod['status']> = {
  phase: 'Pending',
  startTime: '2026-01-01T00:00:01Z',
  containerStatuses: [
    {
      name: 'task',
      state: {
        waiting: { reason: 'ImagePullBackOff', message: 'Back-off pulling image "app:1"' },
      },
    },
  ],
};

/** Remembers events as `Type Reason: note`. */
export class EventList implements Recorder {
  readonly lines: string[] = [];
  event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, note: string): void {
    this.lines.push(`${object.metadata.name}: ${type} ${reason}: ${note}`);
  }
}

/** Counts nothing. */
export const NO_METRICS: Metrics = {
  allocationCycle() {},
  offer() {},
  launch() {},
  preemption() {},
  reconcile() {},
  kubeRequest() {},
  watchRestart() {},
  poisonObject() {},
  ledgerDrift() {},
  nodeRefusal() {},
  illegalTransition() {},
  offerAge() {},
  oldestOffer() {},
  rescind() {},
  backOff() {},
};
