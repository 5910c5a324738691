import { consumptionOf } from '../allocator/quotaCheck.ts';
import type { AllocatorSnapshot } from '../allocator/types.ts';
import { decideAdhocJob, expiryOf } from '../controllers/adhocJob/decideAdhocJob.ts';
import { createAgentController } from '../controllers/agent/agentController.ts';
import { createCronJobController } from '../controllers/cronJob/cronJobController.ts';
import { agentViews, roleViews, type ViewInput } from '../controllers/gatherViews.ts';
import { createJobController } from '../controllers/job/jobController.ts';
import { createJobFramework, type JobFramework } from '../controllers/job/jobFramework.ts';
import {
  createMaintenanceController,
  type MaintenanceController,
} from '../controllers/maintenance/maintenanceController.ts';
import {
  createPreemptionController,
  type PreemptionController,
} from '../controllers/preemption/preemptionController.ts';
import { holdsOf } from '../controllers/preemption/records.ts';
import { createFrameworkReservations } from '../controllers/reservation/frameworkReservations.ts';
import {
  createReservationController,
  type ReservationController,
} from '../controllers/reservation/reservationController.ts';
import { createRoleController } from '../controllers/role/roleController.ts';
import { ledgerOf } from '../controllers/scheduling/ledger.ts';
import { createLedgerAudit, type LedgerAudit } from '../controllers/scheduling/ledgerAudit.ts';
import { createScheduling, type SchedulingLoop } from '../controllers/scheduling/scheduling.ts';
import type { GatheredSnapshot } from '../controllers/scheduling/snapshot.ts';
import { tellBackOff } from '../controllers/scheduling/tellBackOff.ts';
import { decideServiceJob } from '../controllers/serviceJob/decideServiceJob.ts';
import type { Recorder } from '../controllers/shared/recorder.ts';
import { rememberFor } from '../controllers/shared/rememberFor.ts';
import { createLauncher, type LaunchQueue } from '../controllers/task/launcher.ts';
import { timeOf } from '../controllers/task/taskView.ts';
import type { UsageBoard } from '../controllers/usage.ts';
import { createVolumeController } from '../controllers/volume/volumeController.ts';
import type { World } from '../controllers/world.ts';
import { type Resources, resources, sumOf } from '../model/resources.ts';
import type { Clock } from '../ports/clock.ts';
import type { KubeApi } from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import type { Metrics } from '../ports/metrics.ts';
import type { Pod } from '../schema/kubeObjects.ts';
import { ADHOC_JOBS, SERVICE_JOBS } from '../schema/mezzoKinds.ts';
import type { OperatorConfig } from './operatorConfig.ts';
import type { WorkResult } from './workQueue.ts';

export interface ControllerSetOptions {
  readonly world: World;
  /** Guarded: refuses to write when this process does not lead. */
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly recorder: Recorder;
  readonly usage: UsageBoard;
  readonly config: OperatorConfig;
  readonly epoch: () => number;
  readonly mayAct: () => boolean;
  readonly signal: AbortSignal;
  /** Puts a Pod that was read from the server into the cache. */
  readonly observePod: (pod: Pod) => void;
  /** Makes the cache of Pods equal to a fresh list. */
  readonly relistPods: () => Promise<unknown>;
  /** Asks for a look at a key of a controller. */
  readonly enqueue: (controller: ControllerName, key: string) => void;
}

export const CONTROLLER_NAMES = [
  'serviceJob',
  'adhocJob',
  'cronJob',
  'agent',
  'role',
  'reservation',
  'maintenance',
  'preemption',
  'volume',
] as const;
export type ControllerName = (typeof CONTROLLER_NAMES)[number];

/** The controllers of one process, wired to each other; nothing runs yet. */
export interface ControllerSet {
  readonly reconcile: Readonly<Record<ControllerName, (key: string) => Promise<WorkResult>>>;
  readonly scheduling: SchedulingLoop;
  readonly audit: LedgerAudit;
  readonly jobs: JobFramework;
  readonly preemption: PreemptionController;
  viewInput(): ViewInput;
  readonly launcher: Pick<LaunchQueue, 'waiting'>;
}

/** Roles, Quotas and the reports of waiting jobs are written from one reading of the figures. */
const FIGURES_MS = 500;

/** Mesos's default: an offer has at least a hundredth of a CPU or 32 MB. */
const MIN_ALLOCATABLE = [resources({ cpus: 10 }), resources({ mem: 32 * 2 ** 20 })];

