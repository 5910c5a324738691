import type { FrameworkId, TaskId } from '../../../model/ids.ts';
import type { CancelTimer } from '../../../ports/clock.ts';
import type { RelayedCall, RelayHello, RelayReply } from '../../../schema/http/executorRelay.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import type { MesosReason, SchedulerEvent } from '../../../schema/mesos/event.ts';
import type { ExecutorEvent } from '../../../schema/mesos/executorCall.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { updateUuid } from '../names.ts';
import type { PodWriter } from '../pod/podWriter.ts';
import type { Audience } from '../pod/statusUpdates.ts';
import type { ExecutorMessage, FrameworkHubOptions, FrameworkProfile } from '../types.ts';
import { resizePatch, resizeStateOf, tasksBeyond } from './executorAmounts.ts';
import { ExecutorCalls } from './executorCalls.ts';
import {
  type ExecutorEntry,
  hasExecutorEnded,
  isExecutorAlive,
  statusFor,
} from './executorEntry.ts';
import { ExecutorLaunches } from './executorLaunches.ts';
import { type AgentSink, ExecutorLinks, type ExecutorSession } from './executorLinks.ts';
import { shutdownGraceSeconds } from './executorPod.ts';
import { ExecutorPresence } from './executorPresence.ts';
import { hasTaskEnded, isUnheard, type StoredTask, withUpdate } from './executorRecord.ts';
import { ExecutorUpdates } from './executorUpdates.ts';
import { ExecutorWriter } from './executorWriter.ts';

export interface ExecutorsOptions
  extends Pick<FrameworkHubOptions, 'clock' | 'ids' | 'kube' | 'log' | 'world'> {
  readonly podWriter: Pick<PodWriter, 'wish'>;
  readonly audience: (framework: FrameworkId, namespace: string) => Audience;
  readonly send: (framework: FrameworkId, event: SchedulerEvent) => boolean;
  readonly onTaskSeen: (framework: FrameworkId, task: TaskId) => void;
  /** Undefined when the framework is gone for good. */
  readonly profileOf: (framework: FrameworkId) => FrameworkProfile | undefined;
}

/** A Pod whose kubelet has not made room for its new tasks by then loses them. */
const RESIZE_LIMIT_MS = 60_000;

/** Custom executors: their Pods, their tasks, their streams. */
export class Executors {
  readonly launches: ExecutorLaunches;
  readonly updates: ExecutorUpdates;
  readonly #options: ExecutorsOptions;
  readonly #links = new ExecutorLinks();
  readonly #records: ExecutorWriter;
  readonly #calls: ExecutorCalls;
  readonly #presence: ExecutorPresence;
  /** By uid of the Pod. */
  readonly #timers = new Map<string, CancelTimer>();

