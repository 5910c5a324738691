import {
  type AgentId,
  agentId,
  type FrameworkId,
  offerId,
  type RolePath,
  type TaskId,
  taskId,
} from '../../model/ids.ts';
import { ANNOTATION } from '../../model/labels.ts';
import { ok, type Result, refuse } from '../../model/result.ts';
import { type CallOf, refuseMsOf } from '../../schema/mesos/call.ts';
import type { ExecutorInfo, TaskInfo } from '../../schema/mesos/task.ts';
import type { FrameworkObject } from '../../schema/mezzoKinds.ts';
import type { OperationResult } from '../reservation/frameworkReservations.ts';
import type {
  LaunchFailure,
  LaunchRequest,
  Offer,
  OfferOperation,
  OperationVerdict,
  Scheduling,
} from '../scheduling/types.ts';
import {
  droppedForOffers,
  failedLaunch,
  invalidTask,
  type RefusedTask,
  refusedByCycle,
} from './decideLaunch.ts';
import { decideOperations, invalidGroup, type OperationStep, tasksOf } from './decideOperations.ts';
import type { ExecutorLaunches } from './executor/executorLaunches.ts';
import type { OperationStatuses } from './operationStatuses.ts';
import { taskGroupToPod } from './pod/groupToPod.ts';
import type { FetcherConfig } from './pod/podConfig.ts';
import type { PodContext } from './pod/podContext.ts';
import type { OpenPorts, PortBook } from './pod/portBook.ts';
import type { Privileges } from './pod/privileges.ts';
import { type TranslatedTask, taskToPod } from './pod/taskToPod.ts';
import type { FrameworkPlace } from './types.ts';
import { VolumeBook } from './volumeBook.ts';

/** What of a framework its launches need. */
export interface LaunchingFramework {
  readonly place: FrameworkPlace;
  readonly principal: string;
  readonly roles: readonly RolePath[];
  /** It has the SHARED_RESOURCES capability. */
  readonly seesShared: boolean;
  readonly podTemplate: FrameworkObject['spec']['podTemplate'];
  /** What its principal may ask for beyond the restricted Pod; absent: nothing. */
  readonly privileges?: Privileges;
}

export interface LaunchesOptions {
  readonly scheduling: Pick<Scheduling, 'perform' | 'offered' | 'reservations'>;
  readonly defaultImage: string;
  readonly runAsUser: number;
  readonly impersonate: boolean;
  /** Absent: tasks with URIs are refused. */
  readonly fetcher?: FetcherConfig;
  readonly ports: Pick<PortBook, 'open'>;
  /** Whether the framework has a live task of this id. */
  readonly isLive: (framework: FrameworkId, task: TaskId) => boolean;
  readonly onRefused: (
    framework: FrameworkId,
    agent: AgentId | undefined,
    refused: RefusedTask,
  ) => void;
  readonly operations: Pick<OperationStatuses, 'refuse' | 'settle'>;
  /** Plans a task that names an executor of its framework's own. */
  readonly planExecutorTask: ExecutorLaunches['plan'];
}

interface InFlight {
  readonly agent: AgentId;
  /** Tasks that share the Pod; a task on its own is alone in it. */
  readonly together: readonly TaskId[];
  readonly isGroup: boolean;
  /** Set when the framework killed the task before its Pod was seen. */
  kill?: { readonly graceSeconds: number | undefined };
}

/** What an ACCEPT may draw on. */
interface Accepted {
  readonly offer: Offer;
  readonly ports: OpenPorts;
  readonly volumes: VolumeBook;
}

/** One operation as the allocation cycle carries it out, and what its outcome means here. */
interface Performed {
  readonly operation: OfferOperation;
  /** Ids of the tasks of a launch, the one the Pod is known by first. */
  readonly tasks: readonly TaskId[];
  readonly isGroup: boolean;
  /** Id the framework gave the operation. */
  readonly id: string | undefined;
}

