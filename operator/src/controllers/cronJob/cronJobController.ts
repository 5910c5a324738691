import { jobKeyOf } from '../../model/job.ts';
import { LABEL } from '../../model/labels.ts';
import type { Clock } from '../../ports/clock.ts';
import { isKubeError, type KubeApi } from '../../ports/kubeApi.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import {
  ADHOC_JOBS,
  type AdhocJobObject,
  API_VERSION,
  CRON_JOBS,
  type CronJobObject,
} from '../../schema/mezzoKinds.ts';
import {
  type ActiveRun,
  type CollisionPolicy,
  type CronDecision,
  type CronInput,
  decideCronRuns,
} from '../../state/cron.ts';
import { type ConditionValue, isoTime, withCondition } from '../shared/conditions.ts';
import type { Recorder } from '../shared/recorder.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import { taskViewOf, timeOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { type NextRun, parseSchedule } from './nextRun.ts';

export interface CronJobOptions {
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly recorder: Recorder;
}

type Spec = CronJobObject['spec'];
type Status = NonNullable<CronJobObject['status']>;

const COLLISIONS = {
  CancelNew: 'CANCEL_NEW',
  KillExisting: 'KILL_EXISTING',
  Allow: 'ALLOW',
} as const satisfies Record<NonNullable<Spec['collisionPolicy']>, CollisionPolicy>;

/** A run that waits for another to end is looked at this often. */
const WAITING_LOOK_MS = 1_000;
/** No timer is longer: the clock may step, and daylight saving moves targets. */
const LONGEST_SLEEP_MS = 10 * 60_000;

/** Starts the runs of CronJobs. Keys are `namespace/name`. */
export function createCronJobController(options: CronJobOptions): {
  reconcile(key: string): Promise<WorkResult>;
} {
  return {
    async reconcile(key) {
      const [namespace = '', name = ''] = key.split('/');
      const cron = options.world.cronJobs.get({ namespace, name });
      if (cron === undefined || cron.metadata.deletionTimestamp !== undefined)
        return { kind: 'awaitChange' };
      const schedule = parseSchedule(cron.spec.schedule, cron.spec.timeZone ?? 'Etc/UTC');
      if (schedule.ok) return await runCron(options, cron, schedule.value);
      const condition = {
        type: 'Ready',
        status: 'False',
        reason: 'InvalidSchedule',
        message: schedule.refusal,
      } as const;
      await writeStatus<CronJobObject>(
        options.kube,
        CRON_JOBS,
        cron,
        statusOf(options, cron, condition, {}),
      );
      return { kind: 'awaitChange' };
    },
  };
}

async function runCron(
  options: CronJobOptions,
  cron: CronJobObject,
  nextAfter: NextRun,
): Promise<WorkResult> {
  const nowMs = options.clock.nowMs();
  const runs = runsOf(options.world, cron);
  const active = activeRuns(options.world, cron, runs);
  const decision = decideCronRuns(cronInput(cron, active, nextAfter, nowMs));
  // The name of a run is made of its target: creating it first and recording it after can start nothing twice.
  for (const target of decision.start) await startRun(options, cron, target);
  for (const id of decision.kill)
    await deleteRun(
      options,
      runs.find((run) => run.metadata.name === id),
    );
  await writeStatus<CronJobObject>(
    options.kube,
    CRON_JOBS,
    cron,
    decidedStatus(options, cron, { decision, ending: active.filter((run) => run.ending) }),
  );
  if (decision.cancelled > 0) {
    options.recorder.event(
      cron,
      'Warning',
      'CronSkippedCollision',
      `${decision.cancelled} run(s) not started: an earlier run is still active (spec.collisionPolicy CancelNew)`,
    );
  }
  if (decision.missed > 0) {
    options.recorder.event(
      cron,
      'Warning',
      'CronMissed',
      `${decision.missed} scheduled start(s) were missed`,
    );
  }
  await trimHistory(options, cron, runs);
  const untilMs =
    decision.waitingMs === undefined
      ? (decision.nextMs ?? nowMs + LONGEST_SLEEP_MS) - nowMs
      : WAITING_LOOK_MS;
  return { kind: 'requeueAfter', delayMs: Math.min(Math.max(untilMs, 1), LONGEST_SLEEP_MS) };
}

