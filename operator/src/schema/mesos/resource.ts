import { z } from 'zod';
import {
  add,
  amountOf,
  isEmpty,
  NO_RESOURCES,
  type Resources,
  resources,
  subtract,
  sumOf,
} from '../../model/resources.ts';
import { ok, type Result, refuse } from '../../model/result.ts';
import { Double, Integer, listOf, optionalEnum } from './lenient.ts';

const ResourceLabels = z.object({
  labels: listOf(z.object({ key: z.string(), value: z.string().optional() })),
});

/** Mesos `Resource`. Source: Mesos `include/mesos/v1/mesos.proto`. */
export const MesosResource = z.object({
  provider_id: z.object({ value: z.string() }).optional(),
  name: z.string(),
  type: optionalEnum(['SCALAR', 'RANGES', 'SET']),
  scalar: z.object({ value: Double }).optional(),
  ranges: z.object({ range: listOf(z.object({ begin: Integer, end: Integer })) }).optional(),
  set: z.object({ item: listOf(z.string()) }).optional(),
  role: z.string().optional(),
  allocation_info: z.object({ role: z.string().optional() }).optional(),
  /** The older form of one dynamic reservation; its role is `role`. */
  reservation: z
    .object({ principal: z.string().optional(), labels: ResourceLabels.optional() })
    .optional(),
  /** The stack of reservations, outermost first. */
  reservations: listOf(
    z.object({
      type: optionalEnum(['STATIC', 'DYNAMIC']),
      role: z.string().optional(),
      principal: z.string().optional(),
      labels: ResourceLabels.optional(),
    }),
  ),
  disk: z
    .object({
      persistence: z.object({ id: z.string(), principal: z.string().optional() }).optional(),
      volume: z
        .object({
          container_path: z.string(),
          host_path: z.string().optional(),
          mode: optionalEnum(['RW', 'RO']),
        })
        .optional(),
      source: z
        .object({
          type: optionalEnum(['PATH', 'MOUNT', 'BLOCK', 'RAW']),
          id: z.string().optional(),
        })
        .optional(),
    })
    .optional(),
  revocable: z.object({}).optional(),
  shared: z.object({}).optional(),
});
export type MesosResource = z.infer<typeof MesosResource>;

/** One level of a reservation. */
export interface WireReservation {
  readonly type: 'STATIC' | 'DYNAMIC';
  readonly role: string;
  readonly principal?: string;
  readonly labels?: {
    readonly labels: readonly { readonly key: string; readonly value: string }[];
  };
}

/** One resource of an offer as it is written. */
export interface WireResource {
  readonly name: string;
  readonly type: 'SCALAR';
  readonly scalar: { readonly value: number };
  readonly role?: string;
  readonly allocation_info?: { readonly role: string };
  /** The older form of one dynamic reservation. */
  readonly reservation?: Omit<WireReservation, 'type' | 'role'>;
  readonly reservations?: readonly WireReservation[];
  readonly revocable?: Record<string, never>;
  readonly disk?: {
    readonly persistence: { readonly id: string; readonly principal?: string };
    readonly volume: { readonly container_path: string; readonly mode: 'RW' };
  };
  readonly shared?: Record<string, never>;
}

/** How a framework wants resources written; follows from its capabilities. */
export interface ResourceForm {
  /** MULTI_ROLE: each resource names the role it is allocated to. */
  readonly allocationInfo: boolean;
  /** RESERVATION_REFINEMENT: a list of reservations; without it, the older `role` field. */
  readonly reservations: boolean;
}

/** Mesos counts `mem` and `disk` in MB, meaning 2^20 bytes. */
const BYTES_PER_MB = 1_048_576;
const COUNTED_IN_MB: ReadonlySet<string> = new Set(['mem', 'disk']);

/**
 * A Mesos scalar in the integer unit of `name` (see `model/resources.ts`), rounded to three decimals as Mesos does.
 * Undefined when negative, not finite or beyond exact integers.
 */
export function amountFromScalar(name: string, value: number): number | undefined {
  const thousandths = Math.round(value * 1000);
  const amount = COUNTED_IN_MB.has(name)
    ? Math.round((thousandths / 1000) * BYTES_PER_MB)
    : thousandths;
  return Number.isSafeInteger(amount) && amount >= 0 ? amount : undefined;
}

/** The largest scalar of three decimals that reads back as no more than `amount`. */
export function scalarFromAmount(name: string, amount: number): number {
  if (!COUNTED_IN_MB.has(name)) return amount / 1000;
  const whole = Math.floor(amount / BYTES_PER_MB);
  return whole + Math.floor(((amount - whole * BYTES_PER_MB) * 1000) / BYTES_PER_MB) / 1000;
}

