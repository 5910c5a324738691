import type {
  AgentUse,
  AllocatorEvent,
  Parts,
  PortRanges,
  ReservedPart,
  Unavailability,
  VolumePart,
} from '../../operator/src/allocator/engine/types.ts';
import { agentId, frameworkId, rolePath } from '../../operator/src/model/ids.ts';
import type { Tier } from '../../operator/src/model/job.ts';
import { add, type Resources } from '../../operator/src/model/resources.ts';
import type { Amounts } from './amounts.ts';
import type { Fields, Held } from './steps.ts';

type AgentEvent = Extract<AllocatorEvent, { kind: 'addAgent' | 'updateAgent' }>;
type FrameworkEvent = Extract<AllocatorEvent, { kind: 'addFramework' | 'updateFramework' }>;
/** Negative amounts are kept: the allocator has to refuse them. */
export const nonZero = (amounts: Resources): Resources =>
  Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount !== 0));

type HeldAmounts = Omit<Held, 'framework' | 'role' | 'agent'>;

export const portRangesOf = (amounts: Amounts): PortRanges =>
  amounts.ports.map(({ begin, end }) => [begin, end] as const);

/** Volumes may be named beside the resources, in them, or in a reservation: they are one set. */
function partsOf(held: HeldAmounts): Parts {
  const volumes = {
    ...held.volumes,
    ...held.resources.volumes,
    ...held.revocable.volumes,
    ...Object.assign({}, ...held.reserved.map((one) => one.resources.volumes)),
  } as Resources;
  return {
    resources: nonZero(held.resources.scalars),
    ports: portRangesOf(held.resources),
    reserved: held.reserved.map(reservedPartOf),
    revocable: nonZero(held.revocable.scalars),
    volumes: volumePartsOf(volumes),
  };
}

/** A step that names no amounts means all that is offered. */
export function partsOrAll(held: HeldAmounts): { readonly parts?: Parts } {
  const parts = partsOf(held);
  const isNamed =
    Object.keys({ ...parts.resources, ...parts.revocable }).length > 0 ||
    [parts.ports, parts.reserved, parts.volumes].some((one) => (one ?? []).length > 0);
  return isNamed ? { parts } : {};
}

function reservedPartOf(one: Held['reserved'][number]): ReservedPart {
  return {
    stack: one.roles.map(rolePath),
    resources: nonZero(one.resources.scalars),
    ports: portRangesOf(one.resources),
  };
}

/** An agent's fields; a reserved volume is reserved disk until `volumesOf` makes it a volume. */
export function agentEventOf(
  kind: AgentEvent['kind'],
  fields: Fields<'addAgent'>,
  nowMs: number,
): AgentEvent {
  const { total, reserved, revocable, attributes, capabilities, region, zone, used } = fields;
  return {
    kind,
    id: agentId(fields.id),
    ...(total === undefined
      ? {}
      : {
          total: nonZero(total.scalars),
          ports: portRangesOf(total),
          ...(Object.keys(total.volumes).length === 0
            ? {}
            : { volumes: volumePartsOf(total.volumes) }),
        }),
    ...(reserved === undefined
      ? {}
      : {
          reserved: reserved.map((one) => ({
            ...reservedPartOf(one),
            resources: withVolumeDisk(one.resources),
          })),
        }),
    ...(revocable === undefined ? {} : { revocable: nonZero(revocable.scalars) }),
    ...(attributes === undefined ? {} : attributesOf(attributes)),
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(region === undefined ? {} : { region }),
    ...(zone === undefined ? {} : { zone }),
    ...(used === undefined ? {} : { used: used.map(useOf) }),
    ...(kind === 'addAgent' && fields.unavailability !== undefined
      ? { unavailability: unavailabilityOf(fields.unavailability, nowMs) }
      : {}),
  };
}

function useOf(one: NonNullable<Fields<'addAgent'>['used']>[number]): AgentUse {
  return {
    framework: frameworkId(one.framework),
    role: rolePath(one.role),
    ...tierOf(one),
    ...partsOf(one),
  };
}

function withVolumeDisk(amounts: Amounts): Resources {
  const bytes = Object.values(amounts.volumes).reduce((sum, size) => sum + size, 0);
  return add(nonZero(amounts.scalars), nonZero({ disk: bytes }));
}

/** The volumes an agent comes with, made before anything is offered on it. */
export function volumesOf(
  fields: Fields<'addAgent'>,
): readonly Extract<AllocatorEvent, { kind: 'createVolume' }>[] {
  return (fields.reserved ?? []).flatMap(({ roles, resources }) =>
    Object.entries(resources.volumes).map(([id, sizeBytes]) => ({
      kind: 'createVolume' as const,
      agent: agentId(fields.id),
      id,
      sizeBytes,
      shared: false,
      stack: roles.map(rolePath),
    })),
  );
}

