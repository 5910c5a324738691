import type { MaintenanceWindowObject } from '../../schema/mezzoKinds.ts';
import type { Unavailability } from '../../state/offerBook.ts';
import { attributesOf } from '../scheduling/agents.ts';
import type { World } from '../world.ts';

export type Phase = 'Scheduled' | 'Active' | 'Done';

export const startOf = (window: MaintenanceWindowObject): number => Date.parse(window.spec.start);
export const endOf = (window: MaintenanceWindowObject): number =>
  startOf(window) + window.spec.durationSeconds * 1000;

export function phaseOf(window: MaintenanceWindowObject, nowMs: number): Phase {
  if (nowMs < startOf(window)) return 'Scheduled';
  return nowMs < endOf(window) ? 'Active' : 'Done';
}

/** Names of the agents a window is for, in order. */
export function agentsOf(world: World, window: MaintenanceWindowObject): readonly string[] {
  const { agents, selector } = window.spec;
  return world.nodes
    .list()
    .filter((node) => {
      if (agents?.includes(node.metadata.name)) return true;
      if (selector === undefined || Object.keys(selector).length === 0) return false;
      const labels = attributesOf(node, world.agents.get({ name: node.metadata.name }));
      return Object.entries(selector).every(([key, value]) => labels[key] === value);
    })
    .map((node) => node.metadata.name)
    .toSorted();
}

/**
 * When each agent of a window that is not over will be away; of several windows the one that starts first.
 * Source: Mesos `Unavailability` of offers.
 */
export function unavailableAgents(
  world: World,
  nowMs: number,
): ReadonlyMap<string, Unavailability> {
  const away = new Map<string, Unavailability>();
  const windows = world.maintenanceWindows.list();
  if (windows.length === 0) return away;
  for (const window of windows.toSorted((left, right) => startOf(left) - startOf(right))) {
    if (phaseOf(window, nowMs) === 'Done') continue;
    const unavailability = {
      startMs: startOf(window),
      durationMs: window.spec.durationSeconds * 1000,
    };
    for (const agent of agentsOf(world, window)) {
      if (!away.has(agent)) away.set(agent, unavailability);
    }
  }
  return away;
}
