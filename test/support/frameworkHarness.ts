import {
  createFrameworkHub,
  type FrameworkHub,
} from '../../operator/src/controllers/framework/hub.ts';
import type {
  AccessVerdict,
  EventSink,
  FrameworkAuthorizer,
  FrameworkHubConfig,
  Principal,
} from '../../operator/src/controllers/framework/types.ts';
import { createSeededRng } from '../../operator/src/model/seededRng.ts';
import type { Clock } from '../../operator/src/ports/clock.ts';
import type { IdSource } from '../../operator/src/ports/idSource.ts';
import type {
  KubeApi,
  KubeObject,
  ObjectKey,
  ResourceRef,
} from '../../operator/src/ports/kubeApi.ts';
import type { Logger } from '../../operator/src/ports/logger.ts';
import { Cache } from '../../operator/src/runtime/cache.ts';
import { NODES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { ContainerState, Node, Pod } from '../../operator/src/schema/kubeObjects.ts';
import { type Call, parseCall } from '../../operator/src/schema/mesos/call.ts';
import type { SchedulerEvent, WireTaskStatus } from '../../operator/src/schema/mesos/event.ts';
import {
  FRAMEWORKS,
  type FrameworkObject,
  ROLES,
  type RoleObject,
} from '../../operator/src/schema/mezzoKinds.ts';
import { directClient } from './fakeApi/directTransport.ts';
import { MEZZO_KINDS } from './fakeApi/mezzoKinds.ts';
import { timestamp } from './fakeApi/objectRules.ts';
import { FakeApiServer } from './fakeApiServer.ts';
import { HandScheduling } from './handScheduling.ts';

export const silentLog: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};

export const TEST_CONFIG: FrameworkHubConfig = {
  epoch: 1,
  defaultNamespace: 'tenants',
  forbiddenNamespaces: ['mezzo-system'],
  defaultImage: 'busybox:1',
  runAsUser: 65534,
  impersonate: true,
  agentPort: 5055,
  advertised: { hostname: 'master.test', ip: '10.0.0.9', port: 5050 },
  heartbeatMs: 5_000,
  recoveryGraceMs: 60_000,
  reconcileQuietMs: 0,
};

export const ALICE: Principal = { name: 'alice', groups: ['system:authenticated'] };

/** A stream that remembers what was sent. */
export class RecordingSink implements EventSink {
  readonly events: SchedulerEvent[] = [];
  state: 'open' | 'ended' | 'cut' = 'open';
  send(event: SchedulerEvent): void {
    if (this.state === 'open') this.events.push(event);
  }
  end(): void {
    this.state = 'ended';
  }
  cut(): void {
    this.state = 'cut';
  }
  /** Statuses of UPDATE events so far, of one task or of all. */
  updates(task?: string): WireTaskStatus[] {
    return this.events.flatMap((event) =>
      event.type === 'UPDATE' && (task === undefined || event.update.status.task_id.value === task)
        ? [event.update.status]
        : [],
    );
  }
  types(): string[] {
    return this.events.map((event) => event.type);
  }
  errors(): string[] {
    return this.events.flatMap((event) => (event.type === 'ERROR' ? [event.error.message] : []));
  }
}

/** Allows everything but what `denied` lists. */
export class ListAuthorizer implements FrameworkAuthorizer {
  readonly denied = new Set<string>();
  unavailable = false;
  mayOffer(principal: Principal, role: string): Promise<AccessVerdict> {
    return this.#answer(`${principal.name} offer ${role}`);
  }
  mayCreatePods(principal: Principal, namespace: string): Promise<AccessVerdict> {
    return this.#answer(`${principal.name} pods ${namespace}`);
  }
  /** Nobody has privileges that were not given. */
  readonly granted = new Set<string>();
  mayUse(principal: Principal, privilege: string, namespace: string): Promise<AccessVerdict> {
    const asked = `${principal.name} use ${privilege} ${namespace}`;
    return this.granted.has(asked)
      ? this.#answer(asked)
      : Promise.resolve({ kind: 'denied', missing: asked });
  }
  #answer(question: string): Promise<AccessVerdict> {
    if (this.unavailable) return Promise.resolve({ kind: 'unavailable', message: 'away' });
    return Promise.resolve(
      this.denied.has(question) ? { kind: 'denied', missing: question } : { kind: 'allowed' },
    );
  }
}

/** A UUID counter: reproducible, and in the form of a UUID. */
export const countingIds = (): IdSource => {
  let count = 0;
  return {
    uuid: () => `00000000-0000-4000-8000-${(count++).toString(16).padStart(12, '0')}`,
  };
};