  constructor(options: ExecutorsOptions) {
    this.#options = options;
    const { clock, ids, kube, log, world } = options;
    const links = this.#links;
    this.#records = new ExecutorWriter({
      kube,
      pods: world.pods,
      clock,
      log,
      onResizeRefused: (pod, message) => this.#dropUnsent(pod, message),
    });
    const records = this.#records;
    this.#presence = new ExecutorPresence({
      clock,
      links,
      onMissing: (entry, limitMs) => this.#giveUp(entry, limitMs),
    });
    this.updates = new ExecutorUpdates({
      ...options,
      records,
      pods: options.podWriter,
      onChanged: (entry) => this.#onChanged(entry),
    });
    const { updates } = this;
    this.launches = new ExecutorLaunches({ clock, ids, links, updates, records });
    this.#calls = new ExecutorCalls({
      clock,
      pods: world.pods,
      links,
      updates,
      records,
      isLive: (framework) => options.profileOf(framework) !== undefined,
      subscribedEvent: (entry) => this.#subscribedEvent(entry),
      launchesFor: (entry) => this.#owedEvents(entry),
      onMessage: (message) => this.#toFramework(message),
    });
  }

  /** A node agent's stream; returns what ends it. */
  openLink(hello: RelayHello, sink: AgentSink): () => void {
    const close = this.#links.open(hello, sink);
    for (const entry of this.updates.entries())
      if (entry.agent === hello.node) this.#presence.observe(entry);
    for (const { pod } of hello.executors) {
      const entry = this.updates.byPod(pod);
      const isGone = entry === undefined || entry.gone || entry.agent !== hello.node;
      if (isGone || this.#options.profileOf(entry.framework) === undefined)
        this.#links.dismiss(hello.node, pod);
      else this.#onChanged(entry);
    }
    return close;
  }

  async handleCall(call: RelayedCall): Promise<RelayReply> {
    const reply = await this.#calls.handle(call);
    return { ...reply, events: [...reply.events] };
  }

  /** Asks for the end of one task; false when no executor has it. */
  kill(framework: FrameworkId, task: TaskId, graceNanoseconds: number | undefined): boolean {
    const entry = this.updates.entryOf(framework, task);
    if (entry === undefined) return false;
    const kill = graceNanoseconds === undefined ? {} : { graceNanoseconds };
    // A later kill may have another grace: it is sent again.
    this.#sessionOf(entry)?.killed.delete(task);
    void this.#records
      .change(entry.pod, (tasks) => {
        const stored = tasks.get(task);
        if (stored !== undefined) tasks.set(task, { ...stored, kill });
        return true;
      })
      .then(() => this.#onChanged(entry));
    return true;
  }

  /** Shuts an executor down, in order as long as it takes no longer than its grace; false when there is none. */
  shutdown(framework: FrameworkId, executor: string, agent: string): boolean {
    const entry = this.#executor(framework, executor, agent);
    if (entry === undefined) return false;
    this.#shutDown(entry);
    return true;
  }

  /** Passes a message on; false when the executor is not connected. */
  message({ framework, agent, executor, data }: ExecutorMessage): boolean {
    const entry = this.#executor(framework, executor, agent);
    if (entry === undefined) return false;
    return this.#send(entry, { type: 'MESSAGE', message: { data } });
  }

  /** The framework is gone for good. */
  abandon(framework: FrameworkId): void {
    for (const entry of this.updates.entries())
      if (entry.framework === framework) this.#send(entry, { type: 'SHUTDOWN' });
    this.updates.abandon(framework);
  }

  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#presence.stop();
    this.launches.stop();
    this.updates.stop();
    this.#records.stop();
    this.#links.stop();
  }

  #executor(framework: FrameworkId, executor: string, agent: string): ExecutorEntry | undefined {
    return [...this.updates.entries()].find(
      (one) =>
        one.framework === framework &&
        one.executor === executor &&
        one.agent === agent &&
        !hasExecutorEnded(one),
    );
  }

  #sessionOf({ agent, pod }: ExecutorEntry): ExecutorSession | undefined {
    return this.#links.sessionOf(agent, pod.metadata.uid ?? '');
  }

  #send({ agent, pod }: ExecutorEntry, event: ExecutorEvent): boolean {
    return this.#links.send(agent, pod.metadata.uid ?? '', event);
  }

  #toFramework({ framework, agent, executor, data }: ExecutorMessage): void {
    this.#options.send(framework, {
      type: 'MESSAGE',
      message: { agent_id: { value: agent }, executor_id: { value: executor }, data },
    });
  }

  #onChanged(entry: ExecutorEntry): void {
    this.launches.onSeen(entry);
    this.#presence.observe(entry);
    const uid = entry.pod.metadata.uid ?? '';
    if (hasExecutorEnded(entry)) {
      this.#cancelTimer(uid);
      this.#links.dismiss(entry.agent, uid);
      return;
    }
    if (resizePatch(entry.pod, entry.view) !== undefined) this.#records.poke(entry.pod);
    this.#watchResize(entry, uid);
    for (const event of this.#owedEvents(entry)) this.#send(entry, event);
  }

  /** Tasks wait for their room; when there will be none they are given back. */
  #watchResize(entry: ExecutorEntry, uid: string): void {
    const resize = resizeStateOf(entry.pod);
    const isWaitedFor = this.#unsent(entry).length > 0;
    if (resize.kind === 'refused' && isWaitedFor) this.#dropUnsent(entry.pod, resize.message);
    if (resize.kind !== 'waiting' || !isWaitedFor) {
      this.#cancelTimer(uid);
      return;
    }
    if (this.#timers.has(uid)) return;
    const giveUp = (): void => {
      this.#timers.delete(uid);
      this.#dropUnsent(entry.pod, 'the kubelet did not make room for the task in time');
    };
    this.#timers.set(uid, this.#options.clock.setTimer(RESIZE_LIMIT_MS, giveUp));
  }

  #cancelTimer(uid: string): void {
    this.#timers.get(uid)?.();
    this.#timers.delete(uid);
  }

  /** Tasks its executor has never been sent, as far as is known. */
  #unsent(entry: ExecutorEntry): readonly [TaskId, StoredTask][] {
    const launched = this.#sessionOf(entry)?.launched;
    return [...entry.view.tasks].filter(
      ([task, stored]) => isUnheard(stored) && launched?.has(task) !== true,
    );
  }

  #dropUnsent(pod: Pod, message: string): void {
    const entry = this.updates.byPod(pod.metadata.uid ?? '');
    if (entry === undefined) return;
    const resized = `The executor's Pod could not grow: ${message}`.slice(0, 1024);
    const why = { state: 'TASK_DROPPED', reason: 'REASON_CONTAINER_UPDATE_FAILED' } as const;
    for (const task of tasksBeyond(entry.pod, entry.view, this.#unsent(entry)))
      this.#endUnsent(entry, task, { ...why, message: resized });
  }

  /** Ends a task that its executor never heard of. */
  #endUnsent(
    entry: ExecutorEntry,
    task: TaskId,
    why: {
      readonly state: 'TASK_DROPPED' | 'TASK_KILLED' | 'TASK_FAILED';
      readonly reason: MesosReason;
      readonly message: string;
    },
  ): void {
    const { clock } = this.#options;
    const uuid = updateUuid(entry.pod.metadata.uid ?? '', `unsent/${task}/${why.state}`);
    const status = statusFor(entry, task, {
      ...why,
      source: 'SOURCE_AGENT',
      uuid,
      atMs: clock.nowMs(),
    });
    void this.#records.change(entry.pod, (tasks) => {
      const stored = tasks.get(task);
      // It may have been sent and answered meanwhile.
      if (stored === undefined || !isUnheard(stored)) return true;
      tasks.set(task, withUpdate(stored, status) ?? stored);
      return true;
    });
  }

  /** What the executor has to be sent now, in order; notes it as sent. Empty while it has no stream. */
  #owedEvents(entry: ExecutorEntry): readonly ExecutorEvent[] {
    const session = this.#sessionOf(entry);
    if (session === undefined || !isExecutorAlive(entry)) return [];
    const hasRoom =
      resizeStateOf(entry.pod).kind === 'done' && resizePatch(entry.pod, entry.view) === undefined;
    const events: ExecutorEvent[] = [];
    for (const [task, stored] of entry.view.tasks) {
      const isUnsent = isUnheard(stored) && !session.launched.has(task);
      if (isUnsent && stored.kill !== undefined) {
        this.#endUnsent(entry, task, KILLED_UNSENT);
      } else if (isUnsent && hasRoom) {
        session.launched.add(task);
        events.push({ type: 'LAUNCH', launch: { task: taskInfoOf(entry, stored) } });
      } else if (!isUnsent && stored.kill !== undefined && !session.killed.has(task)) {
        session.killed.add(task);
        if (!hasTaskEnded(stored)) events.push(killEvent(task, stored.kill.graceNanoseconds));
      }
    }
    return events;
  }

  /** It runs and does not speak the executor API, or not to this agent. */
  #giveUp(entry: ExecutorEntry, limitMs: number): void {
    const message = `Executor did not register within ${limitMs / 60_000}mins`;
    const why = { state: 'TASK_FAILED', reason: 'REASON_EXECUTOR_REGISTRATION_TIMEOUT' } as const;
    for (const [task] of this.#unsent(entry)) this.#endUnsent(entry, task, { ...why, message });
    this.#options.podWriter.wish(entry.pod, { kill: { graceSeconds: 1, reason: message } });
  }

  #shutDown(entry: ExecutorEntry): void {
    const reason = 'its framework shut the executor down';
    const end = (graceSeconds: number | undefined): void =>
      this.#options.podWriter.wish(entry.pod, { kill: { graceSeconds, reason } });
    if (!this.#send(entry, { type: 'SHUTDOWN' })) {
      end(undefined);
      return;
    }
    const uid = entry.pod.metadata.uid ?? '';
    const graceMs = shutdownGraceSeconds(entry.view.info) * 1000;
    this.#cancelTimer(uid);
    const giveUp = (): void => {
      this.#timers.delete(uid);
      if (!hasExecutorEnded(entry)) end(1);
    };
    this.#timers.set(uid, this.#options.clock.setTimer(graceMs, giveUp));
  }

  #subscribedEvent(entry: ExecutorEntry): ExecutorEvent {
    const profile = this.#options.profileOf(entry.framework);
    const endpoint = this.#links.endpointOf(entry.agent) ?? '';
    const separator = endpoint.lastIndexOf(':');
    return {
      type: 'SUBSCRIBED',
      subscribed: {
        executor_info: { ...entry.view.info, framework_id: { value: entry.framework } },
        framework_info: {
          id: { value: entry.framework },
          user: profile?.user ?? '',
          name: profile?.name ?? '',
          roles: profile?.roles ?? [],
          checkpoint: true,
          failover_timeout: (profile?.failoverTimeoutMs ?? 0) / 1000,
          principal: profile?.principal ?? '',
        },
        agent_info: {
          id: { value: entry.agent },
          hostname: endpoint.slice(0, separator),
          port: Number(endpoint.slice(separator + 1)),
        },
      },
    };
  }
}

/** Source: Mesos `src/slave/slave.cpp`, `Slave::kill`. */
const KILLED_UNSENT = {
  state: 'TASK_KILLED',
  reason: 'REASON_TASK_KILLED_DURING_LAUNCH',
  message: 'Killed before delivery to the executor',
} as const;

const taskInfoOf = (entry: ExecutorEntry, { info }: StoredTask): TaskInfo => ({
  ...info,
  executor: { ...entry.view.info, framework_id: { value: entry.framework } },
});

const killEvent = (task: TaskId, graceNanoseconds: number | undefined): ExecutorEvent => ({
  type: 'KILL',
  kill: {
    task_id: { value: task },
    ...(graceNanoseconds === undefined
      ? {}
      : { kill_policy: { grace_period: { nanoseconds: graceNanoseconds } } }),
  },
});
