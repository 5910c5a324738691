import { join } from 'node:path/posix';
import { amountOf } from '../../model/resources.ts';
import {
  isKubeError,
  type KubeApi,
  type KubeObject,
  type ObjectKey,
  type OwnerReference,
  type ResourceRef,
} from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { API_VERSION, RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import {
  DESTROYED,
  FOLDER_MADE,
  isDestroyed,
  isVolume,
  VOLUME_FINALIZER,
  volumeSize,
} from '../reservation/volumeObjects.ts';
import { isTaskPod, taskViewOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { type PersistentVolumeObject, persistentVolume, persistentVolumeClaim } from './claims.ts';
import { folderPod, type VolumeConfig } from './folderPod.ts';
import { type FolderWork, folderPodName, VOLUME_LABEL } from './volumeNames.ts';

export interface VolumeControllerOptions {
  readonly world: Pick<World, 'reservations' | 'pods' | 'nodes'>;
  readonly kube: KubeApi;
  readonly log: Logger;
  readonly config: VolumeConfig;
}

export interface VolumeController {
  reconcile(name: string): Promise<WorkResult>;
}

const AWAIT: WorkResult = { kind: 'awaitChange' };
/** A kubelet that does nothing is asked about again, in case news of it were missed. */
const LOOK_AGAIN: WorkResult = { kind: 'requeueAfter', delayMs: 15_000 };
const SOON: WorkResult = { kind: 'requeueAfter', delayMs: 1_000 };
/** Until a Pod that failed is tried anew. */
const TRY_ANEW: WorkResult = { kind: 'requeueAfter', delayMs: 5_000 };

/**
 * Makes what Reservations that are volumes say so on their agents: a folder, mounted through claims in the namespaces of
 * the tasks that hold it, and removed with all of that once the volume is destroyed.
 *
 * Guarantees: nothing is removed but by the decision on the object; each step is found again after a crash.
 */
export function createVolumeController(options: VolumeControllerOptions): VolumeController {
  const { world } = options;
  const made: Made = new Map();
  return {
    async reconcile(name) {
      const object = world.reservations.get({ name });
      if (object === undefined || !isVolume(object)) return AWAIT;
      if (isDestroyed(object)) {
        made.delete(name);
        return await remove(options, object);
      }
      if (object.metadata.deletionTimestamp !== undefined) return await end(options, object);
      return await keep(options, object, made);
    },
  };
}

/** Namespaces in which this process has made the claims of a volume. */
type Made = Map<string, Set<string>>;

/** Deleted by somebody with kubectl: its end comes when no task holds it any more. */
async function end(
  { world, kube }: VolumeControllerOptions,
  object: ReservationObject,
): Promise<WorkResult> {
  if (holdersOf(world, object).length > 0) return LOOK_AGAIN;
  await patchMetadata(kube, object, {
    annotations: { ...object.metadata.annotations, [DESTROYED]: 'true' },
  });
  return AWAIT;
}

async function keep(
  options: VolumeControllerOptions,
  object: ReservationObject,
  made: Made,
): Promise<WorkResult> {
  const { world, kube, config } = options;
  const node = world.nodes.get({ name: object.spec.agent ?? '' });
  if (node === undefined) return LOOK_AGAIN;
  const namespaces = new Set(holdersOf(world, object).map((pod) => pod.metadata.namespace ?? ''));
  const known = made.get(object.metadata.name) ?? new Set();
  made.set(object.metadata.name, known);
  for (const namespace of namespaces) {
    if (known.has(namespace)) continue;
    const claimed = {
      name: object.metadata.name,
      node,
      sizeBytes: amountOf(volumeSize(object), 'disk'),
      path: join(config.root, object.metadata.name),
      namespace,
      owner: ownerOf(object),
    };
    await make(kube, PERSISTENT_VOLUMES, persistentVolume(claimed));
    await make(kube, PERSISTENT_VOLUME_CLAIMS, persistentVolumeClaim(claimed));
    known.add(namespace);
  }
  if (object.metadata.annotations?.[FOLDER_MADE] !== undefined) {
    await dropPod(options, object, 'make');
    return AWAIT;
  }
  const work = await workOnFolder(options, object, 'make');
  if (work !== 'done') return work;
  await patchMetadata(kube, object, {
    annotations: { ...object.metadata.annotations, [FOLDER_MADE]: 'true' },
  });
  // Its Pod goes when that is seen: until then it says that the work is done.
  return AWAIT;
}

async function remove(
  options: VolumeControllerOptions,
  object: ReservationObject,
): Promise<WorkResult> {
  const { world, kube } = options;
  const { name, uid = '', deletionTimestamp, finalizers = [] } = object.metadata;
  if (deletionTimestamp === undefined) {
    await unlessGone(kube.delete(RESERVATIONS, { name }, { uid }));
    return SOON;
  }
  if (!finalizers.includes(VOLUME_FINALIZER)) return AWAIT;
  await dropPod(options, object, 'make');
  await dropClaims(kube, name);
  // The data of an agent that is gone went with it.
  if (world.nodes.get({ name: object.spec.agent ?? '' }) !== undefined) {
    const work = await workOnFolder(options, object, 'remove');
    if (work !== 'done') return work;
    await dropPod(options, object, 'remove');
  }
  const rest = finalizers.filter((one) => one !== VOLUME_FINALIZER);
  await unlessGone(patchMetadata(kube, object, { finalizers: rest }));
  return AWAIT;
}

/**
 * Deletes the claims and the PersistentVolumes of a volume. Kubernetes keeps them as long as Pods that ended are there;
 * nobody waits for that, as the next volume has other names and another folder.
 */
async function dropClaims(kube: KubeApi, volume: string): Promise<void> {
  const labelSelector = `${VOLUME_LABEL}=${volume}`;
  const { items } = await kube.list<PersistentVolumeObject>(PERSISTENT_VOLUMES, { labelSelector });
  for (const { metadata, spec } of items) {
    if (metadata.deletionTimestamp !== undefined) continue;
    const { namespace, name } = spec?.claimRef ?? {};
    if (namespace !== undefined && name !== undefined)
      await unlessGone(kube.delete(PERSISTENT_VOLUME_CLAIMS, { namespace, name }));
    await unlessGone(kube.delete(PERSISTENT_VOLUMES, { name: metadata.name }));
  }
}

/** `done` once a Pod has done the work, else when to look again. */
async function workOnFolder(
  { world, kube, log, config }: VolumeControllerOptions,
  object: ReservationObject,
  work: FolderWork,
): Promise<'done' | WorkResult> {
  const { name } = object.metadata;
  const key = { namespace: config.namespace, name: folderPodName(name, work) };
  const pod = world.pods.get(key);
  if (pod === undefined) {
    const volume = { name, agent: object.spec.agent ?? '', owner: ownerOf(object) };
    await make(kube, PODS, folderPod(work, volume, config));
    return LOOK_AGAIN;
  }
  if (pod.metadata.deletionTimestamp !== undefined) return LOOK_AGAIN;
  switch (pod.status?.phase) {
    case 'Succeeded':
      return 'done';
    case 'Failed':
      log.warn('folder of a volume: its Pod failed and is made anew', {
        volume: name,
        work,
        agent: object.spec.agent,
        reason: pod.status.reason,
        message: pod.status.message,
      });
      await deletePod(kube, key, pod);
      return TRY_ANEW;
    default:
      return LOOK_AGAIN;
  }
}

async function dropPod(
  { world, kube, config }: VolumeControllerOptions,
  { metadata }: ReservationObject,
  work: FolderWork,
): Promise<void> {
  const key = { namespace: config.namespace, name: folderPodName(metadata.name, work) };
  const pod = world.pods.get(key);
  if (pod?.metadata.deletionTimestamp === undefined && pod !== undefined)
    await deletePod(kube, key, pod);
}

async function deletePod(kube: KubeApi, key: ObjectKey, pod: Pod): Promise<void> {
  const { uid = '' } = pod.metadata;
  await unlessGone(kube.delete(PODS, key, { uid, gracePeriodSeconds: 1 }));
}

/** Task Pods on the agent that hold the volume and have not ended. */
function holdersOf(world: Pick<World, 'pods'>, object: ReservationObject): readonly Pod[] {
  return world.pods.byIndex('node', object.spec.agent ?? '').filter((pod) => {
    const task = isTaskPod(pod) ? taskViewOf(pod) : undefined;
    return task !== undefined && !task.terminal && task.volumes.includes(object.metadata.name);
  });
}

const ownerOf = ({ metadata }: ReservationObject): OwnerReference => ({
  apiVersion: API_VERSION,
  kind: RESERVATIONS.kind,
  name: metadata.name,
  uid: metadata.uid ?? '',
});

async function make(kube: KubeApi, ref: ResourceRef, object: KubeObject): Promise<void> {
  try {
    await kube.create(ref, object);
  } catch (error) {
    if (!isKubeError(error, 'alreadyExists')) throw error;
  }
}

/** Refused with a conflict, and so tried again, when the object has changed meanwhile. */
async function patchMetadata(
  kube: KubeApi,
  { metadata }: ReservationObject,
  change: {
    readonly annotations?: { readonly [key: string]: string };
    readonly finalizers?: readonly string[];
  },
): Promise<void> {
  const { name, resourceVersion } = metadata;
  const body = { metadata: { ...change, resourceVersion } };
  await kube.patch(RESERVATIONS, { name }, 'merge', body);
}

async function unlessGone(deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (error) {
    if (!isKubeError(error, 'notFound', 'conflict')) throw error;
  }
}
