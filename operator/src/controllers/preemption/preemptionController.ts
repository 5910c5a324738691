import { decidePreemption } from '../../allocator/preemption/decidePreemption.ts';
import type { PreemptionPlan } from '../../allocator/preemption/types.ts';
import type { PendingTask } from '../../model/job.ts';
import { ANNOTATION } from '../../model/labels.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Metrics } from '../../ports/metrics.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { formatResources } from '../../schema/quantity.ts';
import { byUrgency, type CapacityHold } from '../job/decideMatch.ts';
import type { JobFramework } from '../job/jobFramework.ts';
import type { SchedulingLoop } from '../scheduling/scheduling.ts';
import { isoTime } from '../shared/conditions.ts';
import type { Recorder } from '../shared/recorder.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import { type TaskView, taskViewOf, timeOf } from '../task/taskView.ts';
import { killTask } from '../task/taskWrites.ts';
import type { World } from '../world.ts';
import { gatherPreemption } from './gatherPreemption.ts';
import {
  claimsOf,
  findJob,
  isOpen,
  type JobObject,
  liveVictims,
  type Preemption,
  withPreempted,
  withRecord,
} from './records.ts';

export interface PreemptionOptions {
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly recorder: Recorder;
  readonly scheduling: SchedulingLoop;
  readonly jobs: JobFramework;
  /** A task must have waited this long; its role may ask for more. */
  readonly delayMs: number;
}

export interface PreemptionController {
  /** Looks whether a waiting task may take the place of others; starts at most a few preemptions. */
  consider(): Promise<void>;
  /** Drives the open preemptions of one job to their end. Keys are job keys. */
  reconcile(jobKey: string): Promise<WorkResult>;
  /** Capacity kept in memory only, after offers were taken back for a task; seconds, not minutes. */
  transientHolds(): readonly CapacityHold[];
}

/** Waiting tasks looked at in one pass; the rest waits for the next. */
const TASKS_PER_PASS = 5;
/** Freed capacity nobody took is given up after this. */
const HOLD_MS = 180_000;
const TRANSIENT_HOLD_MS = 10_000;
const LOOK_MS = 1_000;

export function createPreemptionController(options: PreemptionOptions): PreemptionController {
  let considering = false;
  let transient: { readonly hold: CapacityHold; readonly untilMs: number }[] = [];
  const transientHolds = (): readonly CapacityHold[] => {
    const nowMs = options.clock.monotonicMs();
    transient = transient.filter((one) => one.untilMs > nowMs);
    return transient.map((one) => one.hold);
  };
  return {
    transientHolds,
    async consider() {
      if (considering) return;
      considering = true;
      try {
        let present: ReturnType<typeof presentState> | undefined;
        for (const task of candidates(options, transientHolds())) {
          present ??= presentState(options, transientHolds());
          const plan = decidePreemption(gatherPreemption(task, present.gathered, present));
          if (plan.kind === 'none') continue;
          if (plan.victims.length > 0) await beginPreemption(options, task, plan);
          else {
            transient.push({
              hold: holdFor(task, plan),
              untilMs: options.clock.monotonicMs() + TRANSIENT_HOLD_MS,
            });
            options.scheduling.rescind(plan.rescind);
            options.jobs.nudge(task.group.role);
          }
          present = undefined;
        }
      } finally {
        considering = false;
      }
    },
    reconcile: (jobKey) => drive(options, jobKey),
  };
}

/** What every decision of a pass looks at, until one of them changes it. */
function presentState({ scheduling, world }: PreemptionOptions, held: readonly CapacityHold[]) {
  return {
    gathered: scheduling.snapshot(),
    offers: scheduling.offers(),
    claims: [...claimsOf(world), ...held.map((hold) => ({ hold, victims: [] }))],
  };
}

function holdFor(task: PendingTask, plan: PreemptionPlan): CapacityHold {
  const { role, jobKey, resources } = task.group;
  return { agent: plan.agent, role, jobKey, instance: task.instance, resources };
}

function candidates(
  options: PreemptionOptions,
  held: readonly CapacityHold[],
): readonly PendingTask[] {
  const nowMs = options.clock.nowMs();
  return options.jobs
    .waiting()
    .filter((task) => {
      const role = options.world.roles.list().find((one) => one.spec.path === task.group.role);
      if (role?.spec.preemption?.enabled === false) return false;
      const delayMs = Math.max(options.delayMs, (role?.spec.preemption?.delaySeconds ?? 0) * 1000);
      const open =
        findJob(options.world, task.group.jobKey)?.job.status?.preemptions?.filter(isOpen) ?? [];
      const isUnderWay =
        open.some((record) => record.instance === task.instance) ||
        held.some((one) => one.jobKey === task.group.jobKey && one.instance === task.instance);
      return (
        task.group.tier !== 'revocable' &&
        !isUnderWay &&
        open.length < 5 &&
        nowMs - task.sinceMs >= delayMs
      );
    })
    .toSorted(byUrgency)
    .slice(0, TASKS_PER_PASS);
}

