import { shortHash } from '../../model/hash.ts';
import { type JobKind, jobKeyOf } from '../../model/job.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubeApi, ResourceRef } from '../../ports/kubeApi.ts';
import type { CacheReader } from '../../runtime/cache.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import {
  type AdhocJobObject,
  API_VERSION,
  type ServiceJobObject,
} from '../../schema/mezzoKinds.ts';
import { DEFAULT_BACKOFF } from '../../state/flapping.ts';
import { decideSlots } from '../../state/jobSlots.ts';
import type { Recorder } from '../shared/recorder.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import { buildTaskPod } from '../task/buildTaskPod.ts';
import { isUnexplainedDeletion, type TaskView, taskViewOf } from '../task/taskView.ts';
import { explainDeletion, killTask, releaseTask } from '../task/taskWrites.ts';
import type { World } from '../world.ts';
import { slotPodOf } from './decideSlotPlan.ts';
import { type GatherOptions, gatherJob } from './gatherJob.ts';
import type { Demand, JobFramework } from './jobFramework.ts';
import type { DemandSlot, JobFacts, JobPlan } from './types.ts';

type JobObject = ServiceJobObject | AdhocJobObject;

export interface JobControllerOptions<T extends JobObject> {
  readonly kind: JobKind;
  readonly ref: ResourceRef;
  readonly cache: CacheReader<T>;
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly jobs: JobFramework;
  readonly snapshot: GatherOptions['snapshot'];
  readonly retentionMs: number;
  readonly decide: (
    facts: JobFacts<T['spec'], NonNullable<T['status']>>,
  ) => JobPlan<NonNullable<T['status']>>;
  /** Asked after the plan was applied; true deletes the object (its time to live is over). */
  readonly isExpired?: (facts: JobFacts<T['spec'], NonNullable<T['status']>>) => boolean;
}

export interface JobController {
  reconcile(key: string): Promise<WorkResult>;
}

/** Gathers, decides and applies for one kind of job; keys are `namespace/name`. */
export function createJobController<T extends JobObject>(
  options: JobControllerOptions<T>,
): JobController {
  return {
    async reconcile(key) {
      const [namespace = '', name = ''] = key.split('/');
      if (options.cache.isUnreadable({ namespace, name })) {
        // It is not gone: its Pods go on, and nothing is started or stopped until it can be read.
        options.jobs.setDemand(jobKeyOf(options.kind, namespace, name), []);
        return { kind: 'awaitChange' };
      }
      const object = options.cache.get({ namespace, name });
      const former = strangers(
        options,
        jobKeyOf(options.kind, namespace, name),
        object?.metadata.uid,
      );
      await releaseOrphans(options, former);
      if (object === undefined) {
        options.jobs.setDemand(jobKeyOf(options.kind, namespace, name), []);
        return nextLook(
          options,
          former.length > 0 ? options.clock.nowMs() + ORPHAN_LOOK_MS : undefined,
        );
      }
      return await reconcileJob(options, object);
    },
  };
}

/** Pods of a deleted job change state by themselves; this is how often they are looked at if no event comes. */
const ORPHAN_LOOK_MS = 30_000;

async function reconcileJob<T extends JobObject>(
  options: JobControllerOptions<T>,
  object: T,
): Promise<WorkResult> {
  const facts = gatherJob<T>(options.kind, object, {
    world: options.world,
    snapshot: options.snapshot,
    rejectionOf: (key) => options.jobs.rejectionOf(key),
    nowMs: options.clock.nowMs(),
    retentionMs: options.retentionMs,
  });
  const plan = options.decide(facts);
  await writeStatus<JobObject>(options.kube, options.ref, object, plan.status);
  announce(options, object, plan);
  // Before the kills: while those are refused (a quarantine, a stale Pod) missing instances still start.
  options.jobs.setDemand(
    facts.key,
    plan.demand.map((slot) => demandOf(options, object, facts, slot)),
  );
  for (const { pod } of facts.tasks)
    if (isUnexplainedDeletion(pod)) await explainDeletion(options.kube, pod, options.clock.nowMs());
  for (const kill of plan.kills) {
    const outcome = await killTask(options.kube, kill.task, {
      ...kill,
      nowMs: options.clock.nowMs(),
    });
    const which = `instance ${kill.task.instance} on ${kill.task.agent}`;
    if (outcome.kind === 'stopped')
      options.recorder.event(object, 'Normal', 'TaskKilled', `killed ${which}: ${kill.why}`);
    else
      options.recorder.event(
        object,
        'Warning',
        'EvictionBlocked',
        `${which} goes on: ${outcome.message}`,
      );
  }
  for (const task of plan.releases) await releaseTask(options.kube, task.pod);
  if (options.isExpired?.(facts) === true && object.metadata.deletionTimestamp === undefined) {
    await options.kube.delete(
      options.ref,
      { name: facts.name, namespace: facts.namespace },
      { uid: facts.uid, propagationPolicy: 'Background' },
    );
  }
  // Why instances wait depends on everything else in the cluster; it is told anew now and then.
  const lookMs = plan.demand.length === 0 ? undefined : options.clock.nowMs() + PENDING_LOOK_MS;
  return nextLook(options, earliest(plan.wakeAtMs, lookMs));
}