/** Builds the controllers. They know each other only through the functions passed here. */
export function createControllerSet(options: ControllerSetOptions): ControllerSet {
  const { world, kube, clock, log, recorder, config } = options;
  const launcher = createLauncher({
    ...options,
    observe: options.observePod,
    cached: ({ metadata: { namespace = '', name } }) => world.pods.get({ namespace, name }),
  });
  const late: {
    preemption?: PreemptionController;
    reservation?: ReservationController;
    maintenance?: MaintenanceController;
  } = {};
  const frameworkReservations = createFrameworkReservations(options);
  const holds = () => [...holdsOf(world), ...(late.preemption?.transientHolds() ?? [])];
  const scheduling = createScheduling({
    ...options,
    launcher,
    holds,
    frameworkReservations,
    reservations: () => late.reservation?.reserved() ?? new Map(),
    inMaintenance: () => late.maintenance?.inMaintenance() ?? new Set(),
    unavailable: () => late.maintenance?.unavailable() ?? new Map(),
    onBackOff: (backOff) => tellBackOff({ world, recorder, log }, backOff),
    batchMs: config.batchMs,
    sliceMs: config.sliceMs,
    safetyNetMs: config.safetyNetMs,
    offerTimeoutMs: config.offerTimeoutMs,
    allocate: { minAllocatable: MIN_ALLOCATABLE, mode: 'mezzo', fairnessExclude: [] },
  });
  const jobs = createJobFramework({
    scheduling,
    world,
    clock,
    log,
    // A hold whose instance was placed is spent, though its record is not written yet.
    holds: () => scheduling.unspent(holds()),
    onRejection: (jobKey) => enqueueJob(options, jobKey),
    onUnplaced: () => undefined,
  });
  const preemption = createPreemptionController({
    ...options,
    scheduling,
    jobs,
    delayMs: config.preemptionDelayMs,
  });
  const snapshot = () => scheduling.snapshot();
  const reservation = createReservationController({
    world,
    kube,
    clock,
    ledger: () => snapshot().ledger,
    current: () => frameworkReservations.current(),
  });
  const inverseAnswers = () => scheduling.inverseAnswers();
  const maintenance = createMaintenanceController({ ...options, inverseAnswers });
  Object.assign(late, { preemption, reservation, maintenance });
  const viewInput = (): ViewInput => ({
    world,
    gathered: snapshot(),
    plan: scheduling.lastPlan(),
    usage: options.usage,
  });
  const controllers = {
    // Jobs only tell people why their instances wait.
    ...jobControllers(options, { jobs, snapshot: rememberFor(clock, FIGURES_MS, snapshot) }),
    agent: agentController(options, scheduling),
    role: roleController(options, viewInput),
    reservation,
    maintenance,
    preemption,
    volume: volumeController(options),
  };
  const reconcile = Object.fromEntries(
    CONTROLLER_NAMES.map((name) => [name, (key: string) => controllers[name].reconcile(key)]),
  ) as ControllerSet['reconcile'];
  const audit = auditOf(options, scheduling);
  return { reconcile, scheduling, audit, jobs, preemption, launcher, viewInput };
}

function agentController(
  { world, kube, clock, config }: ControllerSetOptions,
  scheduling: SchedulingLoop,
) {
  return createAgentController({
    world,
    kube,
    clock,
    figuresOf: (node) => scheduling.agent(node),
    lostAfterMs: config.lostAfterMs,
  });
}

function volumeController({ config, ...options }: ControllerSetOptions) {
  const { volumes, namespace } = config;
  return createVolumeController({ ...options, config: { ...volumes, namespace } });
}

function auditOf(
  { world, kube, clock, log, metrics, relistPods }: ControllerSetOptions,
  scheduling: SchedulingLoop,
) {
  return createLedgerAudit({
    kube,
    clock,
    log,
    metrics,
    pods: () => world.pods.list(),
    ledgerOf: (pods) => ledgerOf(pods, []),
    allocator: () => scheduling.audit(),
    relist: relistPods,
  });
}

/** What stands in for a Quota that cannot be read is obeyed; a status is not written from it. */
function roleController({ world, kube, clock }: ControllerSetOptions, input: () => ViewInput) {
  const consumedNow = () => consumedByTasks(input().gathered.snapshot);
  const controller = createRoleController({
    world,
    kube,
    clock,
    roleViews: rememberFor(clock, FIGURES_MS, () => roleViews(input())),
    consumed: rememberFor(clock, FIGURES_MS, consumedNow),
    consumedNow,
    capacity: rememberFor(clock, FIGURES_MS, () =>
      sumOf(agentViews(input()).map((agent) => agent.capacity)),
    ),
  });
  const reconcile = async (key: string): Promise<WorkResult> => {
    const [kind, name = ''] = key.split('/');
    if (kind === 'Quota' && world.quotas.isUnreadable({ name })) return { kind: 'awaitChange' };
    return await controller.reconcile(key);
  };
  return { reconcile };
}

/** What counts against quotas when nobody takes the offers that stand. */
function consumedByTasks(snapshot: AllocatorSnapshot): ReadonlyMap<string, Resources> {
  const allocations = snapshot.allocations.filter((one) => one.kind !== 'offer');
  return consumptionOf({ ...snapshot, allocations }).consumed;
}

/** The controllers of what users run. */
function jobControllers(
  { world, kube, clock, recorder, config }: ControllerSetOptions,
  { jobs, snapshot }: { readonly jobs: JobFramework; readonly snapshot: () => GatheredSnapshot },
) {
  const shared = { world, kube, clock, recorder, jobs, snapshot, retentionMs: config.retentionMs };
  return {
    serviceJob: createJobController({
      ...shared,
      kind: 'ServiceJob',
      ref: SERVICE_JOBS,
      cache: world.serviceJobs,
      decide: decideServiceJob,
    }),
    adhocJob: createJobController({
      ...shared,
      kind: 'AdhocJob',
      ref: ADHOC_JOBS,
      cache: world.adhocJobs,
      decide: (facts) => decideAdhocJob({ ...facts, startedAtMs: timeOf(facts.status.startedAt) }),
      isExpired: (facts) => (expiryOf(facts) ?? Number.POSITIVE_INFINITY) <= facts.nowMs,
    }),
    cronJob: createCronJobController({ world, kube, clock, recorder }),
  };
}

function enqueueJob(options: ControllerSetOptions, jobKey: string): void {
  const [kind, ...rest] = jobKey.split('/');
  options.enqueue(kind === 'ServiceJob' ? 'serviceJob' : 'adhocJob', rest.join('/'));
}
