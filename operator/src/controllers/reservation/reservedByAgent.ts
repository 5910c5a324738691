import type { AgentReservation } from '../../allocator/types.ts';
import { rolePath } from '../../model/ids.ts';
import { add, isEmpty, type Resources, subtract } from '../../model/resources.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import { parseResources } from '../../schema/quantity.ts';
import { isDestroyed, isVolume, sourcesOf, volumeSize } from './volumeObjects.ts';

/** What is reserved on each agent, for the allocator: refined parts and volumes belong to themselves alone. */
export function reservedByAgent(
  reservations: readonly ReservationObject[],
): ReadonlyMap<string, readonly AgentReservation[]> {
  const listed = reservations.filter((one) => !isDestroyed(one));
  const parted = takenOutOf(listed);
  const byAgent = new Map<string, AgentReservation[]>();
  for (const one of listed) {
    const { metadata, spec, status } = one;
    for (const agent of status?.agents ?? []) {
      const taken = parted.get(keyOf(metadata.name, agent)) ?? {};
      const resources = subtract(boundAmounts(one), taken);
      if (isEmpty(resources)) continue;
      const list = byAgent.get(agent) ?? [];
      list.push({
        role: rolePath(spec.role),
        resources,
        reservationId: metadata.name,
        ...(spec.volume === undefined ? {} : { volume: { shared: spec.volume.shared === true } }),
      });
      byAgent.set(agent, list);
    }
  }
  return byAgent;
}

const keyOf = (reservation: string, agent: string): string => `${reservation}\n${agent}`;

/** What refinements and volumes have of each reservation on each agent. */
function takenOutOf(reservations: readonly ReservationObject[]): ReadonlyMap<string, Resources> {
  const taken = new Map<string, Resources>();
  const take = (reservation: string, agent: string, amounts: Resources): void => {
    const key = keyOf(reservation, agent);
    taken.set(key, add(taken.get(key) ?? {}, amounts));
  };
  for (const one of reservations) {
    for (const agent of one.status?.agents ?? []) {
      if (isVolume(one))
        for (const { reservation, bytes } of sourcesOf(one))
          take(reservation, agent, { disk: bytes });
      else if (one.spec.parent !== undefined) take(one.spec.parent, agent, boundAmounts(one));
    }
  }
  return taken;
}

const boundAmounts = (one: ReservationObject): Resources =>
  isVolume(one) ? volumeSize(one) : parseResources(one.status?.resources ?? one.spec.resources);
