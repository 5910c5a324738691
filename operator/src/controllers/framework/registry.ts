import { type AgentId, type FrameworkId, type TaskId, taskId } from '../../model/ids.ts';
import type { CacheEvent } from '../../runtime/cache.ts';
import type { SchedulerEvent, WireTaskStatus } from '../../schema/mesos/event.ts';
import type { MesosCapability } from '../../schema/mesos/framework.ts';
import type { FrameworkObject } from '../../schema/mezzoKinds.ts';
import type { RefusedTask } from './decideLaunch.ts';
import { Executors } from './executor/executors.ts';
import { FrameworkObjects, MANAGED_BY, placeOf, storedProfile } from './frameworkObjects.ts';
import { HeldAmounts } from './heldAmounts.ts';
import { Launches } from './launches.ts';
import { OperationStatuses } from './operationStatuses.ts';
import { stateFor } from './pod/endings.ts';
import { PodWriter } from './pod/podWriter.ts';
import { PortBook } from './pod/portBook.ts';
import { type Audience, StatusUpdates, type TaskStatusView } from './pod/statusUpdates.ts';
import {
  newRegistration,
  type Presence,
  type Registration,
  recoveryDelayMs,
  statusOf,
} from './registration.ts';
import { SpacedSaves } from './spacedSaves.ts';
import type { FrameworkHubOptions, FrameworkSummary } from './types.ts';

/** Completed frameworks whose ids are remembered. Source: Mesos `src/master/constants.hpp`, `DEFAULT_MAX_COMPLETED_FRAMEWORKS`. */
const MAX_COMPLETED = 50;
/** Counters in a Framework's status are written no more often than this. */
const STATUS_INTERVAL_MS = 5_000;

/** All frameworks the master knows, with what they run and who listens. */
export class Registry {
  readonly objects: FrameworkObjects;
  readonly updates: StatusUpdates;
  readonly launches: Launches;
  readonly ports: PortBook;
  readonly operations: OperationStatuses;
  readonly executors: Executors;
  readonly startedMs: number;
  readonly #options: FrameworkHubOptions;
  readonly #writer: PodWriter;
  /** In the order in which they completed, as far as this process saw it. */
  readonly #completed = new Set<FrameworkId>();
  readonly #known = new Map<FrameworkId, Registration>();
  readonly #unsubscribe: (() => void)[] = [];
  readonly #saves: SpacedSaves<FrameworkId>;
  readonly #held = new HeldAmounts();

