import { isAllocatableTo } from '../../allocator/rolePaths.ts';
import { shortHash } from '../../model/hash.ts';
import type { AgentId, FrameworkId, RolePath } from '../../model/ids.ts';
import {
  add,
  equal,
  fits,
  isEmpty,
  min,
  type Resources,
  shortfall,
  subtract,
} from '../../model/resources.ts';
import { API_VERSION, RESERVATIONS, type ReservationObject } from '../../schema/mezzoKinds.ts';
import { formatResources, parseResources } from '../../schema/quantity.ts';
import type { ReservedPart } from '../../state/offerBook.ts';
import { isVolume, type VolumeSource } from './volumeObjects.ts';

/** One level of a reservation, as Mesos's `ReservationInfo`. */
export interface ReservationStep {
  readonly role: string;
  readonly principal?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
}
/** A reservation with those it refines, outermost first. */
export type ReservationStack = readonly ReservationStep[];

/** RESERVE or UNRESERVE on accepted offers of one agent. */
export interface ReservationOperation {
  readonly kind: 'reserve' | 'unreserve';
  /** Names the operation for ever; the same one done twice is done once. */
  readonly operation: string;
  readonly resources: Resources;
  /** The reservation to make, or the one to undo (its innermost level). */
  readonly stack: ReservationStack;
}

/** What is left of accepted offers. */
export interface OfferPool {
  readonly unreserved: Resources;
  readonly parts: readonly ReservedPart[];
}

/**
 * One object to be brought to `left`, or deleted when nothing is left; a volume then is marked as destroyed. Refused when
 * it has changed since.
 */
export interface ReservationChange {
  readonly object: ReservationObject;
  readonly from: Resources;
  readonly left: Resources;
  /** For a volume that changes its size. */
  readonly sources?: readonly VolumeSource[];
}

export type OperationPlan =
  | {
      readonly kind: 'planned';
      readonly creates: readonly ReservationObject[];
      readonly changes: readonly ReservationChange[];
      readonly pool: OfferPool;
    }
  | { readonly kind: 'refused'; readonly message: string };

export interface OperationContext {
  readonly framework: FrameworkId;
  readonly agent: AgentId;
  /** Reservations by name, those on their way included. */
  readonly reservations: ReadonlyMap<string, ReservationObject>;
}

/** Reservations one agent may have: each is an object of the API server. */
const MOST_PER_AGENT = 256;

/** The levels of a reservation, outermost first; empty for one that is not known. */
export function stackOf(
  name: string,
  reservations: ReadonlyMap<string, ReservationObject>,
): ReservationStack {
  const steps: ReservationStep[] = [];
  let at = reservations.get(name);
  while (at !== undefined && steps.length < 16) {
    const { role, principal, labels, parent } = at.spec;
    // A volume is no level of its own, but for one whose reservation is gone.
    if (!isVolume(at) || parent === undefined || !reservations.has(parent))
      steps.unshift({ role, principal, labels });
    at = parent === undefined ? undefined : reservations.get(parent);
  }
  return steps;
}

/** What an operation does to Reservation objects and to the rest of the offers. Names follow from the operation alone. */
export function planOperation(
  pool: OfferPool,
  operation: ReservationOperation,
  context: OperationContext,
): OperationPlan {
  if (isEmpty(operation.resources)) return refused('the operation names no resources');
  if (operation.stack.length === 0) return refused('the operation names no reservation');
  return operation.kind === 'reserve'
    ? planReserve(pool, operation, context)
    : planUnreserve(pool, operation, context);
}

export const refused = (message: string): OperationPlan => ({ kind: 'refused', message });

function planReserve(
  pool: OfferPool,
  operation: ReservationOperation,
  context: OperationContext,
): OperationPlan {
  const { stack, resources } = operation;
  const base = stack.slice(0, -1);
  const fault = stackFault(stack) ?? crowdFault(context);
  if (fault !== undefined) return refused(fault);
  if (base.length === 0) {
    if (!fits(resources, pool.unreserved))
      return refused(lacks('unreserved resources', resources, pool.unreserved));
    const made = objectOf(operation, context, resources, undefined, 0);
    const unreserved = subtract(pool.unreserved, resources);
    const parts = [...pool.parts, partOf(made)];
    return { kind: 'planned', creates: [made], changes: [], pool: { ...pool, unreserved, parts } };
  }
  const drawn = draw(pool, resources, base, context);
  if (drawn.kind === 'short')
    return refused(lacks('the reservation to refine', resources, drawn.has));
  const creates = drawn.taken.map(({ part, amount }, index) =>
    objectOf(operation, context, amount, part.reservationId, index),
  );
  const parts = [...drawn.left, ...creates.map(partOf)];
  return { kind: 'planned', creates, changes: [], pool: { ...pool, parts } };
}