/** Reservations under way per framework; more are refused. */
const MAX_RESERVING = 1_000;

/** ACCEPT calls, and tasks between their launch and the first sight of their Pod. */
export class Launches {
  readonly #options: LaunchesOptions;
  readonly #inFlight = new Map<FrameworkId, Map<TaskId, InFlight>>();
  /** Operations with an id whose objects are being written. */
  readonly #reserving = new Map<string, { readonly id: string; readonly agent: AgentId }>();

  constructor(options: LaunchesOptions) {
    this.#options = options;
  }

  accept(framework: LaunchingFramework, body: CallOf<'ACCEPT'>['body']): void {
    const { scheduling } = this.#options;
    const { id } = framework.place;
    const ids = body.offer_ids.map((one) => offerId(one.value));
    const offer = firstOf(ids, (one) => scheduling.offered(id, one));
    const steps = decideOperations(body.operations, {
      isTaken: (task) => this.#isTaken(id, taskId(task)),
      frameworkId: id,
      principal: framework.principal,
      roles: framework.roles,
      seesShared: framework.seesShared,
      offer,
    });
    const ports = this.#options.ports.open(ids);
    const offers = ids.flatMap((one) => scheduling.offered(id, one) ?? []);
    const volumes = new VolumeBook(id, offers, () => scheduling.reservations());
    const accepted = offer === undefined ? undefined : { offer, ports, volumes };
    const settle: (() => void)[] = [];
    const performed: Performed[] = [];
    for (const [index, step] of steps.entries()) {
      // Unique for ever: an offer is accepted once.
      const name = `${ids[0] ?? ''}#${index}`;
      const one = accepted && this.#performed(framework, step, accepted, name);
      if (one?.ok === true) performed.push(one.value);
      else settle.push(() => this.#tell(id, offer, one?.refusal ?? refusalsIn(step)));
    }
    const operations = performed.map((one) => one.operation);
    const outcome = scheduling.perform(id, ids, operations, refuseMsOf(body.filters));
    if (outcome.kind === 'invalidOffers') {
      this.#void(id, body.operations, outcome.message);
      return;
    }
    ports.keep(outcome.agent);
    for (const tell of settle) tell();
    for (const [index, verdict] of outcome.verdicts.entries()) {
      const one = performed[index];
      if (one !== undefined) this.#onVerdict(id, outcome.agent, one, verdict);
    }
  }

  /** The whole call is void: nothing of it happens. */
  #void(id: FrameworkId, operations: CallOf<'ACCEPT'>['body']['operations'], why: string): void {
    for (const task of tasksOf(operations)) {
      const agent = agentId(task.agent_id.value);
      this.#options.onRefused(id, agent, droppedForOffers(task.task_id.value, why));
    }
    for (const { id: operation, type } of operations) {
      if (operation === undefined || type === 'LAUNCH' || type === 'LAUNCH_GROUP') continue;
      const message = `Operation with invalid offers: ${why}`;
      this.#options.operations.refuse(id, operation.value, message);
    }
  }

