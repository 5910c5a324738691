import { isAllocatableTo } from '../../allocator/rolePaths.ts';
import type { AgentReservation } from '../../allocator/types.ts';
import { add, isEmpty, min, type Resources, subtract } from '../../model/resources.ts';
import type { TaskView } from '../task/taskView.ts';

/**
 * What tasks hold of each reservation, by its id, over all agents. A task is charged to the reservation of the nearest role
 * first, as the allocator does.
 */
export function usedByReservation(
  reserved: ReadonlyMap<string, readonly AgentReservation[]>,
  tasks: readonly Pick<TaskView, 'agent' | 'role' | 'reserved' | 'volumes'>[],
): ReadonlyMap<string, Resources> {
  const used = new Map<string, Resources>();
  const free = new Map<AgentReservation, Resources>();
  for (const task of tasks) {
    let open = task.reserved;
    const here = reserved.get(task.agent) ?? [];
    for (const one of here) {
      if (one.volume === undefined || !task.volumes.includes(one.reservationId)) continue;
      if (!one.volume.shared) open = subtract(open, one.resources);
      used.set(one.reservationId, one.resources);
    }
    if (isEmpty(open)) continue;
    const eligible = here
      .filter((one) => one.volume === undefined && isAllocatableTo(one.role, task.role))
      .toSorted((left, right) => right.role.length - left.role.length);
    for (const one of eligible) {
      const left = free.get(one) ?? one.resources;
      const amount = min(open, left);
      if (isEmpty(amount)) continue;
      open = subtract(open, amount);
      free.set(one, subtract(left, amount));
      used.set(one.reservationId, add(used.get(one.reservationId) ?? {}, amount));
    }
  }
  return used;
}