function planUnreserve(
  pool: OfferPool,
  { stack, resources }: ReservationOperation,
  context: OperationContext,
): OperationPlan {
  const drawn = draw(pool, resources, stack, context);
  if (drawn.kind === 'short') return refused(lacks('that reservation', resources, drawn.has));
  const changes: ReservationChange[] = [];
  let { unreserved } = pool;
  const parts = [...drawn.left];
  for (const { part, amount } of drawn.taken) {
    const object = context.reservations.get(part.reservationId);
    if (object === undefined) return refused(`reservation ${part.reservationId} is gone`);
    if (object.spec.agent !== context.agent)
      return refused(
        `reservation ${part.reservationId} was made for agents by selector; who manages the object may release it, a framework may not`,
      );
    const from = parseResources(object.spec.resources);
    changes.push({ object, from, left: subtract(from, amount) });
    const parent =
      object.spec.parent === undefined ? undefined : context.reservations.get(object.spec.parent);
    if (parent === undefined) unreserved = add(unreserved, amount);
    else parts.push({ ...partOf(parent), resources: amount });
  }
  return { kind: 'planned', creates: [], changes, pool: { unreserved, parts: joined(parts) } };
}

interface Drawn {
  readonly kind: 'enough';
  readonly taken: readonly { readonly part: ReservedPart; readonly amount: Resources }[];
  readonly left: readonly ReservedPart[];
}

/**
 * Takes amounts out of the parts that have exactly this stack, in order of the names of their reservations. Volumes are
 * left whole.
 */
export function draw(
  pool: OfferPool,
  wanted: Resources,
  stack: ReservationStack,
  { reservations }: OperationContext,
): Drawn | { readonly kind: 'short'; readonly has: Resources } {
  let open = wanted;
  let has: Resources = {};
  const taken: { part: ReservedPart; amount: Resources }[] = [];
  const left: ReservedPart[] = [];
  const ordered = pool.parts.toSorted((one, two) =>
    one.reservationId < two.reservationId ? -1 : 1,
  );
  for (const part of ordered) {
    const isEligible =
      !isVolume(reservations.get(part.reservationId)) &&
      sameStack(stackOf(part.reservationId, reservations), stack);
    const amount = isEligible ? min(open, part.resources) : {};
    if (isEmpty(amount)) {
      left.push(part);
      continue;
    }
    open = subtract(open, amount);
    has = add(has, amount);
    taken.push({ part, amount });
    const rest = subtract(part.resources, amount);
    if (!isEmpty(rest)) left.push({ ...part, resources: rest });
  }
  return isEmpty(open) ? { kind: 'enough', taken, left } : { kind: 'short', has };
}

function objectOf(
  { operation, stack }: ReservationOperation,
  { framework, agent }: OperationContext,
  resources: Resources,
  parent: string | undefined,
  index: number,
): ReservationObject {
  const { role, principal, labels } = stack.at(-1) as ReservationStep;
  const key = `${framework}\n${operation}\n${index}`;
  return {
    apiVersion: API_VERSION,
    kind: RESERVATIONS.kind,
    metadata: {
      name: `fw-${shortHash(key, 10)}`,
      annotations: { 'mezzo.dev/operation': key.replaceAll('\n', ' ') },
    },
    spec: {
      role,
      agent,
      resources: formatResources(resources),
      ...(principal === undefined ? {} : { principal }),
      ...(labels === undefined || Object.keys(labels).length === 0
        ? {}
        : { labels: { ...labels } }),
      ...(parent === undefined ? {} : { parent }),
    },
  };
}

export const partOf = ({ metadata, spec }: ReservationObject): ReservedPart => ({
  role: spec.role as RolePath,
  reservationId: metadata.name,
  resources: parseResources(spec.resources),
});

export function joined(parts: readonly ReservedPart[]): readonly ReservedPart[] {
  return [...Map.groupBy(parts, (part) => part.reservationId).values()].map((same) => ({
    ...(same[0] as ReservedPart),
    resources: same.map((part) => part.resources).reduce(add),
  }));
}

/** Each level of a stack is for a role strictly below the one before. Source: Mesos `docs/reservation.md`. */
function stackFault(stack: ReservationStack): string | undefined {
  for (const [index, step] of stack.entries()) {
    const above = stack[index - 1]?.role;
    if (above !== undefined && (above === step.role || !isAllocatableTo(above, step.role)))
      return `a reservation for ${step.role} cannot refine one for ${above}: the role must be below it`;
  }
  return undefined;
}

export function crowdFault({ reservations, agent }: OperationContext): string | undefined {
  let here = 0;
  for (const one of reservations.values()) if (one.spec.agent === agent) here += 1;
  return here < MOST_PER_AGENT
    ? undefined
    : `agent ${agent} has ${here} reservations already, which is the most; unreserve some first`;
}

export function lacks(what: string, wanted: Resources, has: Resources): string {
  const gap = Object.entries(formatResources(shortfall(wanted, has)))
    .map(([name, amount]) => `${amount} ${name}`)
    .join(', ');
  return `the offers hold too little of ${what}: ${gap} missing`;
}

export function sameStack(left: ReservationStack, right: ReservationStack): boolean {
  return (
    left.length === right.length &&
    left.every((step, index) => {
      const other = right[index] as ReservationStep;
      return (
        step.role === other.role &&
        (step.principal ?? '') === (other.principal ?? '') &&
        sameLabels(step.labels ?? {}, other.labels ?? {})
      );
    })
  );
}

function sameLabels(
  left: Readonly<Record<string, string>>,
  right: Readonly<Record<string, string>>,
): boolean {
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}

/** True when the object still asks for what a change was planned from. */
export const isUnchanged = (object: ReservationObject, from: Resources): boolean =>
  equal(parseResources(object.spec.resources), from);