  /** What the framework is told of a step that is refused before its resources are looked at. */
  #tell(id: FrameworkId, offer: Offer | undefined, refusals: Refusals): void {
    for (const refused of refusals.tasks) this.#options.onRefused(id, offer?.agent, refused);
    if (refusals.operation !== undefined)
      this.#options.operations.refuse(id, refusals.operation.id, refusals.operation.message);
  }

  #onVerdict(id: FrameworkId, agent: AgentId, one: Performed, verdict: OperationVerdict): void {
    const { onRefused, operations } = this.#options;
    switch (verdict.kind) {
      case 'launching':
        for (const task of one.tasks)
          this.#note(id, task, { agent, together: one.tasks, isGroup: one.isGroup });
        return;
      case 'refused':
        for (const task of one.tasks)
          onRefused(id, agent, refusedByCycle({ ...verdict, task }, one.isGroup));
        return;
      case 'reserving':
        if (one.id !== undefined) {
          this.#reserving.set(`${id}\n${verdict.operation}`, { id: one.id, agent });
          operations.settle(id, one.id, { state: 'OPERATION_PENDING', agent });
        }
        return;
      case 'operationRefused':
        if (one.id !== undefined) operations.refuse(id, one.id, verdict.message);
    }
  }

  /** A reservation has become durable, or has failed to. */
  onOperation(framework: FrameworkId, operation: string, result: OperationResult): void {
    const key = `${framework}\n${operation}`;
    const asked = this.#reserving.get(key);
    this.#reserving.delete(key);
    if (asked === undefined) return;
    const { id, agent } = asked;
    this.#options.operations.settle(
      framework,
      id,
      result.kind === 'finished'
        ? { state: 'OPERATION_FINISHED', agent }
        : { state: 'OPERATION_FAILED', agent, message: result.message },
    );
  }

  onLaunchFailed(framework: FrameworkId, task: TaskId, failure: LaunchFailure): void {
    const launch = this.#inFlight.get(framework)?.get(task);
    const { agent, together = [task], isGroup = false } = launch ?? {};
    for (const one of together) {
      this.#forget(framework, one);
      this.#options.onRefused(framework, agent, failedLaunch(one, failure, isGroup));
    }
  }

  /** The task's Pod is there. Returns the kill that came before it. */
  onTaskSeen(framework: FrameworkId, task: TaskId): InFlight['kill'] {
    const kill = this.#inFlight.get(framework)?.get(task)?.kill;
    this.#forget(framework, task);
    return kill;
  }

  /** Remembers a kill of a task whose Pod is not there yet; false when no such task is being launched. */
  kill(framework: FrameworkId, task: TaskId, graceSeconds: number | undefined): boolean {
    const launch = this.#inFlight.get(framework)?.get(task);
    if (launch === undefined) return false;
    launch.kill = { graceSeconds };
    return true;
  }

  agentOf(framework: FrameworkId, task: TaskId): AgentId | undefined {
    return this.#inFlight.get(framework)?.get(task)?.agent;
  }

  tasks(framework: FrameworkId): readonly { readonly task: TaskId; readonly agent: AgentId }[] {
    return [...(this.#inFlight.get(framework) ?? [])].map(([task, { agent }]) => ({ task, agent }));
  }

  #isTaken(id: FrameworkId, task: TaskId): boolean {
    return this.#inFlight.get(id)?.has(task) === true || this.#options.isLive(id, task);
  }

  /** The operation to carry out, or what is wrong with it. */
  #performed(
    framework: LaunchingFramework,
    step: OperationStep,
    accepted: Accepted,
    name: string,
  ): Result<Performed, Refusals> {
    switch (step.kind) {
      case 'task': {
        const context = this.#podContext(framework, accepted);
        const { executor } = step.info;
        if (executor !== undefined)
          return this.#inExecutor(framework, step.info, executor, context);
        const made = taskToPod(step.info, context);
        if (!made.ok) return refusedTasks([invalidTask(step.info.task_id.value, made.refusal)]);
        accepted.ports.claim(made.value.pod);
        return ok(this.#launch(framework, made.value));
      }
      case 'group': {
        const context = this.#podContext(framework, accepted);
        const made = taskGroupToPod(step.tasks, step.executor, context);
        if (!made.ok) return refusedTasks(invalidGroup(step.tasks, made.refusal));
        const group = withExecutor(made.value, step.executor.executor_id.value);
        accepted.ports.claim(group.pod);
        return ok(this.#launch(framework, group, idsOf(step.tasks)));
      }
      case 'volumes':
        accepted.volumes.note(step.asked, name);
        return this.#write(step.id, { ...step.asked, operation: name });
      case 'reservation':
        return this.#write(step.id, { ...step.asked, operation: name });
      case 'refusedTasks':
      case 'refusedOperation':
        return refuse(refusalsIn(step));
    }
  }

  #inExecutor(
    framework: LaunchingFramework,
    info: TaskInfo,
    executor: ExecutorInfo,
    context: PodContext,
  ): Result<Performed, Refusals> {
    const planned = this.#options.planExecutorTask(info, executor, context);
    return planned.ok
      ? ok(this.#launch(framework, planned.value))
      : refusedTasks([planned.refusal]);
  }

  /** An operation that changes objects. */
  #write(id: string | undefined, operation: OfferOperation): Result<Performed, Refusals> {
    return this.#reserving.size >= MAX_RESERVING
      ? refusedOperation(id, 'too many operations are being written; try again')
      : ok({ operation, tasks: [], isGroup: false, id });
  }

  #launch(
    { principal }: LaunchingFramework,
    made: Omit<LaunchRequest, 'impersonate'>,
    group?: readonly TaskId[],
  ): Performed {
    const launch: LaunchRequest = {
      ...made,
      ...(this.#options.impersonate ? { impersonate: principal } : {}),
    };
    return {
      operation: { kind: 'launch', launch },
      tasks: group ?? [made.task],
      isGroup: group !== undefined,
      id: undefined,
    };
  }

  #podContext(
    { place, podTemplate, privileges }: LaunchingFramework,
    { offer, ports, volumes }: Accepted,
  ): PodContext {
    const { defaultImage, runAsUser, fetcher } = this.#options;
    return {
      place,
      role: offer.role,
      podTemplate,
      defaultImage,
      runAsUser,
      offeredPorts: ports.ranges(),
      volumes: volumes.list(),
      ...(fetcher === undefined ? {} : { fetcher }),
      ...(privileges === undefined ? {} : { privileges }),
    };
  }

  #note(framework: FrameworkId, task: TaskId, launch: InFlight): void {
    const tasks = this.#inFlight.get(framework) ?? new Map<TaskId, InFlight>();
    this.#inFlight.set(framework, tasks);
    tasks.set(task, launch);
  }

  #forget(framework: FrameworkId, task: TaskId): void {
    const tasks = this.#inFlight.get(framework);
    tasks?.delete(task);
    if (tasks?.size === 0) this.#inFlight.delete(framework);
  }
}