  constructor(options: FrameworkHubOptions) {
    this.#options = options;
    const { kube, clock, rng, log, world, config } = options;
    this.startedMs = clock.monotonicMs();
    this.#saves = new SpacedSaves({
      clock,
      intervalMs: STATUS_INTERVAL_MS,
      save: (id) => this.saveNow(id),
    });
    this.objects = new FrameworkObjects({ kube, frameworks: world.frameworks, clock, rng, log });
    this.#writer = new PodWriter({ ...options, pods: world.pods });
    this.ports = new PortBook({
      range: config.agentPorts,
      clock,
      podsOn: (agent) => world.pods.byIndex('node', agent),
      isOutstanding: (id, offer) => options.scheduling.offered(id, offer) !== undefined,
    });
    this.operations = new OperationStatuses({
      clock,
      ids: options.ids,
      deliver: (id, status) =>
        this.send(id, { type: 'UPDATE_OPERATION_STATUS', update_operation_status: { status } }),
    });
    this.launches = new Launches({
      ...config,
      ports: this.ports,
      scheduling: options.scheduling,
      isLive: (id, task) => this.agentOf(id, task) !== undefined,
      onRefused: (id, agent, refused) => {
        this.executors.launches.onRefused(id, taskId(refused.task));
        this.#tellRefused(id, agent, refused);
      },
      operations: this.operations,
      planExecutorTask: (...asked) => this.executors.launches.plan(...asked),
    });
    this.executors = new Executors({
      ...options,
      podWriter: this.#writer,
      audience: (id, namespace) => this.#audience(id, namespace),
      send: (id, event) => this.send(id, event),
      onTaskSeen: (id, task) => {
        const kill = this.launches.onTaskSeen(id, task);
        if (kill !== undefined) this.executors.kill(id, task, nanoseconds(kill.graceSeconds));
      },
      profileOf: (id) => this.live(id)?.profile,
    });
    this.updates = new StatusUpdates({
      clock,
      writer: this.#writer,
      audience: (id, namespace) => this.#audience(id, namespace),
      deliver: (id, status) => this.send(id, { type: 'UPDATE', update: { status } }),
      onTaskSeen: (id, task) => {
        const kill = this.launches.onTaskSeen(id, task);
        if (kill !== undefined) this.updates.kill(id, task, kill.graceSeconds);
      },
    });
    // Frameworks first: a Pod whose framework is not known is taken for an orphan.
    this.#unsubscribe.push(
      world.frameworks.subscribe((event) => this.#onFrameworkObject(event)),
      world.pods.subscribe((event) => this.#onPod(event)),
      world.nodes.subscribe((event) => {
        if (event.kind === 'deleted') this.#tellAgentLost(event.object.metadata.name);
        this.updates.observeNode(event);
        this.executors.updates.observeNode(event);
      }),
    );
  }

  /** A framework that is neither unknown nor gone for good. */
  live(id: FrameworkId): Registration | undefined {
    const registration = this.#known.get(id);
    return registration === undefined || isCompleted(registration.presence)
      ? undefined
      : registration;
  }

  /** Any framework that is remembered, completed ones included. */
  find(id: FrameworkId): Registration | undefined {
    return this.#known.get(id);
  }

  /** Node of a task that has not ended, in a Pod of its own or in an executor's. */
  agentOf(id: FrameworkId, task: TaskId): AgentId | undefined {
    return this.updates.agentOf(id, task) ?? this.executors.updates.entryOf(id, task)?.agent;
  }

  /** The newest state of each of a framework's tasks; ended ones until that is acknowledged. */
  tasks(id: FrameworkId): readonly TaskStatusView[] {
    return [...this.updates.tasks(id), ...this.executors.updates.tasks(id)];
  }

  connectedCount(): number {
    return [...this.#known.values()].filter((one) => one.presence.kind === 'connected').length;
  }

  /** Sends to the framework's stream; false when it has none. */
  send(id: FrameworkId, event: SchedulerEvent): boolean {
    const presence = this.#known.get(id)?.presence;
    if (presence?.kind !== 'connected') return false;
    presence.session.sink.send(event);
    return true;
  }

  capabilities(id: FrameworkId): ReadonlySet<MesosCapability> {
    return this.#known.get(id)?.profile.capabilities ?? new Set();
  }

  /** A status the master itself makes: no uuid, nothing to acknowledge. `state` in partition-aware words. */
  tell(
    id: FrameworkId,
    status: Pick<WireTaskStatus, 'task_id' | 'state' | 'reason' | 'message' | 'agent_id'>,
  ): void {
    const state = stateFor(status.state, this.capabilities(id).has('PARTITION_AWARE'));
    const timestamp = this.#options.clock.nowMs() / 1000;
    this.send(id, {
      type: 'UPDATE',
      update: { status: { ...status, state, source: 'SOURCE_MASTER', timestamp } },
    });
  }

  /** The stream is gone: no offers, and the failover time-out runs. */
  disconnect(id: FrameworkId): void {
    const registration = this.live(id);
    if (registration?.presence.kind !== 'connected') return;
    registration.presence.session.cancelHeartbeat();
    this.#options.scheduling.unregister(id);
    this.updates.pause(id);
    this.executors.updates.pause(id);
    this.#options.log.info('framework disconnected', { framework: id });
    this.#awaitReturn(registration, registration.profile.failoverTimeoutMs);
    this.saveNow(id);
  }

  /**
   * Removes a framework for good: its stream is ended, then, once that is durable, its tasks. `message`: the ERROR it
   * is told before.
   */
  complete(id: FrameworkId, message: string | undefined): void {
    const registration = this.live(id);
    if (registration === undefined) return;
    const { presence } = registration;
    if (presence.kind === 'connected') {
      presence.session.cancelHeartbeat();
      if (message !== undefined) presence.session.sink.send({ type: 'ERROR', error: { message } });
      presence.session.sink.end();
    }
    if (presence.kind === 'disconnected') presence.cancelTimer();
    this.#options.scheduling.unregister(id);
    this.updates.pause(id);
    this.executors.updates.pause(id);
    this.operations.forget(id);
    registration.presence = { kind: 'completing' };
    this.#completed.delete(id);
    this.#completed.add(id);
    this.saveNow(id, () => {
      registration.presence = { kind: 'completed' };
      this.updates.abandon(id);
      this.executors.abandon(id);
      this.#forgetOldest();
    });
  }

  /** Something countable changed; the status follows within seconds. */
  touch(id: FrameworkId): void {
    this.#saves.touch(id);
  }

  saveNow(id: FrameworkId, onDurable?: () => void): void {
    const registration = this.#known.get(id);
    if (registration === undefined) return;
    const tasks: { [state: string]: number } = {};
    for (const { state } of this.tasks(id)) tasks[state] = (tasks[state] ?? 0) + 1;
    const outstanding = this.#options.scheduling.outstanding(id).length;
    const allocated = this.#held.of(id);
    const status = statusOf(registration, { tasks, outstanding, allocated });
    this.objects.save(registration.place, registration.profile, status, onDurable);
  }

  summaries(): FrameworkSummary[] {
    return [...this.#known.values()].map(({ place, profile, presence }) => ({
      id: place.id,
      name: profile.name,
      namespace: place.namespace,
      principal: profile.principal,
      roles: profile.roles,
      connected: presence.kind === 'connected',
      completed: isCompleted(presence),
      tasks: this.tasks(place.id).map(({ task, agent, state }) => ({ id: task, agent, state })),
    }));
  }

  stop(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    this.#saves.stop();
    this.updates.stop();
    this.executors.stop();
    this.operations.stop();
    this.#writer.stop();
    this.objects.stop();
    for (const { presence, place } of this.#known.values()) {
      if (presence.kind === 'disconnected') presence.cancelTimer();
      if (presence.kind !== 'connected') continue;
      presence.session.cancelHeartbeat();
      this.#options.scheduling.unregister(place.id);
      presence.session.sink.cut('the master stops');
    }
    this.#known.clear();
  }

  #onFrameworkObject(event: CacheEvent<FrameworkObject>): void {
    const place = placeOf(event.object);
    if (place === undefined) return;
    const registration = this.#known.get(place.id);
    const ours = registration?.place.objectUid === place.objectUid;
    if (event.kind === 'deleted') {
      if (ours) this.#onObjectDeleted(registration);
    } else if (registration === undefined) this.recover(event.object);
    else if (ours) registration.podTemplate = event.object.spec.podTemplate;
  }

  /** Somebody deleted the object: that is how kubectl tears a framework down. */
  #onObjectDeleted(registration: Registration): void {
    const { id } = registration.place;
    if (isCompleted(registration.presence)) {
      this.#known.delete(id);
      return;
    }
    this.complete(id, 'Framework was removed: its Framework object was deleted');
    registration.presence = { kind: 'completed' };
    this.updates.abandon(id);
    this.executors.abandon(id);
  }

  /** Remembers a framework by its object: one of a master before us, or one just created. It may take its time to come (back). */
  recover(object: FrameworkObject): void {
    const place = placeOf(object);
    if (place === undefined || this.#known.has(place.id)) return;
    const { clock, config } = this.#options;
    const profile = storedProfile(object);
    const registration = newRegistration(place, profile, object, { kind: 'completed' });
    this.#known.set(place.id, registration);
    if (object.status?.completed === true) return;
    const { failoverTimeoutMs } = profile;
    const delayMs = recoveryDelayMs(
      object,
      failoverTimeoutMs,
      clock.nowMs(),
      config.recoveryGraceMs,
    );
    const storedMs = Date.parse(object.status?.disconnectedAt ?? '');
    this.#awaitReturn(registration, delayMs, Number.isNaN(storedMs) ? undefined : storedMs);
    this.touch(place.id);
  }

  #awaitReturn(registration: Registration, delayMs: number, sinceMs?: number): void {
    const { id } = registration.place;
    const { clock, log } = this.#options;
    const cancelTimer = clock.setTimer(delayMs, () => {
      log.info('framework did not come back in time', { framework: id, delayMs });
      this.complete(id, undefined);
    });
    const since = sinceMs ?? clock.nowMs();
    registration.presence = { kind: 'disconnected', sinceMs: since, cancelTimer };
  }

  #audience(id: FrameworkId, namespace: string): Audience {
    const registration = this.#known.get(id);
    if (registration === undefined || registration.place.namespace !== namespace)
      return { kind: 'unknown' };
    if (registration.presence.kind === 'completed') return { kind: 'completed' };
    return { kind: 'known', capabilities: registration.profile.capabilities };
  }

  #onPod(event: Parameters<StatusUpdates['observe']>[0]): void {
    const framework = this.updates.observe(event) ?? this.executors.updates.observe(event);
    if (framework === undefined) return;
    this.#held.observe(event, framework);
    this.touch(framework);
  }

  #tellRefused(id: FrameworkId, agent: string | undefined, refused: RefusedTask): void {
    this.tell(id, {
      task_id: { value: refused.task },
      state: refused.state,
      reason: refused.reason,
      message: refused.message,
      ...(agent === undefined ? {} : { agent_id: { value: agent } }),
    });
  }

  #tellAgentLost(agent: string): void {
    for (const id of this.#known.keys())
      this.send(id, { type: 'FAILURE', failure: { agent_id: { value: agent } } });
  }

  /** Only the newest completed frameworks are remembered; objects made by hand are never deleted. */
  #forgetOldest(): void {
    const completed = latestCompletedFirst(
      this.#options.world.frameworks
        .list()
        .filter((one) => one.status?.completed === true && isManaged(one)),
      [...this.#completed],
    );
    for (const object of completed.slice(MAX_COMPLETED)) {
      const place = placeOf(object);
      if (place === undefined) continue;
      this.objects.remove(place).catch((error: unknown) => {
        this.#options.log.warn('completed framework not deleted', { framework: place.id, error });
      });
      this.#completed.delete(place.id);
    }
  }
}

const nanoseconds = (seconds: number | undefined): number | undefined =>
  seconds === undefined ? undefined : seconds * 1e9;

const isCompleted = (presence: Presence): boolean =>
  presence.kind === 'completing' || presence.kind === 'completed';

/**
 * The order in which completed frameworks are remembered: those this process saw complete by that, the last one first, then those
 * of masters before it, of which only the last subscription is known.
 */
function latestCompletedFirst(
  objects: readonly FrameworkObject[],
  order: readonly FrameworkId[],
): readonly FrameworkObject[] {
  const places = new Map<string, number>(order.map((id, at) => [id, at]));
  const rank = (one: FrameworkObject): number => places.get(one.spec.frameworkId ?? '') ?? -1;
  const subscribedAt = (one: FrameworkObject): string => one.status?.subscribedAt ?? '';
  return objects.toSorted(
    (left, right) =>
      rank(right) - rank(left) || subscribedAt(right).localeCompare(subscribedAt(left)),
  );
}

function isManaged(object: FrameworkObject): boolean {
  return Object.entries(MANAGED_BY).every(
    ([label, value]) => object.metadata.labels?.[label] === value,
  );
}
