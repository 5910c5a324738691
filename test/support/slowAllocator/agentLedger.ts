import { isAllocatableTo } from '../../../operator/src/allocator/rolePaths.ts';
import type {
  AgentReservation,
  Allocation,
  AllocatorAgent,
} from '../../../operator/src/allocator/types.ts';
import type { FrameworkId, RolePath } from '../../../operator/src/model/ids.ts';
import {
  add,
  amountOf,
  isEmpty,
  min,
  type Resources,
  subtract,
  sumOf,
} from '../../../operator/src/model/resources.ts';

/** What one framework could be offered in one role on one agent, by the rules that apply to each part. */
export interface Draft {
  /** Held for this framework and role: charged already, so neither limit nor headroom applies. */
  readonly held: Resources;
  readonly unreserved: Resources;
  readonly reservations: readonly AgentReservation[];
  readonly revocable: Resources;
}

/** One allocation as it counts: holds less what their offers took out, reserved parts no larger than the reservations. */
export interface SettledAllocation extends Allocation {
  readonly unreserved: Resources;
}

interface ReservationState {
  readonly reservation: AgentReservation;
  free: Resources;
}

interface HoldState {
  readonly framework: FrameworkId;
  readonly role: RolePath;
  unreserved: Resources;
  readonly reservations: { readonly state: ReservationState; amount: Resources }[];
}

/**
 * What is free on one agent, and for whom, during one cycle.
 *
 * Guarantees: whatever is taken never exceeds `total` (nor `revocable`), also when the agent shrank below its use.
 */
export class AgentLedger {
  readonly agent: AllocatorAgent;
  readonly settled: readonly SettledAllocation[];
  private readonly reservations: readonly ReservationState[];
  private readonly holds: HoldState[] = [];
  /** Physically free and unreserved, held parts included. */
  private unreserved: Resources;
  private freeRevocable: Resources;

  constructor(agent: AllocatorAgent, allocations: readonly Allocation[]) {
    this.agent = agent;
    this.reservations = agent.reservations.map((reservation) => ({
      reservation,
      free: reservation.resources,
    }));
    const settled = settleHolds(allocations).map((allocation) => this.settle(allocation));
    this.settled = settled;
    const used = settled.filter((allocation) => allocation.kind !== 'hold');
    const reserved = sumOf(agent.reservations.map((one) => one.resources));
    const remaining = subtract(agent.total, sumOf(used.map((one) => one.resources)));
    this.clipReservations(remaining);
    this.unreserved = subtract(
      subtract(agent.total, reserved),
      sumOf(used.map((one) => one.unreserved)),
    );
    this.freeRevocable = subtract(agent.revocable, sumOf(settled.map((one) => one.revocable)));
  }

  /** Free for anybody: unreserved and not held. */
  freeForAll(): Resources {
    return subtract(this.unreserved, sumOf(this.holds.map((hold) => hold.unreserved)));
  }

  /** True when nothing of any sort is left on the agent. */
  isExhausted(): boolean {
    return (
      isEmpty(this.unreserved) &&
      isEmpty(this.freeRevocable) &&
      this.reservations.every((state) => isEmpty(state.free)) &&
      this.holds.every((hold) => hold.reservations.every((part) => isEmpty(part.amount)))
    );
  }

  /** What could be offered; `own` leaves out the reservations of ancestors of the role. */
  visibleTo(
    framework: FrameworkId,
    role: RolePath,
    options: { readonly revocable: boolean; readonly reservations: 'own' | 'own and ancestors' },
  ): Draft {
    const mine = this.holds.find((hold) => hold.framework === framework && hold.role === role);
    const others = sumOf(this.holds.filter((hold) => hold !== mine).map((hold) => hold.unreserved));
    const visible = subtract(this.unreserved, others);
    const held = mine === undefined ? {} : min(mine.unreserved, visible);
    const reservations: AgentReservation[] = [];
    for (const state of this.reservations) {
      const owner = state.reservation.role;
      const eligible =
        options.reservations === 'own' ? owner === role : isAllocatableTo(owner, role);
      const heldPart = mine?.reservations.find((part) => part.state === state)?.amount ?? {};
      const free = add(eligible ? state.free : {}, heldPart);
      if (!isEmpty(free)) reservations.push({ ...state.reservation, resources: free });
    }
    return {
      held,
      unreserved: subtract(visible, held),
      reservations,
      revocable: options.revocable ? this.freeRevocable : {},
    };
  }