function firstOf<Id, Found>(
  ids: readonly Id[],
  find: (id: Id) => Found | undefined,
): Found | undefined {
  for (const id of ids) {
    const found = find(id);
    if (found !== undefined) return found;
  }
  return undefined;
}

interface Refusals {
  readonly tasks: readonly RefusedTask[];
  readonly operation: { readonly id: string; readonly message: string } | undefined;
}

const refusedTasks = (tasks: readonly RefusedTask[]): Result<never, Refusals> =>
  refuse({ tasks, operation: undefined });

/** Without an id there is nobody to tell. */
const refusedOperation = (id: string | undefined, message: string): Result<never, Refusals> =>
  refuse({ tasks: [], operation: id === undefined ? undefined : { id, message } });

function refusalsIn(step: OperationStep): Refusals {
  const tasks = step.kind === 'refusedTasks' ? step.refused : [];
  if (step.kind !== 'refusedOperation' || step.id === undefined)
    return { tasks, operation: undefined };
  return { tasks, operation: { id: step.id, message: step.message } };
}

const idsOf = (tasks: readonly TaskInfo[]): readonly TaskId[] =>
  tasks.map((info) => taskId(info.task_id.value));

/** The group's executor is remembered on its Pod: SHUTDOWN names it. */
function withExecutor(made: TranslatedTask, executor: string): TranslatedTask {
  const { metadata } = made.pod;
  const annotations = { ...metadata.annotations, [ANNOTATION.executorId]: executor };
  return { ...made, pod: { ...made.pod, metadata: { ...metadata, annotations } } };
}