export interface Subscription {
  readonly id: string;
  readonly streamId: string;
  readonly sink: RecordingSink;
  readonly close: () => void;
}

/** Frameworks over a fake API server with real caches: everything but HTTP and the allocator is the real thing. */
export class FrameworkHarness {
  readonly api: FakeApiServer;
  readonly kube: KubeApi;
  readonly authorizer = new ListAuthorizer();
  readonly ids = countingIds();
  readonly clock: Clock;
  scheduling: HandScheduling;
  hub: FrameworkHub;
  readonly #config: FrameworkHubConfig;
  #stopFeeds: (() => void)[] = [];

  constructor(clock: Clock, config: Partial<FrameworkHubConfig> = {}) {
    this.clock = clock;
    this.api = new FakeApiServer({ clock, kinds: MEZZO_KINDS });
    this.kube = directClient(this.api);
    this.#config = { ...TEST_CONFIG, ...config };
    this.addNode('node-1');
    this.scheduling = new HandScheduling(this.kube);
    this.hub = this.#newHub(this.kube);
  }

  /** Ends the hub as a killed process would, and starts the next one from what the API server holds. */
  restart(epoch: number = this.#config.epoch): void {
    this.hub.stop();
    for (const stop of this.#stopFeeds.splice(0)) stop();
    this.scheduling = new HandScheduling(this.kube);
    this.hub = this.#newHub(this.kube, epoch);
  }

  stop(): void {
    this.hub.stop();
    for (const stop of this.#stopFeeds.splice(0)) stop();
  }

  #newHub(kube: KubeApi, epoch: number = this.#config.epoch): FrameworkHub {
    return createFrameworkHub({
      scheduling: this.scheduling,
      kube,
      world: {
        frameworks: this.#cache<FrameworkObject>(FRAMEWORKS),
        nodes: this.#cache<Node>(NODES),
        pods: this.#cache<Pod>(PODS, { node: (pod) => [pod.spec.nodeName ?? ''] }),
        roles: this.#cache<RoleObject>(ROLES),
      },
      authorizer: this.authorizer,
      clock: this.clock,
      ids: this.ids,
      rng: createSeededRng('frameworks'),
      log: silentLog,
      config: { ...this.#config, epoch },
    });
  }

  #cache<T extends KubeObject>(
    ref: ResourceRef,
    indexers: { readonly [name: string]: (object: T) => readonly string[] } = {},
  ): Cache<T> {
    const cache = new Cache<T>({ log: silentLog, indexers });
    const options = { resourceVersion: '0', timeoutSeconds: 3_600 };
    this.#stopFeeds.push(this.api.watch(ref, options, (event) => cache.applyWatch(event)));
    return cache;
  }

  addNode(name: string, labels: { readonly [name: string]: string } = {}): void {
    const node: Node = {
      metadata: { name, labels },
      status: {
        addresses: [
          { type: 'InternalIP', address: '10.0.0.1' },
          { type: 'Hostname', address: `${name}.test` },
        ],
      },
    };
    this.api.create(NODES, node);
  }

  addRole(path: string, namespaces?: readonly string[]): void {
    this.api.create(ROLES, {
      metadata: { name: path.replaceAll('/', '-') },
      spec: { path, ...(namespaces === undefined ? {} : { namespaces }) },
    } as KubeObject);
  }

  async subscribe(
    info: { readonly [field: string]: unknown } = {},
    principal: Principal = ALICE,
  ): Promise<Subscription> {
    const outcome = await this.trySubscribe(info, principal);
    if (outcome.kind !== 'accepted') throw new Error(`refused: ${outcome.message}`);
    const sink = new RecordingSink();
    const close = outcome.attach(sink);
    const [first] = sink.events;
    if (first?.type !== 'SUBSCRIBED') throw new Error(`first event is ${first?.type}`);
    return { id: first.subscribed.framework_id.value, streamId: outcome.streamId, sink, close };
  }

  async trySubscribe(
    info: { readonly [field: string]: unknown } = {},
    principal: Principal = ALICE,
  ): Promise<Awaited<ReturnType<FrameworkHub['subscribe']>>> {
    const call = callOf({
      type: 'SUBSCRIBE',
      framework_id: info['id'],
      subscribe: {
        framework_info: { user: 'root', name: 'example', ...info },
        suppressed_roles: info['suppressed'],
        offer_constraints: info['offer_constraints'],
      },
    });
    if (call.kind !== 'SUBSCRIBE') throw new Error('not a SUBSCRIBE');
    return await this.hub.subscribe(call, principal);
  }

  /** Sends a call as the subscriber would; `body` under the field of its type. */
  call(
    who: { readonly id: string; readonly streamId: string },
    type: string,
    body?: unknown,
    principal = ALICE.name,
  ): ReturnType<FrameworkHub['handleCall']> {
    const call = callOf({
      type,
      framework_id: { value: who.id },
      ...(body === undefined ? {} : { [type.toLowerCase()]: body }),
    });
    if (call.kind === 'SUBSCRIBE' || call.kind === 'UPDATE_FRAMEWORK')
      throw new Error(`${call.kind} is not a plain call`);
    return this.hub.handleCall(call, { principal, streamId: who.streamId });
  }

  async updateFramework(
    who: { readonly id: string; readonly streamId: string },
    info: { readonly [field: string]: unknown } = {},
    more: object = {},
    principal: Principal = ALICE,
  ): Promise<Awaited<ReturnType<FrameworkHub['updateFramework']>>> {
    const id = { value: who.id };
    const framework_info = { user: 'root', name: 'example', id, ...info };
    const update_framework = { framework_info, ...more };
    const call = callOf({ type: 'UPDATE_FRAMEWORK', framework_id: id, update_framework });
    if (call.kind !== 'UPDATE_FRAMEWORK') throw new Error('not an UPDATE_FRAMEWORK');
    return await this.hub.updateFramework(call, principal, who.streamId);
  }

  acknowledge(who: Subscription, status: WireTaskStatus): void {
    this.call(who, 'ACKNOWLEDGE', {
      agent_id: status.agent_id,
      task_id: status.task_id,
      uuid: status.uuid,
    });
  }

  pods(): Pod[] {
    return [...this.api.all(PODS)] as Pod[];
  }

  frameworkObjects(): FrameworkObject[] {
    return [...this.api.all(FRAMEWORKS)] as FrameworkObject[];
  }

  /** The one Pod of the task; throws when there is none. */
  podOf(task: string): Pod {
    const pod = this.pods().find((one) => one.metadata.annotations?.['mezzo.dev/task-id'] === task);
    if (pod === undefined) throw new Error(`no Pod of task ${task}`);
    return pod;
  }

  /** What the kubelet would report of the task's container. */
  report(
    task: string,
    phase: NonNullable<Pod['status']>['phase'],
    state: ContainerState,
    more: object = {},
  ): void {
    const pod = this.podOf(task);
    const status = {
      phase,
      containerStatuses: [{ name: 'task', state }],
      podIP: '10.1.0.5',
      ...more,
    };
    this.api.update(PODS, { ...pod, status } as KubeObject, { subresource: 'status' });
  }

  run(task: string): void {
    this.report(task, 'Running', { running: { startedAt: timestamp(this.clock.nowMs()) } });
  }

  exit(task: string, exitCode: number, reason?: string): void {
    const at = timestamp(this.clock.nowMs());
    this.report(task, exitCode === 0 ? 'Succeeded' : 'Failed', {
      terminated: {
        exitCode,
        startedAt: at,
        finishedAt: at,
        ...(reason === undefined ? {} : { reason }),
      },
    });
  }

  /** What the kubelet does last to a Pod that was deleted. */
  remove(task: string): void {
    const { name, namespace } = this.podOf(task).metadata;
    const key: ObjectKey = namespace === undefined ? { name } : { name, namespace };
    this.api.delete(PODS, key, { gracePeriodSeconds: 0 });
  }
}

export function callOf(json: unknown): Call {
  const call = parseCall(json);
  if (!call.ok) throw new Error(call.refusal);
  return call.value;
}

/** A TaskInfo that runs a shell command on a tenth of a CPU. */
export const taskInfo = (
  id: string,
  more: object = {},
  agent = 'node-1',
): { readonly [field: string]: unknown } => ({
  name: `${id}-name`,
  task_id: { value: id },
  agent_id: { value: agent },
  resources: [
    { name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } },
    { name: 'mem', type: 'SCALAR', scalar: { value: 32 } },
  ],
  command: { value: 'echo hello' },
  ...more,
});

export const launchOf = (
  offers: readonly string[],
  tasks: readonly unknown[],
): { readonly [field: string]: unknown } => ({
  offer_ids: offers.map((value) => ({ value })),
  operations: [{ type: 'LAUNCH', launch: { task_infos: tasks } }],
});
