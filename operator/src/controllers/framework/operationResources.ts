import type { Resources } from '../../model/resources.ts';
import { isEmpty } from '../../model/resources.ts';
import { ok, type Result, refuse } from '../../model/result.ts';
import { printable } from '../../schema/mesos/framework.ts';
import type { OfferOperation } from '../../schema/mesos/operation.ts';
import { amountsFromMesos, type MesosResource } from '../../schema/mesos/resource.ts';
import type { ReservationStack } from '../reservation/planOperation.ts';

/** Who accepts, and what. */
export interface AcceptContext {
  /** Ids of the framework's tasks that live or are being launched. */
  readonly isTaken: (task: string) => boolean;
  readonly frameworkId: string;
  readonly principal: string;
  readonly roles: readonly string[];
  /** It has the SHARED_RESOURCES capability. */
  readonly seesShared: boolean;
  /** Agent and role of the offers; undefined when they are not valid. */
  readonly offer: { readonly agent: string; readonly role: string } | undefined;
}

/** A RESERVE or UNRESERVE that is well-formed; whether the offers hold it is seen when it is carried out. */
export interface AskedReservation {
  readonly kind: 'reserve' | 'unreserve';
  readonly resources: Resources;
  readonly stack: ReservationStack;
}

/**
 * Reads what a RESERVE or UNRESERVE asks for.
 * Errors: a text that names the operation and the resource, for OPERATION_ERROR.
 * Source: Mesos `src/master/validation.cpp`, `operation::validate` of `Reserve` and `Unreserve`.
 */
export function reservationOf(
  kind: 'reserve' | 'unreserve',
  operation: OfferOperation,
  context: AcceptContext,
): Result<AskedReservation, string> {
  const name = kind.toUpperCase();
  const resources = (kind === 'reserve' ? operation.reserve : operation.unreserve)?.resources ?? [];
  const [first] = resources;
  if (first === undefined) return refuse(`${name}: it names no resources`);
  if (kind === 'reserve' && (operation.reserve?.source.length ?? 0) > 0)
    return refuse(`${name}: 'source' is not for frameworks`);
  const stack = stackOfResource(first);
  for (const one of resources) {
    const fault = resourceFault(one, kind, context);
    if (fault !== undefined) return refuse(`${name}: resource '${printable(one.name)}' ${fault}`);
    if (JSON.stringify(stackOfResource(one)) !== JSON.stringify(stack))
      return refuse(`${name}: its resources are of different reservations; use one operation each`);
  }
  const amounts = amountsFromMesos(resources);
  if (!amounts.ok) return refuse(`${name}: ${amounts.refusal}`);
  if (isEmpty(amounts.value.resources)) return refuse(`${name}: it names no resources`);
  return ok({ kind, resources: amounts.value.resources, stack });
}

/** The levels of a resource's reservation, outermost first, in the newer or in the older form. */
export function stackOfResource(resource: MesosResource): ReservationStack {
  const { reservations, role, reservation } = resource;
  if (reservations.length > 0)
    return reservations.map((one) => ({
      role: one.role ?? '',
      principal: one.principal,
      labels: labelsOf(one.labels),
    }));
  if (role === undefined || role === '*') return [];
  return [{ role, principal: reservation?.principal, labels: labelsOf(reservation?.labels) }];
}

function resourceFault(
  resource: MesosResource,
  kind: 'reserve' | 'unreserve',
  { principal, roles, offer }: AcceptContext,
): string | undefined {
  if (resource.provider_id !== undefined) return 'is of a resource provider; there are none here';
  if (resource.revocable !== undefined) return 'is revocable and cannot be reserved';
  if (resource.disk?.persistence !== undefined) return 'is a persistent volume; destroy it first';
  const innermost = stackOfResource(resource).at(-1);
  if (innermost === undefined || !isDynamic(resource)) return 'is not dynamically reserved';
  if (kind === 'unreserve') return undefined;
  // Callers without credentials do not know the name they have here: nobody's reservation is the role's.
  if (innermost.principal !== undefined && innermost.principal !== principal)
    return `is reserved by principal '${printable(innermost.principal)}', but the framework's is '${principal}'`;
  if (!roles.includes(innermost.role))
    return `is reserved for role '${printable(innermost.role)}', but the framework has ${roles.join(', ')}`;
  if (offer !== undefined && innermost.role !== offer.role)
    return `is reserved for role '${innermost.role}', but the offers are for role '${offer.role}'`;
  return undefined;
}

const isDynamic = ({ reservations, reservation }: MesosResource): boolean =>
  reservations.length > 0 ? reservations.at(-1)?.type === 'DYNAMIC' : reservation !== undefined;

type WireLabels = NonNullable<MesosResource['reservation']>['labels'];

function labelsOf(wire: WireLabels): Readonly<Record<string, string>> {
  return Object.fromEntries((wire?.labels ?? []).map(({ key, value }) => [key, value ?? '']));
}
