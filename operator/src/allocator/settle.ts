import { add, isEmpty, min, type Resources, subtract, sumOf } from '../model/resources.ts';
import { isAllocatableTo } from './rolePaths.ts';
import type { AgentReservation, Allocation, AllocatorAgent } from './types.ts';

/** One allocation as it counts: holds less what their offers took out, reserved parts no larger than the reservations. */
export interface SettledAllocation extends Allocation {
  readonly unreserved: Resources;
  readonly reservedParts: readonly {
    readonly reservation: AgentReservation;
    readonly amount: Resources;
  }[];
}

interface ReservationState {
  readonly reservation: AgentReservation;
  free: Resources;
}

/**
 * Charges what is taken on one agent to its reservations: volumes to themselves, the rest nearest role first; what finds
 * none is unreserved.
 *
 * Output: tasks and offers in their order, then one hold per framework and role.
 */
export function settle(
  agent: AllocatorAgent,
  allocations: readonly Allocation[],
): readonly SettledAllocation[] {
  const states = agent.reservations.map((reservation) => ({
    reservation,
    free: reservation.resources,
  }));
  return settleHolds(allocations).map((allocation) => chargeTo(states, allocation));
}

function chargeTo(states: readonly ReservationState[], allocation: Allocation): SettledAllocation {
  let open = min(allocation.reserved ?? {}, allocation.resources);
  const parts: { readonly reservation: AgentReservation; readonly amount: Resources }[] = [];
  const shared: typeof parts = [];
  for (const id of allocation.volumes ?? []) {
    const state = states.find(({ reservation }) => reservation.reservationId === id);
    if (state?.reservation.volume === undefined) continue;
    const { reservation } = state;
    if (reservation.volume?.shared === true) {
      shared.push({ reservation, amount: reservation.resources });
      continue;
    }
    const amount = min(open, state.free);
    open = subtract(open, amount);
    state.free = subtract(state.free, amount);
    parts.push({ reservation, amount });
  }
  const eligible = isEmpty(open)
    ? []
    : states
        .filter(({ reservation }) => reservation.volume === undefined)
        .filter((state) => isAllocatableTo(state.reservation.role, allocation.role))
        .toSorted((left, right) => right.reservation.role.length - left.reservation.role.length);
  for (const state of eligible) {
    const amount = min(open, state.free);
    if (isEmpty(amount)) continue;
    open = subtract(open, amount);
    state.free = subtract(state.free, amount);
    parts.push({ reservation: state.reservation, amount });
  }
  const reserved = sumOf(parts.map((part) => part.amount));
  const unreserved = subtract(allocation.resources, reserved);
  return { ...allocation, reserved, unreserved, reservedParts: [...parts, ...shared] };
}

/** Reduces each hold by what outstanding offers took out of it, and joins holds for the same framework and role. */
function settleHolds(allocations: readonly Allocation[]): readonly Allocation[] {
  if (!allocations.some((one) => one.kind === 'hold')) return allocations;
  const holds = new Map<string, Allocation>();
  const rest: Allocation[] = [];
  const keyOf = (one: Allocation): string => `${one.framework}\n${one.role}`;
  for (const one of allocations) {
    if (one.kind !== 'hold') {
      rest.push(one);
      continue;
    }
    const same = holds.get(keyOf(one));
    holds.set(keyOf(one), {
      ...one,
      resources: add(same?.resources ?? {}, one.resources),
      revocable: add(same?.revocable ?? {}, one.revocable),
      reserved: add(same?.reserved ?? {}, one.reserved ?? {}),
    });
  }
  for (const one of rest) {
    const hold = one.fromHold === undefined ? undefined : holds.get(keyOf(one));
    if (hold === undefined || one.fromHold === undefined) continue;
    const reservedPart = min(one.fromHold, one.reserved ?? {});
    holds.set(keyOf(one), {
      ...hold,
      resources: subtract(hold.resources, one.fromHold),
      reserved: subtract(hold.reserved ?? {}, reservedPart),
    });
  }
  return [...rest, ...holds.values()];
}