const PENDING_LOOK_MS = 10_000;

function earliest(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? (left ?? right) : Math.min(left, right);
}

function demandOf<T extends JobObject>(
  options: JobControllerOptions<T>,
  object: T,
  facts: JobFacts<T['spec'], NonNullable<T['status']>>,
  slot: DemandSlot,
): Demand {
  return {
    task: slot.task,
    notBeforeMs: slot.notBeforeMs,
    templateHash: facts.templateHash,
    buildPod: () =>
      buildTaskPod({
        task: slot.task,
        namespace: facts.namespace,
        jobName: facts.name,
        jobKind: options.kind,
        owner: {
          apiVersion: API_VERSION,
          kind: options.kind,
          name: facts.name,
          uid: facts.uid,
          controller: true,
          blockOwnerDeletion: false,
        },
        template: object.spec.template,
        templateHash: facts.templateHash,
        flaps: slot.flaps,
        failures: slot.failures,
        extraEnv: 'parameters' in object.spec ? (object.spec.parameters ?? []) : [],
      }),
  };
}

/** Reasons a job passes through when all is well; every other one wants somebody to look. */
const CALM_REASONS: ReadonlySet<string> = new Set([
  'AllInstancesRunning',
  'AllInstancesFinished',
  'InstancesStarting',
  'InstancesPending',
  'Updating',
  'Running',
]);

/** One event when the job's condition changes its reason; the message tells the figures. */
function announce<T extends JobObject>(
  options: JobControllerOptions<T>,
  object: T,
  plan: JobPlan<unknown>,
): void {
  const before = object.status?.conditions?.find((one) => one.type === plan.condition.type);
  if (before?.reason === plan.condition.reason) return;
  const type = CALM_REASONS.has(plan.condition.reason) ? 'Normal' : 'Warning';
  options.recorder.event(object, type, plan.condition.reason, plan.condition.message);
}

/** Pods made for a job of this name that is not the present one: it was deleted, or deleted and made again. */
function strangers<T extends JobObject>(
  options: JobControllerOptions<T>,
  jobKey: string,
  uid: string | undefined,
): readonly TaskView[] {
  return options.world.pods
    .byIndex('job', jobKey)
    .map(taskViewOf)
    .filter((task) => task.jobUid !== uid);
}

async function releaseOrphans<T extends JobObject>(
  options: JobControllerOptions<T>,
  tasks: readonly TaskView[],
): Promise<void> {
  const byJob = Map.groupBy(tasks, (task) => task.jobUid ?? '');
  for (const [jobUid, orphans] of byJob) {
    const uidHash = shortHash(jobUid);
    const decision = decideSlots({
      replicas: 0,
      jobUidHash: uidHash,
      pods: orphans.map((task) => slotPodOf(task, uidHash)),
      nowMs: options.clock.nowMs(),
      retentionMs: options.retentionMs,
      restart: { kind: 'service' },
      backoff: DEFAULT_BACKOFF,
      jobDeleted: true,
    });
    const byUid = new Map(orphans.map((task) => [task.pod.metadata.uid, task]));
    for (const { pod } of decision.kill) {
      const task = byUid.get(pod.uid);
      if (task !== undefined)
        await killTask(options.kube, task, {
          intent: 'kill',
          why: 'its job was deleted',
          nowMs: options.clock.nowMs(),
        });
    }
    for (const pod of decision.release) {
      const task = byUid.get(pod.uid);
      if (task !== undefined) await releaseTask(options.kube, task.pod);
    }
  }
}

function nextLook(options: { readonly clock: Clock }, wakeAtMs: number | undefined): WorkResult {
  if (wakeAtMs === undefined) return { kind: 'awaitChange' };
  return { kind: 'requeueAfter', delayMs: Math.max(wakeAtMs - options.clock.nowMs(), 1) };
}
