import { ok, refuse } from '../../../model/result.ts';
import type { PodVolume, VolumeMount } from '../../../schema/kubeObjects.ts';
import { printable } from '../../../schema/mesos/framework.ts';
import { amountFromScalar, type MesosResource } from '../../../schema/mesos/resource.ts';
import type { TaskInfo } from '../../../schema/mesos/task.ts';
import { claimName } from '../../volume/volumeNames.ts';
import type { HeldVolume } from './podConfig.ts';
import type { PodContext, Translated } from './podContext.ts';
import { mountPathOf } from './volumes.ts';

export interface PersistentVolumes {
  /** Of the Reservations. */
  readonly names: readonly string[];
  /** Size of those that are not shared. */
  readonly ownBytes: number;
  readonly volumes: readonly PodVolume[];
  readonly mounts: readonly VolumeMount[];
}

/**
 * The persistent volumes among a task's resources, mounted where it says. Which claim is mounted follows from the
 * accepted offers alone: nothing the client writes is part of its name.
 * Source: Mesos `src/master/validation.cpp`, `validateUniquePersistenceID`; `docs/persistent-volume.md`.
 */
export function persistentVolumesOf(
  info: TaskInfo,
  context: PodContext,
): Translated<PersistentVolumes> {
  const held: HeldVolume[] = [];
  const mounts: VolumeMount[] = [];
  for (const one of info.resources) {
    const { disk, shared } = one;
    if (shared !== undefined && disk?.persistence === undefined)
      return refuse(`resources: '${printable(one.name)}': only persistent volumes can be shared`);
    if (disk?.persistence === undefined) continue;
    const found = heldVolume(one, disk.persistence.id, context);
    if (!found.ok)
      return refuse(`resources: volume '${printable(disk.persistence.id)}' ${found.refusal}`);
    const { name } = found.value;
    if (held.some((other) => other.name === name))
      return refuse(`resources: persistence id '${disk.persistence.id}' is not unique`);
    const path = mountPathOf(disk.volume?.container_path ?? '');
    if (!path.ok) return refuse(`resources: disk.volume.container_path: ${path.refusal}`);
    const isReadOnly = disk.volume?.mode === 'RO';
    held.push(found.value);
    mounts.push({ name, mountPath: path.value, ...(isReadOnly ? { readOnly: true } : {}) });
  }
  return ok({
    names: held.map(({ name }) => name),
    ownBytes: held.reduce((sum, one) => sum + (one.shared ? 0 : one.sizeBytes), 0),
    volumes: held.map(({ name }) => ({
      name,
      persistentVolumeClaim: { claimName: claimName(name) },
    })),
    mounts,
  });
}

/** The volume of the offers that a resource names, whole. */
function heldVolume(
  resource: MesosResource,
  id: string,
  { volumes = [] }: PodContext,
): Translated<HeldVolume> {
  const role = resource.reservations.at(-1)?.role ?? resource.role;
  const found = volumes.find((one) => one.id === id && one.role === role);
  if (found === undefined)
    return refuse(`is not among the accepted offers for role ${printable(role ?? '*')}`);
  if (amountFromScalar('disk', resource.scalar?.value ?? 0) !== found.sizeBytes)
    return refuse('has another size in the offers; a volume is used whole');
  if ((resource.shared !== undefined) !== found.shared)
    return refuse(`is ${found.shared ? '' : 'not '}shared`);
  return ok(found);
}
