import type {
  ClusterView,
  ViewedAgent,
  ViewedInverseAnswer,
  ViewedWindow,
} from '../../controllers/clusterView/types.ts';

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
  return window.agents.map((id) => machineOf(id, agents.get(id)));
}

const machineOf = (id: string, agent: ViewedAgent | undefined): WireMachine => ({
  hostname: agent?.hostname ?? id,
  ip: agent?.ip ?? '',
});

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

const ANSWERS = {
  unknown: 'UNKNOWN',
  accepted: 'ACCEPT',
  declined: 'DECLINE',
} as const satisfies Record<ViewedInverseAnswer['answer'], string>;

/** Mesos's `InverseOfferStatus`. */
const wireAnswer = ({ framework, answer, atMs }: ViewedInverseAnswer): object => ({
  status: ANSWERS[answer],
  framework_id: { value: framework },
  timestamp: nanoseconds(atMs),
});

/** Down: an open window empties the machine. Draining: it is in the schedule and not down. */
export function wireMaintenanceStatus(view: ClusterView): object {
  const agents = new Map(view.agents.map((one) => [one.id, one]));
  const machines = new Map<
    string,
    { readonly agent: string; readonly machine: WireMachine; down: boolean }
  >();
  for (const window of view.windows.filter((one) => !one.isAgentDrain)) {
    const isDown = window.active && window.mode === 'Drain';
    for (const agent of window.agents) {
      const machine = machineOf(agent, agents.get(agent));
      const known = machines.get(agent) ?? { agent, machine, down: false };
      known.down ||= isDown;
      machines.set(agent, known);
    }
  }
  const all = [...machines.values()];
  const answersOn = Map.groupBy(view.inverseAnswers, (one) => one.agent);
  const draining = all
    .filter((one) => !one.down)
    .map(({ agent, machine }) => {
      const statuses = (answersOn.get(agent) ?? []).map(wireAnswer);
      return { id: machine, ...(statuses.length === 0 ? {} : { statuses }) };
    });
  const down = all.filter((one) => one.down).map((one) => one.machine);
  return {
    ...(draining.length === 0 ? {} : { draining_machines: draining }),
    ...(down.length === 0 ? {} : { down_machines: down }),
  };
}
