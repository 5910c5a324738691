import type { AgentReservation } from '../../allocator/types.ts';
import { rolePath } from '../../model/ids.ts';
import { fits, type Resources, subtract } from '../../model/resources.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import { parseResources } from '../../schema/quantity.ts';

/** Where one reservation lies, and why not more of it. */
export interface Binding {
  readonly agents: readonly string[];
  readonly wanted: number;
  readonly expired: boolean;
  readonly problem: string | undefined;
}

export interface BindInput {
  readonly reservations: readonly ReservationObject[];
  readonly agents: readonly {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly total: Resources;
    readonly taken: Resources;
  }[];
  readonly nowMs: number;
  readonly parseTime: (iso: string) => number;
}

/**
 * Binds reservations to agents, oldest first. What is bound stays where it is while it fits the agent at all; new ones go
 * where unreserved capacity is free now, agents in order of name.
 * Guarantees: reservations together never exceed an agent's capacity.
 */
export function bindReservations(input: BindInput): ReadonlyMap<string, Binding> {
  const unreserved = new Map(input.agents.map((agent) => [agent.name, agent.total]));
  const bindings = new Map<string, Binding>();
  for (const reservation of input.reservations.toSorted(byAge)) {
    bindings.set(reservation.metadata.name, bindOne(input, reservation, unreserved));
  }
  return bindings;
}

function bindOne(
  input: BindInput,
  reservation: ReservationObject,
  unreserved: Map<string, Resources>,
): Binding {
  const needed = parseResources(reservation.spec.resources);
  const wanted = reservation.spec.agent === undefined ? (reservation.spec.count ?? 1) : 1;
  const expired = isExpired(input, reservation);
  if (expired)
    return { agents: [], wanted, expired, problem: 'its time to live (spec.ttlSeconds) is over' };
  const matching = input.agents.filter((agent) => matches(reservation, agent));
  if (matching.length === 0) {
    const where =
      reservation.spec.agent === undefined
        ? 'spec.selector matches no agent'
        : `spec.agent ${reservation.spec.agent} is not an agent of this cluster`;
    return { agents: [], wanted, expired, problem: where };
  }
  const former = new Set(reservation.status?.agents ?? []);
  const ordered = matching.toSorted(
    (left, right) =>
      Number(former.has(right.name)) - Number(former.has(left.name)) ||
      (left.name < right.name ? -1 : 1),
  );
  const agents: string[] = [];
  for (const agent of ordered) {
    if (agents.length === wanted) break;
    const open = unreserved.get(agent.name) ?? {};
    // Tasks may run on what was reserved before; a new reservation needs capacity that nobody uses.
    const available = former.has(agent.name) ? open : subtract(open, agent.taken);
    if (!fits(needed, available)) continue;
    unreserved.set(agent.name, subtract(open, needed));
    agents.push(agent.name);
  }
  const problem =
    agents.length === wanted
      ? undefined
      : `bound on ${agents.length} of ${wanted} agents; ${matching.length} match, the others have too little unreserved free capacity`;
  return { agents: agents.toSorted(), wanted, expired, problem };
}

function matches(reservation: ReservationObject, agent: BindInput['agents'][number]): boolean {
  if (reservation.spec.agent !== undefined) return reservation.spec.agent === agent.name;
  return Object.entries(reservation.spec.selector ?? {}).every(
    ([key, value]) => agent.labels[key] === value,
  );
}

function isExpired(input: BindInput, reservation: ReservationObject): boolean {
  const { ttlSeconds } = reservation.spec;
  if (ttlSeconds === undefined) return false;
  return (
    input.nowMs >= input.parseTime(reservation.metadata.creationTimestamp ?? '') + ttlSeconds * 1000
  );
}

/** What is reserved on each agent, for the allocator. */
export function reservedByAgent(
  reservations: readonly ReservationObject[],
  bindings: ReadonlyMap<string, Binding>,
): ReadonlyMap<string, readonly AgentReservation[]> {
  const byAgent = new Map<string, AgentReservation[]>();
  for (const reservation of reservations) {
    const one = {
      role: rolePath(reservation.spec.role),
      resources: parseResources(reservation.spec.resources),
      reservationId: reservation.metadata.name,
    };
    for (const agent of bindings.get(reservation.metadata.name)?.agents ?? []) {
      byAgent.set(agent, [...(byAgent.get(agent) ?? []), one]);
    }
  }
  return byAgent;
}

function byAge(left: ReservationObject, right: ReservationObject): number {
  const of = (one: ReservationObject): string =>
    `${one.metadata.creationTimestamp ?? ''} ${one.metadata.name}`;
  return of(left) < of(right) ? -1 : 1;
}
