import { type AgentId, agentId, type FrameworkId, offerId, type TaskId } from '../../model/ids.ts';
import type { CallOf } from '../../schema/mesos/call.ts';
import { refuseMsOf } from '../../schema/mesos/call.ts';
import type { OfferOperation } from '../../schema/mesos/operation.ts';
import type { TaskInfo } from '../../schema/mesos/task.ts';
import type { FrameworkObject } from '../../schema/mezzoKinds.ts';
import type { LaunchFailure, LaunchRequest, Offer, Scheduling } from '../scheduling/types.ts';
import {
  decideOperations,
  droppedForOffers,
  failedLaunch,
  invalidTask,
  type RefusedTask,
  refusedByCycle,
} from './decideLaunch.ts';
import type { FetcherConfig } from './pod/podContext.ts';
import type { OpenPorts, PortBook } from './pod/portBook.ts';
import { taskToPod } from './pod/taskToPod.ts';
import type { FrameworkPlace } from './types.ts';

/** What of a framework its launches need. */
export interface LaunchingFramework {
  readonly place: FrameworkPlace;
  readonly principal: string;
  readonly podTemplate: FrameworkObject['spec']['podTemplate'];
}

export interface LaunchesOptions {
  readonly scheduling: Pick<Scheduling, 'accept' | 'outstanding'>;
  readonly defaultImage: string;
  readonly runAsUser: number;
  readonly impersonate: boolean;
  readonly fetcher?: FetcherConfig;
  readonly ports: PortBook;
  /** Ids of the framework's live tasks. */
  readonly liveTasks: (framework: FrameworkId) => readonly TaskId[];
  readonly onRefused: (
    framework: FrameworkId,
    agent: AgentId | undefined,
    refused: RefusedTask,
  ) => void;
  readonly onOperationFailed: (framework: FrameworkId, id: string, message: string) => void;
}

interface InFlight {
  readonly agent: AgentId;
  /** Set when the framework killed the task before its Pod was seen. */
  kill?: { readonly graceSeconds: number | undefined };
}

/** ACCEPT calls, and tasks between their launch and the first sight of their Pod. */
export class Launches {
  readonly #options: LaunchesOptions;
  readonly #inFlight = new Map<FrameworkId, Map<TaskId, InFlight>>();

  constructor(options: LaunchesOptions) {
    this.#options = options;
  }

  accept(framework: LaunchingFramework, body: CallOf<'ACCEPT'>['body']): void {
    const { scheduling, onRefused, onOperationFailed } = this.#options;
    const { id } = framework.place;
    const ids = body.offer_ids.map((one) => offerId(one.value));
    const offer = scheduling.outstanding(id).find((one) => ids.includes(one.id));
    const ports = this.#options.ports.open(ids);
    const plan = this.#plan(framework, body.operations, offer, ports);
    const outcome = scheduling.accept(id, ids, plan.requests, refuseMsOf(body.filters));
    for (const operation of plan.failedOperations)
      onOperationFailed(id, operation.id, operation.message);
    if (outcome.kind === 'invalidOffers') {
      for (const task of tasksOf(body.operations))
        onRefused(
          id,
          agentId(task.agent_id.value),
          droppedForOffers(task.task_id.value, outcome.message),
        );
      return;
    }
    ports.keep(outcome.agent);
    for (const refused of plan.refused) onRefused(id, outcome.agent, refused);
    for (const verdict of outcome.launches) {
      if (verdict.kind === 'refused') onRefused(id, outcome.agent, refusedByCycle(verdict));
      else this.#note(id, verdict.task, verdict.agent);
    }
  }

  onLaunchFailed(framework: FrameworkId, task: TaskId, failure: LaunchFailure): void {
    const agent = this.#inFlight.get(framework)?.get(task)?.agent;
    this.#forget(framework, task);
    this.#options.onRefused(framework, agent, failedLaunch(task, failure));
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

  #plan(
    framework: LaunchingFramework,
    operations: readonly OfferOperation[],
    offer: Offer | undefined,
    ports: OpenPorts,
  ): {
    readonly requests: readonly LaunchRequest[];
    readonly refused: readonly RefusedTask[];
    readonly failedOperations: readonly { readonly id: string; readonly message: string }[];
  } {
    const { id } = framework.place;
    const taken = new Set<string>(this.#options.liveTasks(id));
    for (const task of this.#inFlight.get(id)?.keys() ?? []) taken.add(task);
    const plan = decideOperations(operations, taken);
    // Without a valid offer the allocation cycle will void the call: nothing needs to be built.
    if (offer === undefined) return { ...plan, requests: [] };
    const refused = [...plan.refused];
    const requests: LaunchRequest[] = [];
    for (const info of plan.launch) {
      const request = this.#request(framework, info, offer, ports);
      if (typeof request === 'string') refused.push(invalidTask(info.task_id.value, request));
      else requests.push(request);
    }
    return { requests, refused, failedOperations: plan.failedOperations };
  }

  #request(
    framework: LaunchingFramework,
    info: TaskInfo,
    offer: Offer,
    ports: OpenPorts,
  ): LaunchRequest | string {
    if (info.agent_id.value !== offer.agent)
      return `Task uses invalid agent '${info.agent_id.value}' while agent '${offer.agent}' is expected`;
    const { defaultImage, runAsUser, impersonate, fetcher } = this.#options;
    const translated = taskToPod(info, {
      place: framework.place,
      role: offer.role,
      podTemplate: framework.podTemplate,
      defaultImage,
      runAsUser,
      offeredPorts: ports.ranges(),
      ...(fetcher === undefined ? {} : { fetcher }),
    });
    if (!translated.ok) return translated.refusal;
    ports.claim(translated.value.pod);
    return { ...translated.value, ...(impersonate ? { impersonate: framework.principal } : {}) };
  }

  #note(framework: FrameworkId, task: TaskId, agent: AgentId): void {
    const tasks = this.#inFlight.get(framework) ?? new Map<TaskId, InFlight>();
    this.#inFlight.set(framework, tasks);
    tasks.set(task, { agent });
  }

  #forget(framework: FrameworkId, task: TaskId): void {
    const tasks = this.#inFlight.get(framework);
    tasks?.delete(task);
    if (tasks?.size === 0) this.#inFlight.delete(framework);
  }
}

function tasksOf(operations: readonly OfferOperation[]): TaskInfo[] {
  return operations.flatMap((one) => [
    ...(one.launch?.task_infos ?? []),
    ...(one.launch_group?.task_group?.tasks ?? []),
  ]);
}
