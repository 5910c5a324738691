import {
  type AgentId,
  agentId,
  JOBS_FRAMEWORK,
  type OfferId,
  type RolePath,
  taskId,
} from '../../model/ids.ts';
import type { PendingTask } from '../../model/job.ts';
import type { CancelTimer, Clock } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { attributesOf } from '../scheduling/agents.ts';
import type {
  FrameworkCallbacks,
  LaunchFailure,
  LaunchRequest,
  Offer,
  Scheduling,
} from '../scheduling/types.ts';
import { taskViewOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { type CapacityHold, decideMatch, type Placement } from './decideMatch.ts';
import type { JobFault } from './types.ts';

export interface Demand {
  readonly task: PendingTask;
  readonly notBeforeMs: number | undefined;
  /** A changed template is tried at once, whatever became of the former. */
  readonly templateHash: string;
  /** The Pod of the task, complete but for its node. */
  readonly buildPod: () => Pod;
}

/** Mezzo's own job scheduler, seen from its controllers. It meets the allocation cycle as any framework does. */
export interface JobFramework {
  /** Replaces what one job waits for; an empty list ends its demand. */
  setDemand(jobKey: string, demand: readonly Demand[]): void;
  /** Tasks that may start now and have found no place yet, most urgent first. */
  waiting(): readonly PendingTask[];
  /** Why the API server refused the job's last Pod; undefined when it did not. */
  rejectionOf(jobKey: string): JobFault | undefined;
  /** Makes the next cycle offer to these roles again (capacity was freed for one of their tasks). */
  nudge(role: RolePath): void;
}

export interface JobFrameworkOptions {
  readonly scheduling: Scheduling;
  readonly world: World;
  readonly clock: Clock;
  readonly log: Logger;
  readonly holds: () => readonly CapacityHold[];
  /** Called when a job's rejection changed, so that its condition is written. */
  readonly onRejection: (jobKey: string) => void;
  /** Called after offers were matched and tasks are left over. */
  readonly onUnplaced: () => void;
}

/** Leftovers are refused briefly: new demand revives, and more on the same agent is offered anyway. */
const REFUSE_MS = 5_000;
const REJECTION_BASE_MS = 2_000;
const REJECTION_MAX_MS = 120_000;

interface Rejection extends JobFault {
  readonly jobKey: string;
  readonly count: number;
  readonly untilMs: number;
}

export function createJobFramework(options: JobFrameworkOptions): JobFramework {
  return new JobScheduler(options);
}

class JobScheduler implements JobFramework, FrameworkCallbacks {
  readonly #options: JobFrameworkOptions;
  readonly #demand = new Map<string, readonly Demand[]>();
  /** Accepted, and its outcome not known yet. By `taskKey`. */
  readonly #launching = new Set<string>();
  readonly #rejections = new Map<string, Rejection>();
  #inbox: Offer[] = [];
  #drainPlanned = false;
  #roles: readonly RolePath[] = [];
  #wake: CancelTimer | undefined;

  constructor(options: JobFrameworkOptions) {
    this.#options = options;
  }

  setDemand(jobKey: string, demand: readonly Demand[]): void {
    const before = this.#demand.get(jobKey);
    if (before === undefined && demand.length === 0) return;
    if (demand.length === 0) this.#demand.delete(jobKey);
    else this.#demand.set(jobKey, demand);
    this.#forgetRejections(jobKey, before ?? [], demand);
    if (before === undefined || !sameDemand(before, demand)) this.#announce(demand);
    this.#planWake();
  }

  waiting(): readonly PendingTask[] {
    return this.#ready().map((one) => one.task);
  }

  rejectionOf(jobKey: string): JobFault | undefined {
    return [...this.#rejections.values()].find((one) => one.jobKey === jobKey);
  }

  nudge(role: RolePath): void {
    if (this.#roles.includes(role)) this.#options.scheduling.revive(JOBS_FRAMEWORK, [role]);
  }

  onOffers(offers: readonly Offer[]): void {
    this.#inbox.push(...offers);
    if (this.#drainPlanned) return;
    this.#drainPlanned = true;
    // Answering inside the callback would change the book the cycle is walking.
    void Promise.resolve().then(() => this.#answer());
  }

  onRescind(offer: OfferId): void {
    this.#inbox = this.#inbox.filter((one) => one.id !== offer);
  }

  /** From here on the cache says whether the Pod is there. */
  onLaunched(task: string): void {
    this.#launching.delete(task);
    this.#rejections.delete(task);
  }

  onLaunchFailed(task: string, failure: LaunchFailure): void {
    this.#launching.delete(task);
    const demand = [...this.#demand.values()].flat().find((one) => taskKey(one.task) === task);
    if (demand === undefined) return;
    const count = (this.#rejections.get(task)?.count ?? 0) + 1;
    const waitMs = Math.min(REJECTION_BASE_MS * 2 ** (count - 1), REJECTION_MAX_MS);
    const untilMs = this.#options.clock.nowMs() + waitMs;
    const jobKey = demand.task.group.jobKey;
    const reason = `Pod${failure.reason}`;
    this.#rejections.set(task, { jobKey, count, untilMs, reason, message: failure.message });
    this.#options.log.warn('task Pod refused', {
      job: jobKey,
      pod: demand.task.podName,
      reason,
      message: failure.message,
    });
    this.#options.onRejection(jobKey);
    this.#planWake();
  }

  #answer(): void {
    this.#drainPlanned = false;
    const offers = this.#inbox;
    this.#inbox = [];
    if (offers.length === 0) return;
    const placements = decideMatch({
      offers,
      pending: this.#ready().map((one) => one.task),
      holds: this.#options.holds(),
      attributesOf: (agent) => this.#attributes(agent),
      agentsOfJob: (jobUid) => this.#agentsOf(jobUid),
      tiers: this.#options.scheduling.tierMeter?.(),
    });
    for (const offer of offers)
      this.#take(
        offer,
        placements.filter((one) => one.offer === offer.id),
      );
    if (this.#ready().length > 0) this.#options.onUnplaced();
    this.#suppressIdle();
  }

  #take(offer: Offer, placements: readonly Placement[]): void {
    const launches = placements.flatMap((one) => this.#launchRequest(one));
    if (launches.length === 0) {
      this.#options.scheduling.decline(JOBS_FRAMEWORK, [offer.id], REFUSE_MS);
      return;
    }
    const outcome = this.#options.scheduling.accept(
      JOBS_FRAMEWORK,
      [offer.id],
      launches,
      REFUSE_MS,
    );
    if (outcome.kind === 'invalidOffers') return;
    for (const verdict of outcome.launches) {
      if (verdict.kind === 'launching') this.#launching.add(verdict.task);
    }
  }

  #launchRequest({ task }: Placement): readonly LaunchRequest[] {
    const demand = this.#demand
      .get(task.group.jobKey)
      ?.find((one) => one.task.podName === task.podName);
    if (demand === undefined) return [];
    const { resources, revocable } = task.group;
    return [{ task: taskId(taskKey(task)), resources, revocable, pod: demand.buildPod() }];
  }

  #ready(): readonly Demand[] {
    const nowMs = this.#options.clock.nowMs();
    return [...this.#demand.values()].flat().filter((one) => {
      const key = taskKey(one.task);
      if (this.#exists(one.task) || this.#launching.has(key)) return false;
      return (one.notBeforeMs ?? 0) <= nowMs && (this.#rejections.get(key)?.untilMs ?? 0) <= nowMs;
    });
  }

  /** A launch is over once its Pod is in the cache; then the job's controller decides anew. */
  #exists(task: PendingTask): boolean {
    const namespace = task.group.jobKey.split('/')[1] ?? '';
    if (this.#options.world.pods.get({ name: task.podName, namespace }) === undefined) return false;
    this.#launching.delete(taskKey(task));
    this.#rejections.delete(taskKey(task));
    return true;
  }

  /** New demand: offers for these roles are wanted at once. */
  #announce(demand: readonly Demand[]): void {
    const wanted = this.#wantedRoles();
    const isNew = wanted.some((role) => !this.#roles.includes(role));
    if (isNew) {
      this.#roles = [...new Set([...this.#roles, ...wanted])].toSorted();
      const registration = {
        id: JOBS_FRAMEWORK,
        roles: this.#roles,
        suppressedRoles: this.#roles.filter((role) => !wanted.includes(role)),
        capabilities: { revocable: true, gpu: true },
      };
      if (this.#roles.length === wanted.length)
        this.#options.scheduling.register(registration, this);
      else this.#options.scheduling.update(registration);
    }
    for (const role of new Set(demand.map((one) => one.task.group.role))) this.nudge(role);
  }

  #suppressIdle(): void {
    const wanted = new Set(this.#wantedRoles());
    const idle = this.#roles.filter((role) => !wanted.has(role));
    if (idle.length > 0) this.#options.scheduling.suppress(JOBS_FRAMEWORK, idle);
  }

  #wantedRoles(): readonly RolePath[] {
    return [...new Set([...this.#demand.values()].flat().map((one) => one.task.group.role))];
  }

  /** Throttled and refused tasks come due without any other event. */
  #planWake(): void {
    this.#wake?.();
    const nowMs = this.#options.clock.nowMs();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const one of [...this.#demand.values()].flat()) {
      const dueMs = Math.max(
        one.notBeforeMs ?? 0,
        this.#rejections.get(taskKey(one.task))?.untilMs ?? 0,
      );
      if (dueMs > nowMs) nextMs = Math.min(nextMs, dueMs);
    }
    if (nextMs === Number.POSITIVE_INFINITY) return;
    this.#wake = this.#options.clock.setTimer(nextMs - nowMs, () => {
      for (const role of this.#wantedRoles()) this.nudge(role);
      this.#planWake();
    });
  }

  /** A refusal is over when its task is not wanted any more, or is another than it was. */
  #forgetRejections(jobKey: string, before: readonly Demand[], demand: readonly Demand[]): void {
    const former = new Map(before.map((one) => [taskKey(one.task), one.templateHash]));
    const same = new Set(
      demand
        .filter((one) => former.get(taskKey(one.task)) === one.templateHash)
        .map((one) => taskKey(one.task)),
    );
    for (const [task, rejection] of this.#rejections) {
      if (rejection.jobKey === jobKey && !same.has(task)) this.#rejections.delete(task);
    }
  }

  #attributes(agent: AgentId): Readonly<Record<string, string>> {
    const node = this.#options.world.nodes.get({ name: agent });
    return node === undefined
      ? {}
      : attributesOf(node, this.#options.world.agents.get({ name: agent }));
  }

  #agentsOf(jobUid: string): readonly AgentId[] {
    return this.#options.world.pods
      .byIndex('jobUid', jobUid)
      .map(taskViewOf)
      .filter((task) => !task.terminal)
      .map((task) => agentId(task.agent));
  }
}

const taskKey = (task: PendingTask): string => `${task.group.jobKey}#${task.podName}`;

function sameDemand(left: readonly Demand[], right: readonly Demand[]): boolean {
  if (left.length !== right.length) return false;
  const textOf = (one: Demand): string =>
    `${one.task.podName} ${one.notBeforeMs ?? 0} ${one.templateHash}`;
  const known = new Set(left.map(textOf));
  return right.every((one) => known.has(textOf(one)));
}