/**
 * Runs that have not ended. A deleted run's object goes at once and its Pods take their time: until the last of them has
 * ended the run counts, or a run that replaces it would start beside it.
 */
function activeRuns(
  world: World,
  cron: CronJobObject,
  runs: readonly AdhocJobObject[],
): readonly ActiveRun[] {
  const namespace = cron.metadata.namespace ?? '';
  const known = new Set(runs.map((run) => run.metadata.name));
  const ending = (cron.status?.active ?? []).filter(
    (name) =>
      !known.has(name) &&
      world.pods
        .byIndex('job', jobKeyOf('AdhocJob', namespace, name))
        .some((pod) => !taskViewOf(pod).terminal),
  );
  return [
    ...runs
      .filter((run) => run.status?.result === undefined)
      .map((run) => ({
        id: run.metadata.name,
        scheduledMs: targetOf(run),
        ending: run.metadata.deletionTimestamp !== undefined,
      })),
    ...ending.map((name) => ({
      id: name,
      scheduledMs: Number(name.slice(name.lastIndexOf('-') + 1)) * MINUTE_MS || 0,
      ending: true,
    })),
  ];
}

const MINUTE_MS = 60_000;

function cronInput(
  cron: CronJobObject,
  active: readonly ActiveRun[],
  nextAfter: NextRun,
  nowMs: number,
): CronInput {
  const { spec, status } = cron;
  const waitingMs = timeOf(status?.waitingScheduleTime);
  const catchUp = spec.catchUp ?? 'Latest';
  return {
    nextAfter,
    lastScheduleMs:
      timeOf(status?.lastScheduleTime) ?? timeOf(cron.metadata.creationTimestamp) ?? nowMs,
    ...(waitingMs === undefined ? {} : { waitingMs }),
    nowMs,
    ...(spec.startingDeadlineSeconds === undefined
      ? {}
      : { startingDeadlineMs: spec.startingDeadlineSeconds * 1000 }),
    collision: COLLISIONS[spec.collisionPolicy ?? 'CancelNew'],
    catchUp:
      catchUp === 'All'
        ? { kind: 'all', most: spec.maxCatchUpRuns ?? 10 }
        : { kind: catchUp === 'Skip' ? 'skip' : 'latest' },
    activeRuns: active,
    suspended: spec.suspend === true,
  };
}

function runsOf(world: World, cron: CronJobObject): readonly AdhocJobObject[] {
  return world.adhocJobs
    .list()
    .filter((job) =>
      job.metadata.ownerReferences?.some((owner) => owner.uid === cron.metadata.uid),
    );
}

const SCHEDULED_AT = 'mezzo.dev/scheduled-at';

const targetOf = (run: AdhocJobObject): number =>
  timeOf(run.metadata.annotations?.[SCHEDULED_AT]) ?? 0;

async function startRun(
  options: CronJobOptions,
  cron: CronJobObject,
  targetMs: number,
): Promise<void> {
  const name = `${cron.metadata.name}-${Math.floor(targetMs / MINUTE_MS)}`;
  const run: AdhocJobObject = {
    apiVersion: API_VERSION,
    kind: 'AdhocJob',
    metadata: {
      name,
      ...(cron.metadata.namespace === undefined ? {} : { namespace: cron.metadata.namespace }),
      labels: { ...cron.spec.jobTemplate.labels, [LABEL.cronJob]: cron.metadata.name },
      annotations: { [SCHEDULED_AT]: isoTime(targetMs) },
      ownerReferences: [
        {
          apiVersion: API_VERSION,
          kind: 'CronJob',
          name: cron.metadata.name,
          uid: cron.metadata.uid ?? '',
          controller: true,
          blockOwnerDeletion: false,
        },
      ],
    },
    spec: cron.spec.jobTemplate.spec,
  };
  try {
    await options.kube.create<AdhocJobObject>(ADHOC_JOBS, run);
    options.recorder.event(
      cron,
      'Normal',
      'RunStarted',
      `started ${name} for ${isoTime(targetMs)}`,
    );
  } catch (error) {
    if (!isKubeError(error, 'alreadyExists')) throw error;
  }
}

