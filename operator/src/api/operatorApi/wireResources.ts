import type {
  Holding,
  ViewedAgent,
  ViewedReservation,
} from '../../controllers/clusterView/types.ts';
import { min, type Resources, subtract, sumOf } from '../../model/resources.ts';
import { scalarFromAmount } from '../../schema/mesos/resource.ts';

/** A Mesos `Resource` as the operator API writes it, with its reservations written out. */
export interface FullResource {
  readonly name: string;
  readonly type: 'SCALAR';
  readonly scalar: { readonly value: number };
  readonly allocation_info?: { readonly role: string };
  readonly reservations?: readonly object[];
  readonly revocable?: Record<string, never>;
  /** Set for a persistent volume. */
  readonly disk?: { readonly persistence: { readonly id: string } };
}

function written(of: Resources, fields: Partial<FullResource> = {}): FullResource[] {
  return Object.keys(of)
    .toSorted()
    .map((name) => ({
      name,
      type: 'SCALAR',
      scalar: { value: scalarFromAmount(name, of[name] ?? 0) },
      ...fields,
    }));
}

function reservationOf({ role, principal, labels }: ViewedReservation): object {
  const pairs = Object.entries(labels).map(([key, value]) => ({ key, value }));
  return {
    type: 'DYNAMIC',
    role,
    ...(principal === undefined ? {} : { principal }),
    ...(pairs.length === 0 ? {} : { labels: { labels: pairs } }),
  };
}

/** Everything an agent has, what is reserved told apart. */
export function agentResources(agent: ViewedAgent): {
  readonly reserved: readonly { readonly role: string; readonly resource: FullResource }[];
  readonly unreserved: readonly FullResource[];
} {
  const { resources, revocable } = agent.total;
  const taken = sumOf(agent.reservations.map((one) => one.resources));
  return {
    reserved: agent.reservations.flatMap((one) =>
      written(one.resources, {
        reservations: [reservationOf(one)],
        ...(one.volume === undefined ? {} : { disk: { persistence: { id: one.volume } } }),
      }).map((resource) => ({
        role: one.role,
        resource,
      })),
    ),
    unreserved: [...written(subtract(resources, taken)), ...written(revocable, { revocable: {} })],
  };
}

export function totalResources(agent: ViewedAgent): readonly FullResource[] {
  const { reserved, unreserved } = agentResources(agent);
  return [...reserved.map((one) => one.resource), ...unreserved];
}

/** What a task or an offer holds, allocated to its role. */
export function heldResources(
  held: Holding & { readonly role: string; readonly reserved: Resources },
): readonly FullResource[] {
  const { resources, revocable, role } = held;
  const reserved = min(held.reserved, resources);
  const allocation_info = { role };
  return [
    ...written(subtract(resources, reserved), { allocation_info }),
    ...written(reserved, { allocation_info, reservations: [{ type: 'DYNAMIC', role }] }),
    ...written(revocable, { allocation_info, revocable: {} }),
  ];
}