export interface TaskAmounts {
  readonly resources: Resources;
  readonly revocable: Resources;
}

/**
 * The amounts a task asks for. Several entries of one name add up; zero entries are no error.
 * Errors: a text that names the resource and says what is wrong with it.
 */
export function amountsFromMesos(list: readonly MesosResource[]): Result<TaskAmounts, string> {
  let plain = NO_RESOURCES;
  let revocable = NO_RESOURCES;
  for (const one of list) {
    const read = readScalar(one);
    if (!read.ok) return read;
    if (one.revocable === undefined) plain = add(plain, read.value);
    else revocable = add(revocable, read.value);
  }
  for (const name in revocable) {
    if (amountOf(plain, name) > 0)
      return refuse(`resources: '${name}' is both revocable and non-revocable; use one of them`);
  }
  return ok({ resources: plain, revocable });
}

function readScalar(one: MesosResource): Result<Resources, string> {
  if (one.type === 'RANGES' && (one.ranges?.range.length ?? 0) === 0) return ok(NO_RESOURCES);
  if (one.type !== 'SCALAR' || one.scalar === undefined) {
    return refuse(
      `resources: '${one.name}' must be of type SCALAR with a scalar value; ranges and sets are not offered`,
    );
  }
  const amount = amountFromScalar(one.name, one.scalar.value);
  if (amount === undefined || !RESOURCE_NAME.test(one.name)) {
    return refuse(
      `resources: '${one.name}' has the amount ${one.scalar.value}; expected a number of at least 0`,
    );
  }
  return ok(resources({ [one.name]: amount }));
}

const RESOURCE_NAME = /^[A-Za-z0-9]([A-Za-z0-9./_-]{0,61}[A-Za-z0-9])?$/;

export interface OfferedAmounts extends TaskAmounts {
  /** The parts of `resources` that come from reservations, each with its levels, outermost first. */
  readonly reserved: readonly {
    readonly resources: Resources;
    readonly levels: readonly WireReservation[];
    readonly volume?: WireVolume;
  }[];
  readonly role: string;
}

/** What makes reserved disk a persistent volume. */
export interface WireVolume {
  readonly id: string;
  readonly principal?: string | undefined;
  readonly containerPath: string;
  /** It is in none of the sums beside it. */
  readonly shared: boolean;
}

/**
 * The resources of an offer in the form its framework reads. Without RESERVATION_REFINEMENT, refined reservations are
 * left out: the older form has no words for them.
 */
export function resourcesToMesos(offered: OfferedAmounts, form: ResourceForm): WireResource[] {
  const unreserved = subtract(
    offered.resources,
    sumOf(
      offered.reserved.flatMap(({ resources: part, volume }) =>
        volume?.shared === true ? [] : [part],
      ),
    ),
  );
  const open = form.reservations ? {} : { role: '*' };
  return [
    ...scalars(unreserved, form, offered.role, open),
    ...offered.reserved.flatMap(({ resources: part, levels, volume }) => {
      const fields = reservedFields(levels, form);
      return fields === undefined
        ? []
        : scalars(part, form, offered.role, { ...fields, ...volumeFields(volume) });
    }),
    ...scalars(offered.revocable, form, offered.role, { ...open, revocable: {} }),
  ];
}

function volumeFields(volume: WireVolume | undefined): Partial<WireResource> {
  if (volume === undefined) return {};
  const { id, principal, containerPath, shared } = volume;
  return {
    disk: {
      persistence: { id, ...(principal === undefined ? {} : { principal }) },
      volume: { container_path: containerPath, mode: 'RW' },
    },
    ...(shared ? { shared: {} } : {}),
  };
}

/** Source: Mesos `src/common/resources_utils.cpp`, `convertResourceFormat`. */
function reservedFields(
  levels: readonly WireReservation[],
  form: ResourceForm,
): Partial<WireResource> | undefined {
  if (form.reservations) return { reservations: levels };
  const [level, refined] = levels;
  if (level === undefined || refined !== undefined) return undefined;
  const { role, type, ...reservation } = level;
  return type === 'STATIC' ? { role } : { role, reservation };
}

function scalars(
  of: Resources,
  form: ResourceForm,
  role: string,
  fields: Partial<WireResource>,
): WireResource[] {
  if (isEmpty(of)) return [];
  return Object.keys(of)
    .toSorted()
    .map((name) => ({
      name,
      type: 'SCALAR' as const,
      scalar: { value: scalarFromAmount(name, amountOf(of, name)) },
      ...(form.allocationInfo ? { allocation_info: { role } } : {}),
      ...fields,
    }));
}