/**
 * Writes the intent before anything is touched. The changed object brings the job into the queue, which drives it; a
 * crash after this is finished by whoever leads next.
 */
async function beginPreemption(
  options: PreemptionOptions,
  task: PendingTask,
  plan: PreemptionPlan,
): Promise<void> {
  const found = findJob(options.world, task.group.jobKey);
  if (found === undefined) return;
  const record = newRecord(options, found.job, task, plan);
  await saveRecord(options, task.group.jobKey, record);
  options.metrics.preemption('Intended');
  options.scheduling.rescind(plan.rescind);
  options.log.info('preemption intended', {
    id: record.id,
    preemptor: record.preemptor,
    agent: record.agent,
    victims: record.victims.map((one) => one.pod),
  });
}

function newRecord(
  options: PreemptionOptions,
  job: JobObject,
  task: PendingTask,
  plan: PreemptionPlan,
): Preemption {
  // Older attempts may have left the list, so their number says nothing.
  const attempts = (job.status?.preemptions ?? [])
    .filter((one) => one.id.startsWith(`${task.podName}.`))
    .map((one) => Number(one.id.slice(task.podName.length + 1)) || 0);
  const nowMs = options.clock.nowMs();
  const graceMs = Math.max(0, ...plan.victims.map((victim) => graceOf(options, victim.podKey)));
  return {
    id: `${task.podName}.${Math.max(0, ...attempts) + 1}`,
    phase: 'Intended',
    preemptor: task.group.jobKey,
    instance: task.instance,
    rule: plan.rule ?? 'TierAboveVictims',
    agent: plan.agent,
    victims: plan.victims.map((victim) => ({
      pod: victim.podKey,
      uid: victim.uid,
      job: victim.jobKey,
      role: victim.role,
    })),
    resources: formatResources(task.group.resources),
    graceDeadline: isoTime(nowMs + graceMs),
    startedAt: isoTime(nowMs),
    shareBefore: shareOf(options, task.group.role),
    message: `${plan.victims.length} task(s) on ${plan.agent} make room for instance ${task.instance}`,
  };
}

function graceOf(options: PreemptionOptions, podKey: string): number {
  const [namespace = '', name = ''] = podKey.split('/');
  const pod = options.world.pods.get({ namespace, name });
  return (pod?.spec.terminationGracePeriodSeconds ?? 30) * 1000;
}

function shareOf(options: PreemptionOptions, role: string): string {
  const share = options.scheduling.lastPlan()?.shares.find((one) => one.role === role);
  return `${((share?.dominantSharePpm ?? 0) / 10_000).toFixed(1)}%`;
}

async function drive(options: PreemptionOptions, jobKey: string): Promise<WorkResult> {
  const open = (findJob(options.world, jobKey)?.job.status?.preemptions ?? []).filter(isOpen);
  for (const record of open) {
    const next = await advance(options, jobKey, record);
    if (next.phase !== record.phase) {
      await saveRecord(options, jobKey, next);
      tell(options, jobKey, next);
    }
    if (next.phase === 'Held')
      options.jobs.nudge(
        findJob(options.world, jobKey)?.job.spec.role as Parameters<JobFramework['nudge']>[0],
      );
  }
  return open.length === 0 ? { kind: 'awaitChange' } : { kind: 'requeueAfter', delayMs: LOOK_MS };
}