async function deleteRun(options: CronJobOptions, run: AdhocJobObject | undefined): Promise<void> {
  if (run === undefined) return;
  const { name, namespace, uid } = run.metadata;
  try {
    await options.kube.delete(
      ADHOC_JOBS,
      { name, ...(namespace === undefined ? {} : { namespace }) },
      { ...(uid === undefined ? {} : { uid }), propagationPolicy: 'Background' },
    );
  } catch (error) {
    if (!isKubeError(error, 'notFound', 'conflict')) throw error;
  }
}

/** Ended runs beyond the history limits go, the oldest first. */
async function trimHistory(
  options: CronJobOptions,
  cron: CronJobObject,
  runs: readonly AdhocJobObject[],
): Promise<void> {
  const limits = cron.spec.historyLimits;
  for (const [result, limit] of [
    ['Succeeded', limits?.succeeded ?? 3],
    ['Failed', limits?.failed ?? 3],
  ] as const) {
    const ended = runs
      .filter(
        (run) => run.status?.result === result && run.metadata.deletionTimestamp === undefined,
      )
      .toSorted((left, right) => targetOf(right) - targetOf(left));
    for (const run of ended.slice(limit)) await deleteRun(options, run);
  }
}

function decidedStatus(
  options: CronJobOptions,
  cron: CronJobObject,
  { decision, ending }: { readonly decision: CronDecision; readonly ending: readonly ActiveRun[] },
): Status {
  // Those told to stop stay in the list, since their objects vanish before their Pods do.
  const active = new Set([
    ...runsOf(options.world, cron)
      .filter((run) => run.status?.result === undefined)
      .map((run) => run.metadata.name),
    ...decision.kill,
    ...ending.map((run) => run.id),
  ]);
  const suspended = cron.spec.suspend === true;
  const condition: ConditionValue = suspended
    ? {
        type: 'Ready',
        status: 'False',
        reason: 'Suspended',
        message: 'spec.suspend is true: no run is started',
      }
    : decision.nextMs === undefined
      ? {
          type: 'Ready',
          status: 'False',
          reason: 'NeverFires',
          message: `spec.schedule \`${cron.spec.schedule}\` has no further time`,
        }
      : {
          type: 'Ready',
          status: 'True',
          reason: 'Scheduled',
          message: `next run at ${isoTime(decision.nextMs)}`,
        };
  const lastSuccess = runsOf(options.world, cron)
    .filter((run) => run.status?.result === 'Succeeded')
    .map((run) => run.status?.finishedAt ?? '')
    .toSorted()
    .at(-1);
  return statusOf(options, cron, condition, {
    ...(cron.status?.lastScheduleTime === undefined &&
    decision.lastScheduleMs === timeOf(cron.metadata.creationTimestamp)
      ? {}
      : { lastScheduleTime: isoTime(decision.lastScheduleMs) }),
    ...(lastSuccess === undefined || lastSuccess === '' ? {} : { lastSuccessfulTime: lastSuccess }),
    ...(decision.nextMs === undefined ? {} : { nextScheduleTime: isoTime(decision.nextMs) }),
    ...(decision.waitingMs === undefined
      ? {}
      : { waitingScheduleTime: isoTime(decision.waitingMs) }),
    missed: (cron.status?.missed ?? 0) + decision.missed,
    active: [...active].toSorted().slice(0, 100),
  });
}

function statusOf(
  options: CronJobOptions,
  cron: CronJobObject,
  condition: ConditionValue,
  decided: Status,
): Status {
  const generation = cron.metadata.generation ?? 0;
  const { waitingScheduleTime: _waiting, nextScheduleTime: _next, ...kept } = cron.status ?? {};
  return {
    ...kept,
    ...decided,
    observedGeneration: generation,
    conditions: withCondition(
      cron.status?.conditions,
      condition,
      generation,
      isoTime(options.clock.nowMs()),
    ),
  };
}