  /** Removes an offered draft from what is free; returns the part that came out of a hold. */
  take(framework: FrameworkId, role: RolePath, draft: Draft): Resources {
    const mine = this.holds.find((hold) => hold.framework === framework && hold.role === role);
    this.unreserved = subtract(this.unreserved, add(draft.held, draft.unreserved));
    this.freeRevocable = subtract(this.freeRevocable, draft.revocable);
    let fromHold = draft.held;
    if (mine !== undefined) mine.unreserved = subtract(mine.unreserved, draft.held);
    for (const taken of draft.reservations) {
      const state = this.reservations.find(
        (one) => one.reservation.reservationId === taken.reservationId,
      );
      if (state === undefined) continue;
      const part = mine?.reservations.find((one) => one.state === state);
      const heldPart = part === undefined ? {} : min(part.amount, taken.resources);
      if (part !== undefined) part.amount = subtract(part.amount, heldPart);
      fromHold = add(fromHold, heldPart);
      state.free = subtract(state.free, subtract(taken.resources, heldPart));
    }
    return fromHold;
  }

  /** Charges the reserved part to reservations, nearest role first; what finds none is unreserved. */
  private settle(allocation: Allocation): SettledAllocation {
    let open = min(allocation.reserved ?? {}, allocation.resources);
    const parts: { readonly state: ReservationState; amount: Resources }[] = [];
    const eligible = this.reservations
      .filter((state) => isAllocatableTo(state.reservation.role, allocation.role))
      .toSorted((left, right) => right.reservation.role.length - left.reservation.role.length);
    for (const state of eligible) {
      const amount = min(open, state.free);
      if (isEmpty(amount)) continue;
      open = subtract(open, amount);
      state.free = subtract(state.free, amount);
      parts.push({ state, amount });
    }
    const reserved = sumOf(parts.map((part) => part.amount));
    const unreserved = subtract(allocation.resources, reserved);
    if (allocation.kind === 'hold')
      this.holds.push({
        framework: allocation.framework,
        role: allocation.role,
        unreserved,
        reservations: parts,
      });
    return { ...allocation, reserved, unreserved };
  }

  /** A reservation cannot be offered beyond what is physically left: the agent may have shrunk, or be overused. */
  private clipReservations(remaining: Resources): void {
    let left = remaining;
    const clip = (amount: Resources): Resources => {
      const clipped = min(amount, left);
      left = subtract(left, clipped);
      return clipped;
    };
    for (const hold of this.holds)
      for (const part of hold.reservations) part.amount = clip(part.amount);
    for (const state of this.reservations) state.free = clip(state.free);
  }
}

/** Reduces each hold by what outstanding offers took out of it, and joins holds for the same framework and role. */
function settleHolds(allocations: readonly Allocation[]): readonly Allocation[] {
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

/** All non-revocable amounts of a draft. */
export function nonRevocableOf(draft: Draft): Resources {
  return sumOf([draft.held, draft.unreserved, ...draft.reservations.map((one) => one.resources)]);
}

/** Amounts by which the draft counts for the smallest allowed offer: all sorts together. */
export function quantitiesOf(draft: Draft): Resources {
  return add(nonRevocableOf(draft), draft.revocable);
}

/** Total over resource names of how far `have` falls short of `want`, in parts per million of `want`. */
export function shortfallPpm(want: Resources, have: Resources): number {
  let ppm = 0;
  for (const name in want) {
    const wanted = amountOf(want, name);
    const missing = wanted - amountOf(have, name);
    if (missing > 0) ppm += Math.ceil((missing / wanted) * 1_000_000);
  }
  return ppm;
}
