import { type FrameworkId, frameworkId, type TaskId, taskId } from '../../../model/ids.ts';
import type { Clock } from '../../../ports/clock.ts';
import type { CacheReader } from '../../../runtime/cache.ts';
import type { RelayedCall, RelayReply } from '../../../schema/http/executorRelay.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import {
  type ExecutorCall,
  type ExecutorEvent,
  type ExecutorStatus,
  parseExecutorCall,
  TERMINAL_STATES,
} from '../../../schema/mesos/executorCall.ts';
import type { ExecutorMessage } from '../types.ts';
import { type ExecutorEntry, hasExecutorEnded } from './executorEntry.ts';
import type { ExecutorLinks } from './executorLinks.ts';
import { isTokenOf } from './executorPod.ts';
import { type StoredStatus, withUpdate } from './executorRecord.ts';
import type { ExecutorUpdates } from './executorUpdates.ts';
import type { EditResult, ExecutorWriter } from './executorWriter.ts';

export interface ExecutorCallsOptions {
  readonly clock: Clock;
  readonly pods: CacheReader<Pod>;
  readonly links: ExecutorLinks;
  readonly updates: ExecutorUpdates;
  readonly records: Pick<ExecutorWriter, 'change'>;
  readonly isLive: (framework: FrameworkId) => boolean;
  /** The first event on an executor's stream. */
  readonly subscribedEvent: (entry: ExecutorEntry) => ExecutorEvent;
  /** Sends the executor what it is owed on its new stream. */
  readonly launchesFor: (entry: ExecutorEntry) => readonly ExecutorEvent[];
  readonly onMessage: (message: ExecutorMessage) => void;
}

type Reply = Omit<RelayReply, 'events'> & { readonly events: readonly ExecutorEvent[] };

const refused = (status: number, message: string): Reply => ({ status, message, events: [] });
const taken = (events: readonly ExecutorEvent[] = []): Reply => ({ status: 202, events });
const AGAIN = 'The update cannot be recorded at the moment; it will be sent again';

/**
 * Answers the calls of executors. What an executor says of its tasks is on its Pod before it is acknowledged.
 * Source of statuses and words: Mesos `src/slave/http.cpp`, `Http::executor`.
 */
export class ExecutorCalls {
  readonly #options: ExecutorCallsOptions;

  constructor(options: ExecutorCallsOptions) {
    this.#options = options;
  }

  async handle({ node, peer, token, call: wire }: RelayedCall): Promise<Reply> {
    const call = parseExecutorCall(wire);
    if (!call.ok) return refused(400, `Failed to validate executor call: ${call.refusal}`);
    const { framework, executor, kind } = call.value;
    if (!this.#options.isLive(frameworkId(framework)))
      return refused(400, 'Framework cannot be found');
    const entry = this.#find(node, framework, executor);
    if (entry === undefined) return refused(400, 'Executor cannot be found');
    const fault = this.#callerFault(entry, peer, token);
    if (fault !== undefined) return fault;
    const pod = entry.pod.metadata.uid ?? '';
    if (kind === 'SUBSCRIBE') return await this.#subscribe(entry, node, call.value);
    // What it said last may come after its end, when it has no stream any more.
    const isLate = kind === 'UPDATE' && hasExecutorEnded(entry);
    if (!isLate && this.#options.links.sessionOf(node, pod) === undefined)
      return refused(403, 'Executor is not subscribed');
    switch (kind) {
      case 'UPDATE':
        return await this.#update(entry, call.value.status);
      case 'MESSAGE':
        this.#options.onMessage({
          framework: entry.framework,
          agent: entry.agent,
          executor,
          data: call.value.data,
        });
        return taken();
      case 'HEARTBEAT':
        return taken();
    }
  }

