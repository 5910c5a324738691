import type {
  AgentReservation,
  Allocation,
  AllocatorAgent,
  AllocatorFramework,
} from '../../operator/src/allocator/types.ts';
import { agentId, frameworkId, rolePath } from '../../operator/src/model/ids.ts';
import {
  add,
  fits,
  type Resources,
  resources,
  shortfall,
  subtract,
  sumOf,
} from '../../operator/src/model/resources.ts';
import { describeAmounts, toModel } from './amounts.ts';
import type { Fields } from './format.ts';

/** Thrown when a step is refused; `expectError` looks for its text. */
export class StepRefused extends Error {}

/** A new agent, or one with the fields that change. */
export function agentFrom(
  fields: Fields<'addAgent'>,
  before: AllocatorAgent | undefined,
): AllocatorAgent {
  const reserved = fields.reserved?.map((one, index) => ({
    role: rolePath(one.role),
    resources: toModel(one.resources),
    reservationId: `${fields.id}#${index}`,
  }));
  const reservations: readonly AgentReservation[] = reserved ?? before?.reservations ?? [];
  const unreserved =
    fields.total === undefined
      ? subtract(
          before?.total ?? {},
          sumOf((before?.reservations ?? []).map((one) => one.resources)),
        )
      : resources(toModel(fields.total));
  const total = add(unreserved, sumOf(reservations.map((one) => one.resources)));
  const revocable =
    fields.revocable === undefined ? before?.revocable : resources(toModel(fields.revocable));
  return {
    id: agentId(fields.id),
    total,
    revocable: revocable ?? {},
    reservations,
    attributes: attributesOf(fields.attributes) ?? before?.attributes ?? {},
    schedulable: true,
    hasGpus: (total['gpus'] ?? 0) > 0,
  };
}

/** A new framework, or one with the fields that change. Without a list of capabilities: neither revocable nor GPUs. */
export function frameworkFrom(
  fields: Fields<'addFramework'>,
  before: AllocatorFramework | undefined,
): AllocatorFramework {
  const minAllocatable = fields.minAllocatable?.map(toModel) ?? before?.minAllocatable;
  const capabilities =
    fields.capabilities === undefined
      ? before?.capabilities
      : {
          revocable: fields.capabilities.includes('REVOCABLE_RESOURCES'),
          gpu: fields.capabilities.includes('GPU_RESOURCES'),
        };
  return {
    id: frameworkId(fields.id),
    roles: fields.roles?.map(rolePath) ?? before?.roles ?? [],
    suppressedRoles: fields.suppressed?.map(rolePath) ?? before?.suppressedRoles ?? [],
    active: fields.active ?? before?.active ?? true,
    capabilities: capabilities ?? { revocable: false, gpu: false },
    ...(minAllocatable === undefined ? {} : { minAllocatable }),
  };
}

/** A quota as a step writes it; refused when it breaks a rule or lies below use. */
export function quotaFrom(
  fields: Fields<'setQuota'>,
  consumed: Resources,
  mode: 'mesos' | 'mezzo',
): { readonly guarantees: Resources; readonly limits: Resources } {
  const guarantees = resources(toModel(fields.guarantees ?? fields.quota));
  const limits = toModel(fields.limits ?? fields.quota);
  if (mode === 'mesos' && fields.role.includes('/'))
    throw new StepRefused(`${fields.role} is nested; quota is for top-level roles only`);
  for (const name in limits) {
    const limit = limits[name] ?? 0;
    if ((guarantees[name] ?? 0) > limit)
      throw new StepRefused(`the guarantee of ${name} is above its limit`);
    if ((consumed[name] ?? 0) > limit)
      throw new StepRefused(`the limit of ${name} is below what ${fields.role} consumes`);
  }
  return { guarantees, limits };
}

/** An allocation as a step names it. */
export function heldFrom(
  fields: Omit<Fields<'use'>, 'agent'> & { readonly agent: string },
  kind: Allocation['kind'],
): Allocation {
  const reserved = sumOf((fields.reserved ?? []).map((one) => toModel(one.resources)));
  return {
    framework: frameworkId(fields.framework),
    role: rolePath(fields.role),
    agent: agentId(fields.agent),
    resources: add(toModel(fields.resources), reserved),
    revocable: toModel(fields.revocable),
    reserved,
    kind,
  };
}

/** Mesos's text form `foo:bar;baz:quux`, or a map. */
function attributesOf(
  attributes: string | Readonly<Record<string, string>> | undefined,
): Readonly<Record<string, string>> | undefined {
  if (typeof attributes !== 'string') return attributes;
  return Object.fromEntries(
    attributes.split(';').map((pair) => {
      const colon = pair.indexOf(':');
      return [pair.slice(0, colon), pair.slice(colon + 1)];
    }),
  );
}

/** Refuses the step unless `wanted` is within `have`; `where` says of what. */
export function refuseUnless(wanted: Resources, have: Resources, where: string): void {
  if (fits(wanted, have)) return;
  throw new StepRefused(`${describeAmounts(shortfall(wanted, have))} more than is ${where}`);
}
