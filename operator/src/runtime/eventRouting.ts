import { isOpen } from '../controllers/preemption/records.ts';
import { isAmbiguousEnd, isTaskPod, taskViewOf } from '../controllers/task/taskView.ts';
import { VOLUME_LABEL } from '../controllers/volume/volumeNames.ts';
import type { World } from '../controllers/world.ts';
import { stableJson } from '../model/hash.ts';
import { jobKeyOf } from '../model/job.ts';
import { LABEL } from '../model/labels.ts';
import type { KubeObject } from '../ports/kubeApi.ts';
import type { Pod } from '../schema/kubeObjects.ts';
import type {
  AdhocJobObject,
  AgentObject,
  QuotaObject,
  ServiceJobObject,
} from '../schema/mezzoKinds.ts';
import { isReachable } from '../state/taskLifecycle.ts';
import type { TaskState } from '../state/taskState.ts';
import type { ControllerName } from './controllerSet.ts';

export interface RoutingTargets {
  readonly enqueue: (controller: ControllerName, key: string) => void;
  readonly trigger: () => void;
  /** A kubelet refused to admit a task's Pod, for this reason. */
  readonly refused: (reason: string) => void;
  /** A task was seen to take a way the lifecycle does not know: somebody misjudged its Pod, then or now. */
  readonly illegal: (pod: Pod, from: TaskState, to: TaskState) => void;
}

const keyOf = (object: KubeObject): string =>
  `${object.metadata.namespace ?? ''}/${object.metadata.name}`;

/** Which change concerns which controller. Returns how to stop listening. */
export function routeEvents(
  world: World,
  { enqueue, trigger, refused, illegal }: RoutingTargets,
): () => void {
  const preemptions = (
    kind: 'ServiceJob' | 'AdhocJob',
    job: ServiceJobObject | AdhocJobObject,
  ): void => {
    if (job.status?.preemptions?.some(isOpen) !== true) return;
    enqueue('preemption', jobKeyOf(kind, job.metadata.namespace ?? '', job.metadata.name));
  };
  const jobsOfRoles = (): void => {
    for (const job of world.serviceJobs.list()) enqueue('serviceJob', keyOf(job));
    for (const job of world.adhocJobs.list()) enqueue('adhocJob', keyOf(job));
  };
  const stops = [
    world.serviceJobs.subscribe(({ object }) => {
      enqueue('serviceJob', keyOf(object));
      preemptions('ServiceJob', object);
    }),
    world.adhocJobs.subscribe(({ object }) => {
      enqueue('adhocJob', keyOf(object));
      preemptions('AdhocJob', object);
      const cron = object.metadata.labels?.[LABEL.cronJob];
      if (cron !== undefined) enqueue('cronJob', `${object.metadata.namespace ?? ''}/${cron}`);
    }),
    world.cronJobs.subscribe(({ object }) => enqueue('cronJob', keyOf(object))),
    world.pods.subscribe((event) => {
      const { object } = event;
      const refusal = refusalIn(event);
      if (refusal !== undefined) refused(refusal);
      judgeTransition(event, illegal);
      const labels = object.metadata.labels ?? {};
      const job = labels[LABEL.job];
      if (isTaskPod(object) && job !== undefined) {
        const controller = labels[LABEL.jobKind] === 'ServiceJob' ? 'serviceJob' : 'adhocJob';
        enqueue(controller, `${object.metadata.namespace ?? ''}/${job}`);
      }
      for (const name of volumesAbout(object)) enqueue('volume', name);
      trigger();
    }),
    world.nodes.subscribe(({ object }) => {
      enqueue('agent', object.metadata.name);
      trigger();
    }),
    world.agents.subscribe((event) => {
      if (!isSpecChange(event) && !isNewEstimate(event)) return;
      enqueue('agent', event.object.metadata.name);
      trigger();
    }),
    world.roles.subscribe((event) => {
      if (!isSpecChange(event)) return;
      enqueue('role', `Role/${event.object.metadata.name}`);
      jobsOfRoles();
      trigger();
    }),
    world.quotas.subscribe((event) => {
      if (isVerdict(event)) trigger();
      if (!isSpecChange(event)) return;
      enqueue('role', `Quota/${event.object.metadata.name}`);
      jobsOfRoles();
      trigger();
    }),
    world.reservations.subscribe(({ object }) => {
      enqueue('reservation', object.metadata.name);
      if (object.spec.volume !== undefined) enqueue('volume', object.metadata.name);
      trigger();
    }),
    world.maintenanceWindows.subscribe(({ object }) => {
      enqueue('maintenance', object.metadata.name);
      trigger();
    }),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}

/** Volumes a Pod looks after, or holds. */
function volumesAbout(pod: Pod): readonly string[] {
  const own = pod.metadata.labels?.[VOLUME_LABEL];
  return [...(own === undefined ? [] : [own]), ...(isTaskPod(pod) ? taskViewOf(pod).volumes : [])];
}

/** The moment a task's Pod was seen to fail without any container having started. */
function refusalIn({ kind, object, previous }: Change<Pod>): string | undefined {
  const isNews = kind === 'modified' && previous?.status?.phase !== 'Failed';
  if (!isNews || object.status?.phase !== 'Failed' || !isTaskPod(object)) return undefined;
  const { state, startedAtMs } = taskViewOf(object);
  return state.state === 'LOST' && startedAtMs === undefined ? state.reason : undefined;
}

function judgeTransition(
  { kind, object, previous }: Change<Pod>,
  illegal: RoutingTargets['illegal'],
): void {
  if (kind !== 'modified' || previous === undefined || !isTaskPod(object)) return;
  if (isAmbiguousEnd(object) || isAmbiguousEnd(previous)) return;
  const from = taskViewOf(previous).state.state;
  const to = taskViewOf(object).state.state;
  if (!isReachable(from, to)) illegal(object, from, to);
}

interface Change<T extends KubeObject> {
  readonly kind: string;
  readonly object: T;
  readonly previous?: T;
}

/** The node's agent has estimated anew what may be lent. */
function isNewEstimate({ object, previous }: Change<AgentObject>): boolean {
  return stableJson(object.status?.revocable) !== stableJson(previous?.status?.revocable);
}

/** A quota was taken or refused: other amounts hold now. */
function isVerdict({ object, previous }: Change<QuotaObject>): boolean {
  return stableJson(object.status?.inEffect) !== stableJson(previous?.status?.inEffect);
}

/**
 * Statuses of roles and agents change every few seconds, by our own hand: to answer each of those writes with another
 * look would never end.
 */
function isSpecChange(event: Change<KubeObject>): boolean {
  return (
    event.kind !== 'modified' ||
    event.object.metadata.generation !== event.previous?.metadata.generation
  );
}