  /** The last Pod of this executor on the node; one that has ended can still say how its tasks ended. */
  #find(node: string, framework: string, executor: string): ExecutorEntry | undefined {
    const all = [...this.#options.updates.entries()].filter(
      (one) =>
        one.agent === node && one.framework === framework && one.executor === executor && !one.gone,
    );
    return all.find((one) => !hasExecutorEnded(one)) ?? all[0];
  }

  /**
   * A caller is who it says to be when it calls from the Pod's own address, or from no Pod's address with the Pod's
   * token; a token that is sent must be right either way. A token alone could have been read by anybody who may read
   * Pods, and an address alone says nothing for a Pod in the network of its node.
   */
  #callerFault({ pod }: ExecutorEntry, peer: string, token: string | undefined): Reply | undefined {
    const own = addressesOf(pod);
    if (own.length === 0) return refused(503, 'The address of the executor is not known yet');
    const isTokenRight = token !== undefined && isTokenOf(pod, token);
    if (token !== undefined && !isTokenRight)
      return refused(401, "The token is not that of this executor's Pod");
    if (own.includes(peer) && pod.spec.hostNetwork !== true) return undefined;
    if (!isTokenRight)
      return refused(
        401,
        "Expecting the token in MESOS_EXECUTOR_AUTHENTICATION_TOKEN, or a call from the Pod's own address",
      );
    const isForeign = this.#options.pods
      .list()
      .some(
        (one) =>
          one.spec.hostNetwork !== true &&
          one.metadata.uid !== pod.metadata.uid &&
          addressesOf(one).includes(peer) &&
          one.status?.phase === 'Running',
      );
    return isForeign ? refused(403, "The call comes from another Pod's address") : undefined;
  }

  async #subscribe(
    entry: ExecutorEntry,
    node: string,
    call: Extract<ExecutorCall, { readonly kind: 'SUBSCRIBE' }>,
  ): Promise<Reply> {
    const { links } = this.#options;
    if (hasExecutorEnded(entry)) return refused(400, 'Executor cannot be found');
    const acknowledged: ExecutorEvent[] = [];
    for (const status of endsLast(call.unacknowledgedUpdates)) {
      const events = await this.#record(entry, status);
      if (events === undefined) return refused(503, AGAIN);
      acknowledged.push(...events);
    }
    const uid = entry.pod.metadata.uid ?? '';
    if (links.subscribed(node, uid, call.unacknowledgedTasks) === undefined)
      return refused(503, 'The agent has no stream to the operator at the moment');
    const unknown = call.unacknowledgedTasks.filter((task) => !entry.view.tasks.has(taskId(task)));
    return {
      status: 200,
      pod: uid,
      events: [
        this.#options.subscribedEvent(entry),
        ...acknowledged,
        ...unknown.map(killEvent),
        ...this.#options.launchesFor(entry),
      ],
    };
  }

  async #update(entry: ExecutorEntry, status: ExecutorStatus): Promise<Reply> {
    const events = await this.#record(entry, status);
    return events === undefined ? refused(503, AGAIN) : taken(events);
  }

  /** Writes an update to the Pod and acknowledges it; undefined when it has to come again later. */
  async #record(
    entry: ExecutorEntry,
    status: ExecutorStatus,
  ): Promise<readonly ExecutorEvent[] | undefined> {
    const task = taskId(status.task_id.value);
    const stored = this.#storedOf(entry, status);
    let isKnown = true;
    const result: EditResult = await this.#options.records.change(entry.pod, (tasks) => {
      const before = tasks.get(task);
      isKnown = before !== undefined;
      if (before === undefined) return true;
      const after = withUpdate(before, stored);
      if (after !== undefined) tasks.set(task, after);
      return after !== undefined;
    });
    if (result !== 'written') return undefined;
    const acknowledged = acknowledgedEvent(task, status.uuid);
    // What nobody knows of shall not run; its end is taken note of and no more.
    return isKnown || TERMINAL_STATES.has(status.state)
      ? [acknowledged]
      : [acknowledged, killEvent(task)];
  }

  #storedOf({ agent, executor }: ExecutorEntry, status: ExecutorStatus): StoredStatus {
    return {
      ...status,
      source: 'SOURCE_EXECUTOR',
      agent_id: { value: agent },
      executor_id: { value: executor },
      timestamp: status.timestamp ?? this.#options.clock.nowMs() / 1000,
    };
  }
}

const addressesOf = ({ status }: Pod): readonly string[] => [
  ...(status?.podIP === undefined ? [] : [status.podIP]),
  ...(status?.podIPs ?? []).map((one) => one.ip),
];

/** Executors keep them in no order; the end of a task must not overtake what came before it. */
const endsLast = (updates: readonly ExecutorStatus[]): readonly ExecutorStatus[] =>
  updates.toSorted(
    (left, right) =>
      Number(TERMINAL_STATES.has(left.state)) - Number(TERMINAL_STATES.has(right.state)) ||
      (left.timestamp ?? 0) - (right.timestamp ?? 0),
  );

const acknowledgedEvent = (task: TaskId, uuid: string): ExecutorEvent => ({
  type: 'ACKNOWLEDGED',
  acknowledged: { task_id: { value: task }, uuid },
});

const killEvent = (task: string): ExecutorEvent => ({
  type: 'KILL',
  kill: { task_id: { value: task } },
});
