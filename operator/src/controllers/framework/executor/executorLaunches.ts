import { type FrameworkId, type TaskId, taskId } from '../../../model/ids.ts';
import { ok, type Result, refuse } from '../../../model/result.ts';
import type { CancelTimer, Clock } from '../../../ports/clock.ts';
import type { IdSource } from '../../../ports/idSource.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import type { ExecutorInfo, TaskInfo } from '../../../schema/mesos/task.ts';
import type { LaunchFailure, LaunchRequest } from '../../scheduling/types.ts';
import { invalidTask, type RefusedTask } from '../decideLaunch.ts';
import { taskPodName } from '../names.ts';
import type { PodContext } from '../pod/podContext.ts';
import { metadataOf, TASK_CONTAINER } from '../pod/podMetadata.ts';
import { amountsOf, requirementsOf } from '../pod/taskResources.ts';
import { growthFault, reservedOf } from './executorAmounts.ts';
import { type ExecutorEntry, hasExecutorEnded, isExecutorAlive } from './executorEntry.ts';
import { executorTaskFault, mismatchFault } from './executorFaults.ts';
import type { ExecutorLinks } from './executorLinks.ts';
import { executorToPod } from './executorPod.ts';
import { newTask } from './executorRecord.ts';
import type { ExecutorUpdates } from './executorUpdates.ts';
import type { ExecutorWriter } from './executorWriter.ts';

export interface ExecutorLaunchesOptions {
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly links: Pick<ExecutorLinks, 'endpointOf'>;
  readonly updates: Pick<ExecutorUpdates, 'entries'>;
  readonly records: Pick<ExecutorWriter, 'change'>;
}

/** An executor whose Pod is being made. */
interface Starting {
  readonly info: ExecutorInfo;
  /** Its first task. */
  readonly task: TaskId;
  readonly waiting: ((entry: ExecutorEntry | undefined) => void)[];
  cancel: CancelTimer | undefined;
}

/** A Pod that was asked for and is not seen after this time is not coming: its launch has been lost with its reply. */
const STARTING_LIMIT_MS = 120_000;
const GONE: LaunchFailure = {
  reason: 'AgentLost',
  message: 'the executor ended before the task reached it',
};

/** Tasks that name a custom executor: the first makes its Pod, the others join it and the Pod grows. */
export class ExecutorLaunches {
  readonly #options: ExecutorLaunchesOptions;
  readonly #starting = new Map<string, Starting>();

  constructor(options: ExecutorLaunchesOptions) {
    this.#options = options;
  }

  /** What to ask of the allocation cycle for this task, or what its framework is told instead. */
  plan(
    info: TaskInfo,
    executor: ExecutorInfo,
    context: PodContext,
  ): Result<LaunchRequest, RefusedTask> {
    const task = info.task_id.value;
    const { id } = context.place;
    const fault = executorTaskFault(info, executor, id);
    if (fault !== undefined) return refuse(invalidTask(task, fault));
    const key = keyOf(id, executor.executor_id.value, info.agent_id.value);
    const before = this.#podsOf(key);
    const running = before.find((one) => !hasExecutorEnded(one));
    const starting = this.#starting.get(key);
    const other = running?.view.info ?? starting?.info;
    if (other === undefined) return this.#first(info, executor, context, before.length);
    const mismatch =
      mismatchFault(other, executor) ??
      (running === undefined ? undefined : growthFault(info, running.pod));
    if (mismatch !== undefined) return refuse(invalidTask(task, mismatch));
    if (running !== undefined && !isExecutorAlive(running))
      return refuse(dropped(task, 'REASON_EXECUTOR_TERMINATED', 'The executor is terminating'));
    return this.#joining(info, context, () => this.#running(key));
  }

  /** An executor is there. */
  onSeen(entry: ExecutorEntry): void {
    this.#settle(keyOf(entry.framework, entry.executor, entry.agent), entry);
  }

