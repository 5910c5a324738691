import { isAllocatableTo } from '../../allocator/rolePaths.ts';
import type { Allocation, AllocatorAgent } from '../../allocator/types.ts';
import { type Resources, subtract, sumOf } from '../../model/resources.ts';

/** What reservations keep free on an agent that `role` may not use. `allocations`: those on the agent. */
export function reservedForOthers(
  agent: AllocatorAgent,
  role: string,
  allocations: readonly Allocation[],
): Resources {
  const others = agent.reservations.filter((one) => !isAllocatableTo(one.role, role));
  const used = allocations
    .filter((one) => others.some((other) => isAllocatableTo(other.role, one.role)))
    .map((one) => one.reserved ?? {});
  return subtract(sumOf(others.map((one) => one.resources)), sumOf(used));
}