export function unavailabilityOf(
  window: {
    readonly startSeconds?: number | undefined;
    readonly durationSeconds?: number | undefined;
  },
  nowMs: number,
): Unavailability {
  const startMs = nowMs + Math.round((window.startSeconds ?? 0) * 1000);
  return window.durationSeconds === undefined
    ? { startMs }
    : { startMs, durationMs: Math.round(window.durationSeconds * 1000) };
}

/** `defaults`: the capabilities of a new framework that lists none. */
export function frameworkEventOf(
  kind: FrameworkEvent['kind'],
  fields: Fields<'addFramework'>,
  defaults: readonly string[],
): FrameworkEvent {
  const { roles, suppressed, tiers, minAllocatable, constraints, active } = fields;
  const capabilities = fields.capabilities ?? (kind === 'addFramework' ? defaults : undefined);
  const scalarsOf = (sets: readonly Amounts[]): readonly Resources[] =>
    sets.map((one) => one.scalars);
  return {
    kind,
    id: frameworkId(fields.id),
    ...(roles === undefined ? {} : { roles: roles.map(rolePath) }),
    ...(suppressed === undefined || suppressed === false
      ? {}
      : { suppressed: (suppressed === true ? (roles ?? []) : suppressed).map(rolePath) }),
    ...(capabilities === undefined ? {} : { capabilities }),
    ...(tiers === undefined ? {} : { tiers }),
    ...(Array.isArray(minAllocatable) ? { minAllocatable: scalarsOf(minAllocatable) } : {}),
    ...(minAllocatable === undefined || Array.isArray(minAllocatable)
      ? {}
      : {
          minAllocatableByRole: Object.fromEntries(
            Object.entries(minAllocatable).map(([role, sets]) => [role, scalarsOf(sets)]),
          ),
        }),
    ...(constraints === undefined ? {} : { constraints }),
    ...(kind === 'addFramework' && active !== undefined ? { active } : {}),
  };
}

/** `quota` sets both; what is not named is not limited and not guaranteed. */
export function quotaEventOf(fields: Fields<'setQuota'>): AllocatorEvent {
  return {
    kind: 'setQuota',
    role: rolePath(fields.role),
    guarantees: nonZero((fields.guarantees ?? fields.quota)?.scalars ?? {}),
    limits: (fields.limits ?? fields.quota)?.scalars ?? {},
    ...(fields.tierLimits === undefined
      ? {}
      : {
          tierLimits: Object.fromEntries(
            Object.entries(fields.tierLimits).map(([tier, most]) => [tier, most.scalars]),
          ),
        }),
    ...(fields.force === undefined ? {} : { force: fields.force }),
  };
}

const DEFAULT_REFUSE_SECONDS = 5;
const MOST_REFUSE_SECONDS = 365 * 24 * 3600;

/** Source: Mesos `Filters.refuse_seconds`: below zero is the default, above a year is a year. Absent: no filter. */
export function refuseMsOf(refuseSeconds = 0): number {
  const seconds = refuseSeconds < 0 ? DEFAULT_REFUSE_SECONDS : refuseSeconds;
  return Math.round(Math.min(seconds, MOST_REFUSE_SECONDS) * 1000);
}

export const tierOf = (one: { readonly tier?: Tier | undefined }): { readonly tier?: Tier } =>
  one.tier === undefined ? {} : { tier: one.tier };

export function holderOf(held: Held) {
  return {
    framework: frameworkId(held.framework),
    role: rolePath(held.role),
    agent: agentId(held.agent),
  };
}

const volumePartsOf = (volumes: Resources): readonly VolumePart[] =>
  Object.entries(volumes).map(([id, sizeBytes]): VolumePart => ({ id, sizeBytes }));

/** Mesos's text form `foo:bar;baz:1.5`, or a map. Numbers, ranges and sets are no text. */
function attributesOf(attributes: string | Readonly<Record<string, string | number>>): {
  readonly attributes: Readonly<Record<string, string>>;
  readonly notText: readonly string[];
} {
  const entries: readonly (readonly [string, string | number])[] =
    typeof attributes === 'string'
      ? attributes
          .split(';')
          .filter((pair) => pair.trim() !== '')
          .map(attributeOf)
      : Object.entries(attributes);
  return {
    attributes: Object.fromEntries(entries.map(([name, value]) => [name, String(value)])),
    notText: entries
      .filter(([, value]) => typeof value === 'number' || /^\s*(\[.*\]|\{.*\})\s*$/.test(value))
      .map(([name]) => name),
  };
}

function attributeOf(pair: string): readonly [string, string | number] {
  const colon = pair.indexOf(':');
  const text = pair.slice(colon + 1).trim();
  const isScalar = /^-?\d+(\.\d+)?$/.test(text);
  return [pair.slice(0, colon).trim(), isScalar ? Number(text) : text];
}