  /** The Pod of this first task will not be made. */
  onRefused(framework: FrameworkId, task: TaskId): void {
    for (const [key, one] of this.#starting)
      if (one.task === task && key.startsWith(`${framework}\u0000`)) this.#settle(key, undefined);
  }

  stop(): void {
    for (const key of this.#starting.keys()) this.#settle(key, undefined);
  }

  #first(
    info: TaskInfo,
    executor: ExecutorInfo,
    context: PodContext,
    generation: number,
  ): Result<LaunchRequest, RefusedTask> {
    const { ids, links } = this.#options;
    const task = info.task_id.value;
    const agent = info.agent_id.value;
    const endpoint = links.endpointOf(agent);
    if (endpoint === undefined) {
      const why = `no agent that serves executors is connected on node '${agent}'; run the agent there with --executor-port`;
      return refuse(dropped(task, 'REASON_AGENT_DISCONNECTED', why));
    }
    const token = `${ids.uuid()}${ids.uuid()}`.replaceAll('-', '');
    const facts = { endpoint, token, generation };
    const made = executorToPod(info, executor, facts, context);
    if (!made.ok) return refuse(invalidTask(task, made.refusal));
    const key = keyOf(context.place.id, executor.executor_id.value, agent);
    const starting: Starting = {
      info: executor,
      task: made.value.task,
      waiting: [],
      cancel: undefined,
    };
    starting.cancel = this.#options.clock.setTimer(STARTING_LIMIT_MS, () => {
      if (this.#starting.get(key) === starting) this.#settle(key, undefined);
    });
    this.#starting.set(key, starting);
    return ok(made.value);
  }

  /** The Pod of the request is never made: it stands in the ledger until the executor's own has grown. */
  #joining(
    info: TaskInfo,
    context: PodContext,
    executor: () => Promise<ExecutorEntry | undefined>,
  ): Result<LaunchRequest, RefusedTask> {
    const task = info.task_id.value;
    const amounts = amountsOf(info);
    if (!amounts.ok) return refuse(invalidTask(task, amounts.refusal));
    const requirements = requirementsOf(info, amounts.value);
    if (!requirements.ok) return refuse(invalidTask(task, requirements.refusal));
    const name = taskPodName(context.place.id, taskId(task));
    const pod: Pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: metadataOf(name, [{ ...info, executor: undefined }], context, amounts.value),
      spec: {
        containers: [{ name: TASK_CONTAINER, image: 'none', resources: requirements.value }],
      },
    };
    const instead = async (placed: Pod): Promise<LaunchFailure | undefined> => {
      const reserved = reservedOf(placed.metadata.annotations);
      const entry = await executor();
      if (entry === undefined || !isExecutorAlive(entry)) return GONE;
      const late = growthFault(info, entry.pod);
      if (late !== undefined) return { reason: 'Invalid', message: late };
      const written = await this.#options.records.change(entry.pod, (tasks) => {
        if (!tasks.has(taskId(task))) tasks.set(taskId(task), newTask(info, reserved));
        return true;
      });
      if (written === 'gone') return GONE;
      if (written === 'written') return undefined;
      const message = 'the executor has as many tasks as can be kept for it; start another one';
      return { reason: 'QuotaExceeded', message };
    };
    return ok({ task: taskId(task), pod, ...amounts.value, instead });
  }

  /** The executor, once its Pod is there. */
  #running(key: string): Promise<ExecutorEntry | undefined> {
    const running = this.#podsOf(key).find((one) => !hasExecutorEnded(one));
    const starting = this.#starting.get(key);
    if (running !== undefined || starting === undefined) return Promise.resolve(running);
    return new Promise((resolve) => {
      starting.waiting.push(resolve);
    });
  }

  #settle(key: string, entry: ExecutorEntry | undefined): void {
    const starting = this.#starting.get(key);
    if (starting === undefined) return;
    this.#starting.delete(key);
    starting.cancel?.();
    for (const resolve of starting.waiting) resolve(entry);
  }

  #podsOf(key: string): readonly ExecutorEntry[] {
    return [...this.#options.updates.entries()].filter(
      (one) => !one.gone && keyOf(one.framework, one.executor, one.agent) === key,
    );
  }
}

const keyOf = (framework: string, executor: string, agent: string): string =>
  [framework, executor, agent].join('\u0000');

const dropped = (task: string, reason: RefusedTask['reason'], message: string): RefusedTask => ({
  task,
  state: 'TASK_DROPPED',
  reason,
  message,
});
