import type { ClusterView, ViewedWindow } from '../../controllers/clusterView/types.ts';

/** JSON of Mesos's `maintenance.Schedule` and `maintenance.ClusterStatus`, alike in both versions of its API. */

export interface WireMachine {
  readonly hostname: string;
  readonly ip: string;
}

/** A window as long as an object allows stands for one that has no end. */
export const LONGEST_WINDOW_MS = 31_536_000_000;

const nanoseconds = (ms: number): object => ({ nanoseconds: ms * 1_000_000 });

function machinesOf(window: ViewedWindow, view: ClusterView): readonly WireMachine[] {
  const agents = new Map(view.agents.map((one) => [one.id, one]));
  return window.agents.map((id) => {
    const agent = agents.get(id);
    return { hostname: agent?.hostname ?? id, ip: agent?.ip ?? '' };
  });
}

/** Windows to come and windows open now, the earliest first. */
export function wireSchedule(view: ClusterView): object {
  const windows = view.windows
    .filter((one) => one.agents.length > 0 && !one.isAgentDrain)
    .map((window) => ({
      machine_ids: machinesOf(window, view),
      unavailability: {
        start: nanoseconds(window.startMs),
        ...(window.durationMs >= LONGEST_WINDOW_MS
          ? {}
          : { duration: nanoseconds(window.durationMs) }),
      },
    }));
  return windows.length === 0 ? {} : { windows };
}

/** Down: an open window empties the machine. Draining: it is in the schedule and not down. */
export function wireMaintenanceStatus(view: ClusterView): object {
  const machines = new Map<string, { readonly machine: WireMachine; down: boolean }>();
  for (const window of view.windows.filter((one) => !one.isAgentDrain)) {
    const isDown = window.active && window.mode === 'Drain';
    for (const machine of machinesOf(window, view)) {
      const known = machines.get(machine.hostname) ?? { machine, down: false };
      known.down ||= isDown;
      machines.set(machine.hostname, known);
    }
  }
  const all = [...machines.values()];
  const draining = all.filter((one) => !one.down).map((one) => ({ id: one.machine }));
  const down = all.filter((one) => one.down).map((one) => one.machine);
  return {
    ...(draining.length === 0 ? {} : { draining_machines: draining }),
    ...(down.length === 0 ? {} : { down_machines: down }),
  };
}
