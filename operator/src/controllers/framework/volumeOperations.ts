import { amountOf } from '../../model/resources.ts';
import { ok, type Result, refuse } from '../../model/result.ts';
import { idFault, printable } from '../../schema/mesos/framework.ts';
import type { OfferOperation } from '../../schema/mesos/operation.ts';
import {
  amountFromScalar,
  amountsFromMesos,
  type MesosResource,
} from '../../schema/mesos/resource.ts';
import type { VolumeOperation, VolumeRequest } from '../reservation/planVolume.ts';
import { type AcceptContext, stackOfResource } from './operationResources.ts';

type Unnamed<Operation> = Operation extends unknown ? Omit<Operation, 'operation'> : never;

/** An operation on volumes that is well-formed; whether the offers hold them is seen when it is carried out. */
export type AskedVolumes = Unnamed<VolumeOperation>;

export const VOLUME_OPERATIONS = ['CREATE', 'DESTROY', 'GROW_VOLUME', 'SHRINK_VOLUME'] as const;
export type VolumeOperationType = (typeof VOLUME_OPERATIONS)[number];

type Asker = Pick<AcceptContext, 'principal' | 'seesShared'>;

/**
 * Reads what an operation on persistent volumes asks for.
 * Errors: a text that names the operation and the volume, for OPERATION_ERROR.
 * Source: Mesos `src/master/validation.cpp`, `operation::validate` of `Create`, `Destroy`, `GrowVolume`, `ShrinkVolume`.
 */
export function volumesAsked(
  type: VolumeOperationType,
  operation: OfferOperation,
  asker: Asker,
): Result<AskedVolumes, string> {
  const asked = READERS[type](operation, asker);
  return asked.ok ? asked : refuse(`${type}: ${asked.refusal}`);
}

const READERS = {
  CREATE(operation, asker) {
    const volumes = listOf(operation.create?.volumes);
    if (!volumes.ok) return volumes;
    for (const [index, one] of volumes.value.entries()) {
      const fault = makerFault(one, asker);
      if (fault !== undefined) return refuse(`volume '${one.id}' ${fault}`);
      const twin = volumes.value.findIndex(
        (other) => other.id === one.id && other.stack.at(-1)?.role === one.stack.at(-1)?.role,
      );
      if (twin !== index) return refuse(`persistence id '${one.id}' is not unique`);
    }
    return ok({ kind: 'createVolumes', volumes: volumes.value });
  },
  DESTROY(operation) {
    const volumes = listOf(operation.destroy?.volumes);
    return volumes.ok ? ok({ kind: 'destroyVolumes', volumes: volumes.value }) : volumes;
  },
  GROW_VOLUME(operation) {
    if (operation.grow_volume === undefined) return refuse("'grow_volume' must be set");
    const { volume, addition } = operation.grow_volume;
    const read = resizable(volume);
    if (!read.ok) return read;
    if (addition.name !== 'disk' || addition.disk !== undefined)
      return refuse('the addition must be plain disk');
    const amounts = amountsFromMesos([addition]);
    if (!amounts.ok) return amounts;
    const additionBytes = amountOf(amounts.value.resources, 'disk');
    if (additionBytes === 0) return refuse("the size of 'addition' must be above 0");
    const stack = stackOfResource(addition);
    return ok({ kind: 'growVolume', volume: read.value, additionBytes, stack });
  },
  SHRINK_VOLUME(operation) {
    if (operation.shrink_volume === undefined) return refuse("'shrink_volume' must be set");
    const { volume, subtract } = operation.shrink_volume;
    const read = resizable(volume);
    if (!read.ok) return read;
    const subtractBytes = amountFromScalar('disk', subtract.value);
    if (subtractBytes === undefined || subtractBytes === 0)
      return refuse("'subtract' must be above 0");
    return ok({ kind: 'shrinkVolume', volume: read.value, subtractBytes });
  },
} as const satisfies Record<
  VolumeOperationType,
  (operation: OfferOperation, asker: Asker) => Result<AskedVolumes, string>
>;

function listOf(list: readonly MesosResource[] = []): Result<readonly VolumeRequest[], string> {
  if (list.length === 0) return refuse('it names no volumes');
  const volumes: VolumeRequest[] = [];
  for (const one of list) {
    const read = volumeOf(one);
    if (!read.ok) return read;
    volumes.push(read.value);
  }
  return ok(volumes);
}

function resizable(resource: MesosResource): Result<VolumeRequest, string> {
  if (resource.shared !== undefined) return refuse('a shared volume keeps its size');
  return volumeOf(resource);
}

/** Source: Mesos `src/master/validation.cpp`, `validatePersistentVolume` and `validateDiskInfo`. */
function volumeOf(resource: MesosResource): Result<VolumeRequest, string> {
  const { name, disk, provider_id, revocable, shared } = resource;
  const fail = (why: string) => refuse(`resource '${printable(name)}' ${why}`);
  if (name !== 'disk') return fail('is no disk');
  if (provider_id !== undefined) return fail('is of a resource provider; there are none here');
  if (disk?.source !== undefined) return fail('has a disk source; there are none here');
  if (disk?.persistence === undefined) return fail('is not a persistent volume: no persistence id');
  if (disk.volume === undefined) return fail("needs 'disk.volume' with a container_path");
  if (disk.volume.mode === 'RO') return fail('is read-only, which a persistent volume cannot be');
  if (disk.volume.host_path !== undefined) return fail("may not have a 'host_path'");
  if (revocable !== undefined) return fail('is revocable and cannot hold a volume');
  const stack = stackOfResource(resource);
  if (stack.length === 0) return fail('is not reserved: volumes are made of reserved disk');
  const fault = idFault(disk.persistence.id);
  if (fault !== undefined) return fail(`has a persistence id that is none: ${fault}`);
  const amounts = amountsFromMesos([resource]);
  if (!amounts.ok) return amounts;
  const sizeBytes = amountOf(amounts.value.resources, 'disk');
  if (sizeBytes === 0) return fail('has no size');
  return ok({
    id: disk.persistence.id,
    principal: disk.persistence.principal,
    containerPath: disk.volume.container_path,
    shared: shared !== undefined,
    sizeBytes,
    stack,
  });
}

function makerFault(volume: VolumeRequest, { principal, seesShared }: Asker): string | undefined {
  // Callers without credentials do not know the name they have here.
  if (volume.principal !== undefined && volume.principal !== principal)
    return `is of principal '${printable(volume.principal)}', but the framework's is '${principal}'`;
  return volume.shared && !seesShared
    ? 'is shared, and the framework has no SHARED_RESOURCES capability'
    : undefined;
}