async function advance(
  options: PreemptionOptions,
  jobKey: string,
  record: Preemption,
): Promise<Preemption> {
  const nowMs = options.clock.nowMs();
  const finished = (phase: 'Completed' | 'Abandoned', message: string): Preemption => ({
    ...record,
    phase,
    finishedAt: isoTime(nowMs),
    message,
    ...(phase === 'Completed'
      ? { shareAfter: shareOf(options, findJob(options.world, jobKey)?.job.spec.role ?? '') }
      : {}),
  });
  const job = findJob(options.world, jobKey)?.job;
  const placed = liveInstance(options.world, job, record.instance);
  if (placed !== undefined)
    return finished('Completed', `instance ${record.instance} was placed on ${placed.agent}`);
  if (job === undefined || !isWanted(job, record.instance))
    return finished('Abandoned', `instance ${record.instance} is not wanted any more`);
  // Victims have their grace; only then does the time begin in which the place may be taken.
  const freeAtMs = Math.max(timeOf(record.startedAt) ?? 0, timeOf(record.graceDeadline) ?? 0);
  if (nowMs - freeAtMs > HOLD_MS) {
    return finished(
      'Abandoned',
      `instance ${record.instance} was not placed within ${HOLD_MS / 1000} s of the victims' grace; the capacity is offered to all again`,
    );
  }
  const running = liveVictims(options.world, record);
  if (running.length === 0) return { ...record, phase: 'Held' };
  for (const task of running) if (!task.deleting) await evict(options, jobKey, record, task);
  return { ...record, phase: 'Evicting' };
}

/** False when the job was scaled down, is being deleted, or has ended: nobody else may be stopped for it. */
function isWanted(job: JobObject, instance: number): boolean {
  const hasEnded = job.status !== undefined && 'result' in job.status;
  return (
    job.metadata.deletionTimestamp === undefined &&
    !hasEnded &&
    instance < (job.spec.instances ?? 1)
  );
}

/** The victim is told of first (its job's status and an event), then stopped; while a budget protects it nothing is said. */
async function evict(
  options: PreemptionOptions,
  jobKey: string,
  record: Preemption,
  task: TaskView,
): Promise<void> {
  const why = `preempted by ${jobKey} (${record.rule}, record ${record.id})`;
  const outcome = await killTask(options.kube, task, {
    intent: 'preempt',
    nowMs: options.clock.nowMs(),
    why,
    annotations: { [ANNOTATION.preemptedBy]: record.id },
    onAllowed: () => tellVictim(options, { jobKey, record, task, why }),
  });
  const preemptor = findJob(options.world, jobKey)?.job;
  if (outcome.kind === 'blocked' && preemptor !== undefined)
    options.recorder.event(
      preemptor,
      'Warning',
      'PreemptionBlocked',
      `${task.key} on ${task.agent} cannot make room yet: ${outcome.message}`,
    );
}

async function tellVictim(
  options: PreemptionOptions,
  of: {
    readonly jobKey: string;
    readonly record: Preemption;
    readonly task: TaskView;
    readonly why: string;
  },
): Promise<void> {
  const { task, record } = of;
  const found = task.jobKey === undefined ? undefined : findJob(options.world, task.jobKey);
  if (found === undefined) return;
  const preempted = withPreempted(found.job.status?.preempted, {
    id: record.id,
    pod: task.key,
    by: of.jobKey,
    rule: record.rule,
    at: isoTime(options.clock.nowMs()),
  });
  await writeStatus<JobObject>(options.kube, found.ref, found.job, {
    ...found.job.status,
    preempted,
  });
  options.recorder.event(
    found.job,
    'Warning',
    'TaskPreempted',
    `instance ${task.instance} on ${task.agent} ${of.why}`,
  );
}

function liveInstance(
  world: World,
  job: JobObject | undefined,
  instance: number,
): TaskView | undefined {
  return world.pods
    .byIndex('jobUid', job?.metadata.uid ?? '')
    .map(taskViewOf)
    .find((task) => task.instance === instance && !task.terminal);
}

async function saveRecord(
  options: PreemptionOptions,
  jobKey: string,
  record: Preemption,
): Promise<void> {
  const found = findJob(options.world, jobKey);
  if (found === undefined) return;
  const preemptions = withRecord(found.job.status?.preemptions, record);
  await writeStatus<JobObject>(options.kube, found.ref, found.job, {
    ...found.job.status,
    preemptions,
  });
}

function tell(options: PreemptionOptions, jobKey: string, record: Preemption): void {
  const job = findJob(options.world, jobKey)?.job;
  if (job === undefined) return;
  const pods = record.victims.map((victim) => victim.pod).join(', ');
  switch (record.phase) {
    case 'Evicting':
      options.recorder.event(
        job,
        'Normal',
        'PreemptionStarted',
        `${pods} on ${record.agent} make room for instance ${record.instance} (${record.rule})`,
      );
      break;
    case 'Completed':
    case 'Abandoned':
      options.metrics.preemption(record.phase);
      options.recorder.event(
        job,
        record.phase === 'Completed' ? 'Normal' : 'Warning',
        `Preemption${record.phase}`,
        record.message ?? '',
      );
      break;
    case 'Intended':
    case 'Held':
      break;
  }
}
