import { shortHash } from '../../model/hash.ts';
import { amountOf, type Resources } from '../../model/resources.ts';
import { API_VERSION, RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import { formatResources } from '../../schema/quantity.ts';
import type { ReservedPart } from '../../state/offerBook.ts';
import {
  crowdFault,
  draw,
  joined,
  lacks,
  type OfferPool,
  type OperationContext,
  type OperationPlan,
  partOf,
  type ReservationChange,
  type ReservationOperation,
  type ReservationStack,
  type ReservationStep,
  refused,
  sameStack,
  stackOf,
} from './planOperation.ts';
import {
  isDestroyed,
  sourcesOf,
  VOLUME_FINALIZER,
  type VolumeSource,
  volumeSize,
  writtenSources,
} from './volumeObjects.ts';

/** A persistent volume as an operation names it. */
export interface VolumeRequest {
  readonly id: string;
  readonly principal: string | undefined;
  readonly containerPath: string;
  readonly shared: boolean;
  readonly sizeBytes: number;
  /** The reservation its disk is in. */
  readonly stack: ReservationStack;
}

/** What is done to persistent volumes on accepted offers of one agent; all of its volumes or none. */
export type VolumeOperation = {
  /** Names the operation for ever; the same one done twice is done once. */
  readonly operation: string;
} & (
  | {
      readonly kind: 'createVolumes' | 'destroyVolumes';
      readonly volumes: readonly VolumeRequest[];
    }
  | {
      readonly kind: 'growVolume';
      readonly volume: VolumeRequest;
      /** Disk of `stack` that is added. */
      readonly additionBytes: number;
      readonly stack: ReservationStack;
    }
  | {
      readonly kind: 'shrinkVolume';
      readonly volume: VolumeRequest;
      readonly subtractBytes: number;
    }
);

export const isVolumeOperation = (
  operation: ReservationOperation | VolumeOperation,
): operation is VolumeOperation => operation.kind !== 'reserve' && operation.kind !== 'unreserve';

export interface VolumeContext extends OperationContext {
  /** Whether a task holds the volume of this name. */
  readonly isInUse: (reservation: string) => boolean;
}

type Planned = Extract<OperationPlan, { kind: 'planned' }>;

/**
 * What an operation does to the Reservation objects that are volumes, and to the rest of the offers.
 * Source: Mesos `src/master/validation.cpp`, `operation::validate` of `Create`, `Destroy`, `GrowVolume`, `ShrinkVolume`.
 */
export function planVolume(
  pool: OfferPool,
  operation: VolumeOperation,
  context: VolumeContext,
): OperationPlan {
  switch (operation.kind) {
    case 'createVolumes':
      return each(pool, operation.volumes, context, (left, volume, index, around) =>
        planCreate(left, volume, { ...around, name: `${operation.operation}\n${index}` }),
      );
    case 'destroyVolumes':
      return each(pool, operation.volumes, context, planDestroy);
    case 'growVolume':
      return planGrow(pool, operation, context);
    case 'shrinkVolume':
      return planShrink(pool, operation, context);
  }
}

/** Plans volumes one after the other, each on what the one before left. */
function each(
  pool: OfferPool,
  volumes: readonly VolumeRequest[],
  context: VolumeContext,
  one: (
    pool: OfferPool,
    volume: VolumeRequest,
    index: number,
    context: VolumeContext,
  ) => OperationPlan,
): OperationPlan {
  let all: Planned = { kind: 'planned', creates: [], changes: [], pool };
  let { reservations } = context;
  for (const [index, volume] of volumes.entries()) {
    const next = one(all.pool, volume, index, { ...context, reservations });
    if (next.kind === 'refused') return next;
    all = {
      ...next,
      creates: [...all.creates, ...next.creates],
      changes: [...all.changes, ...next.changes],
    };
    const made = next.creates.map((object) => [object.metadata.name, object] as const);
    reservations = new Map([...reservations, ...made]);
  }
  return all;
}

function planCreate(
  pool: OfferPool,
  volume: VolumeRequest,
  context: VolumeContext & { readonly name: string },
): OperationPlan {
  const { id, sizeBytes, stack } = volume;
  const role = stack.at(-1)?.role;
  const crowd = crowdFault(context);
  if (crowd !== undefined) return refused(crowd);
  for (const one of context.reservations.values()) {
    const isSame = one.spec.volume?.id === id && one.spec.role === role;
    if (isSame && one.spec.agent === context.agent && !isDestroyed(one))
      return refused(
        `persistence id '${id}' is in use: role ${role} has a volume of that id on ${context.agent}`,
      );
  }
  const size = { disk: sizeBytes };
  const drawn = draw(pool, size, stack, context);
  if (drawn.kind === 'short') return refused(lacks('that reservation', size, drawn.has));
  const sources = drawn.taken.map(({ part, amount }) => ({
    reservation: part.reservationId,
    bytes: amountOf(amount, 'disk'),
  }));
  const made = objectOf(volume, sources, context);
  const parts = [...drawn.left, partOf(made)];
  return { kind: 'planned', creates: [made], changes: [], pool: { ...pool, parts } };
}

function planDestroy(
  pool: OfferPool,
  volume: VolumeRequest,
  _index: number,
  context: VolumeContext,
): OperationPlan {
  const found = find(pool, volume, context);
  if (found.kind === 'refused') return found;
  const { object, others } = found;
  if (context.isInUse(object.metadata.name))
    return refused(`Persistent volumes in use: a task holds '${volume.id}'`);
  const change = { object, from: volumeSize(object), left: {} };
  return changed(giveBack({ ...pool, parts: others }, sourcesOf(object), context), change);
}

function planGrow(
  pool: OfferPool,
  operation: Extract<VolumeOperation, { kind: 'growVolume' }>,
  context: VolumeContext,
): OperationPlan {
  const { volume, additionBytes, stack } = operation;
  const found = find(pool, volume, context);
  if (found.kind === 'refused') return found;
  if (!sameStack(stack, volume.stack))
    return refused('the addition is of another reservation than the volume');
  const { object, part, others } = found;
  const addition = { disk: additionBytes };
  const drawn = draw({ ...pool, parts: others }, addition, stack, context);
  if (drawn.kind === 'short') return refused(lacks('that reservation', addition, drawn.has));
  const sources = [
    ...sourcesOf(object),
    ...drawn.taken.map((one) => ({
      reservation: one.part.reservationId,
      bytes: amountOf(one.amount, 'disk'),
    })),
  ];
  const left = { disk: volume.sizeBytes + additionBytes };
  const parts = [...drawn.left, { ...part, resources: left }];
  return changed({ ...pool, parts }, { object, from: volumeSize(object), left, sources });
}

function planShrink(
  pool: OfferPool,
  operation: Extract<VolumeOperation, { kind: 'shrinkVolume' }>,
  context: VolumeContext,
): OperationPlan {
  const { volume, subtractBytes } = operation;
  const found = find(pool, volume, context);
  if (found.kind === 'refused') return found;
  if (subtractBytes >= volume.sizeBytes)
    return refused('the volume would have no size left; destroy it instead');
  const { object, part, others } = found;
  const { kept, freed } = shrunk(sourcesOf(object), subtractBytes);
  const left = { disk: volume.sizeBytes - subtractBytes };
  const rest = giveBack({ ...pool, parts: others }, freed, context);
  const parts = [...rest.parts, { ...part, resources: left }];
  const change = { object, from: volumeSize(object), left, sources: kept };
  return changed({ ...rest, parts }, change);
}

const changed = (pool: OfferPool, change: ReservationChange): OperationPlan => ({
  kind: 'planned',
  creates: [],
  changes: [change],
  pool,
});

type Found =
  | {
      readonly kind: 'found';
      readonly object: ReservationObject;
      readonly part: ReservedPart;
      readonly others: readonly ReservedPart[];
    }
  | { readonly kind: 'refused'; readonly message: string };

/** The volume among the offers, whole and as it is named. */
function find(
  { parts }: OfferPool,
  { id, sizeBytes, stack, shared }: VolumeRequest,
  { reservations, isInUse }: VolumeContext,
): Found {
  const role = stack.at(-1)?.role;
  const isMeant = (object: ReservationObject | undefined): object is ReservationObject =>
    object?.spec.volume?.id === id && object.spec.role === role && !isDestroyed(object);
  for (const part of parts) {
    const object = reservations.get(part.reservationId);
    if (!isMeant(object)) continue;
    const fault = mismatch(object, { sizeBytes, stack, shared }, reservations);
    if (fault !== undefined) return { kind: 'refused', message: `volume '${id}' ${fault}` };
    return { kind: 'found', object, part, others: parts.filter((one) => one !== part) };
  }
  const used = [...reservations.values()].some((one) => isMeant(one) && isInUse(one.metadata.name));
  const message = used
    ? `Persistent volumes in use: a task holds '${id}'`
    : `Persistent volumes not found: the offers hold no volume '${id}' of role ${role}`;
  return { kind: 'refused', message };
}

function mismatch(
  object: ReservationObject,
  { sizeBytes, stack, shared }: Pick<VolumeRequest, 'sizeBytes' | 'stack' | 'shared'>,
  reservations: OperationContext['reservations'],
): string | undefined {
  const size = volumeSize(object);
  if (amountOf(size, 'disk') !== sizeBytes)
    return `has another size: ${formatResources(size)['disk']}`;
  if (!sameStack(stackOf(object.metadata.name, reservations), stack))
    return 'is of another reservation';
  return (object.spec.volume?.shared === true) === shared
    ? undefined
    : `is ${shared ? 'not ' : ''}shared`;
}

/** Disk of a volume becomes its reservations' again, or nobody's where one is gone. */
function giveBack(
  pool: OfferPool,
  sources: readonly VolumeSource[],
  { reservations }: OperationContext,
): OfferPool {
  let { unreserved } = pool;
  const parts = [...pool.parts];
  for (const { reservation, bytes } of sources) {
    const object = reservations.get(reservation);
    if (object === undefined)
      unreserved = { ...unreserved, disk: amountOf(unreserved, 'disk') + bytes };
    else parts.push({ ...partOf(object), resources: { disk: bytes } });
  }
  return { unreserved, parts: joined(parts) };
}

/** What stays of sources when so much goes; the last ones go first. */
function shrunk(
  sources: readonly VolumeSource[],
  bytes: number,
): { readonly kept: readonly VolumeSource[]; readonly freed: readonly VolumeSource[] } {
  let open = bytes;
  const kept: VolumeSource[] = [];
  const freed: VolumeSource[] = [];
  for (const source of sources.toReversed()) {
    const taken = Math.min(open, source.bytes);
    open -= taken;
    if (taken > 0) freed.push({ ...source, bytes: taken });
    if (taken < source.bytes) kept.unshift({ ...source, bytes: source.bytes - taken });
  }
  return { kept, freed };
}

function objectOf(
  volume: VolumeRequest,
  sources: readonly VolumeSource[],
  { framework, agent, name }: OperationContext & { readonly name: string },
): ReservationObject {
  const key = `${framework}\n${name}`;
  return volumeObject(volume, sources, {
    agent,
    name: nameOf(key),
    annotations: { 'mezzo.dev/operation': key.replaceAll('\n', ' ') },
  });
}

/** Names of the volumes that a CREATE makes; unique for ever, as the operation is. */
export const volumeNames = (
  framework: string,
  operation: string,
  count: number,
): readonly string[] =>
  Array.from({ length: count }, (_, index) => nameOf(`${framework}\n${operation}\n${index}`));

const nameOf = (key: string): string => `volume-${shortHash(key, 10)}`;

/** The Reservation that is a volume. */
export function volumeObject(
  { id, principal, containerPath, shared, sizeBytes, stack }: VolumeRequest,
  sources: readonly VolumeSource[],
  where: {
    readonly agent: string;
    readonly name: string;
    readonly annotations?: { readonly [key: string]: string };
  },
): ReservationObject {
  const level = stack.at(-1) as ReservationStep;
  const labels = level.labels ?? {};
  const size: Resources = { disk: sizeBytes };
  const [first] = sources;
  return {
    apiVersion: API_VERSION,
    kind: RESERVATIONS.kind,
    metadata: {
      name: where.name,
      finalizers: [VOLUME_FINALIZER],
      ...(where.annotations === undefined ? {} : { annotations: where.annotations }),
    },
    spec: {
      role: level.role,
      agent: where.agent,
      resources: formatResources(size),
      ...(level.principal === undefined ? {} : { principal: level.principal }),
      ...(Object.keys(labels).length === 0 ? {} : { labels: { ...labels } }),
      ...(first === undefined ? {} : { parent: first.reservation }),
      volume: {
        id,
        containerPath,
        ...(principal === undefined ? {} : { principal }),
        ...(shared ? { shared: true } : {}),
        from: writtenSources(sources),
      },
    },
  };
}
