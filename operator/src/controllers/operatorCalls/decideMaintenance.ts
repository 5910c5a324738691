import { shortHash } from '../../model/hash.ts';
import { ok, type Result } from '../../model/result.ts';
import { printable } from '../../schema/mesos/framework.ts';
import type { Machine, OperatorCallOf, Schedule } from '../../schema/mesos/operatorCall.ts';
import { MAINTENANCE_WINDOWS } from '../../schema/mezzoKinds.ts';
import type { ClusterView, ViewedWindow } from '../clusterView/types.ts';
import { isoTime } from '../shared/conditions.ts';
import { creation, refuseAs } from './planning.ts';
import type { CallPlan, CallRefusal, PlannedWrite } from './types.ts';

/**
 * The maintenance calls on MaintenanceWindow objects. As in Mesos a schedule evicts nobody: its windows are of mode
 * Freeze; START_MAINTENANCE turns them into Drain, from now on; STOP_MAINTENANCE takes the machines out of them.
 * Source: Mesos `src/master/maintenance.cpp`, `validation`; `src/master/http.cpp`, `_startMaintenance`.
 */

/** Longest window an object holds; stands for one without an end. */
const MAX_DURATION_SECONDS = 31_536_000;
const MAX_AGENTS = 1_000;

const scheduleOf = (view: ClusterView): readonly ViewedWindow[] =>
  view.windows.filter((one) => !one.isAgentDrain);

const isDown = (window: ViewedWindow): boolean => window.active && window.mode === 'Drain';

const shown = (machine: Machine): string =>
  `'${printable(machine.hostname ?? '')}' (${printable(machine.ip ?? 'any ip')})`;

interface WantedWindow {
  readonly agents: readonly string[];
  readonly startMs: number;
  readonly durationSeconds: number;
}

/** UPDATE_MAINTENANCE_SCHEDULE: windows that stay the same are left alone, others are made or deleted. */
export function decideSchedule(schedule: Schedule, view: ClusterView): CallPlan {
  const wanted: WantedWindow[] = [];
  const seen = new Set<string>();
  for (const window of schedule.windows) {
    if (window.machine_ids.length === 0)
      return refuseAs('badRequest', 'List of machines in the maintenance window is empty');
    const read = readWindow(window, view, seen);
    if (!read.ok) return read;
    wanted.push(read.value);
  }
  const present = scheduleOf(view);
  for (const agent of present.filter(isDown).flatMap((one) => one.agents))
    if (!seen.has(agent))
      return refuseAs(
        'badRequest',
        `Machine '${agent}' is deactivated and cannot be removed from the schedule; send STOP_MAINTENANCE first`,
      );
  const kept = present.filter((one) => wanted.some((other) => isSame(one, other)) || isDown(one));
  const made = wanted
    .filter((one) => !present.some((other) => isSame(other, one)))
    .map((one) => ({
      ...one,
      agents: one.agents.filter((id) => !kept.some((w) => isDown(w) && w.agents.includes(id))),
    }))
    .filter((one) => one.agents.length > 0);
  return ok([
    ...present.filter((one) => !kept.includes(one)).map(deletion),
    ...made.map((one) => windowCreation('schedule', { ...one, mode: 'Freeze' })),
  ]);
}

function readWindow(
  window: Schedule['windows'][number],
  view: ClusterView,
  seen: Set<string>,
): Result<WantedWindow, CallRefusal> {
  const agents = readMachines(window.machine_ids, view, seen);
  if (!agents.ok) return agents;
  const { start, duration } = window.unavailability;
  const startMs = Math.round(start.nanoseconds / 1_000_000);
  const seconds =
    duration === undefined ? MAX_DURATION_SECONDS : Math.ceil(duration.nanoseconds / 1e9);
  if (seconds < 0) return refuseAs('badRequest', "Unavailability 'duration' is negative");
  if (!(startMs >= 0 && startMs < 8.64e15))
    return refuseAs('badRequest', "Unavailability 'start' is not a time");
  if (agents.value.length > MAX_AGENTS)
    return refuseAs(
      'badRequest',
      `A window holds at most ${MAX_AGENTS} machines; split it into several`,
    );
  const durationSeconds = Math.min(Math.max(seconds, 1), MAX_DURATION_SECONDS);
  return ok({ agents: agents.value, startMs, durationSeconds });
}

/** Agents of machines; each machine once, by host name or address. */
function readMachines(
  machines: readonly Machine[],
  view: ClusterView,
  seen: Set<string>,
): Result<readonly string[], CallRefusal> {
  const agents: string[] = [];
  for (const machine of machines) {
    const { hostname = '', ip = '' } = machine;
    if (hostname === '' && ip === '')
      return refuseAs('badRequest', "Both 'hostname' and 'ip' for a machine are empty");
    const agent = view.agents.find(
      (one) =>
        (hostname === '' || one.hostname === hostname.toLowerCase() || one.id === hostname) &&
        (ip === '' || one.ip === ip),
    );
    if (agent === undefined)
      return refuseAs('badRequest', `Machine ${shown(machine)} is not an agent of this cluster`);
    if (seen.has(agent.id))
      return refuseAs(
        'badRequest',
        `Machine ${shown(machine)} appears more than once in the schedule`,
      );
    seen.add(agent.id);
    agents.push(agent.id);
  }
  return ok(agents);
}

function isSame(window: ViewedWindow, wanted: WantedWindow): boolean {
  return (
    window.agents.length === wanted.agents.length &&
    window.agents.every((one) => wanted.agents.includes(one)) &&
    Math.floor(window.startMs / 1000) === Math.floor(wanted.startMs / 1000) &&
    window.durationMs === wanted.durationSeconds * 1000
  );
}

const deletion = (window: ViewedWindow): PlannedWrite => ({
  verb: 'delete',
  ref: MAINTENANCE_WINDOWS,
  name: window.name,
});

function windowCreation(
  prefix: string,
  window: WantedWindow & { readonly mode: 'Freeze' | 'Drain' },
): PlannedWrite {
  const agents = window.agents.toSorted();
  const key = `${agents.join(' ')}@${window.startMs}+${window.durationSeconds}`;
  return creation(MAINTENANCE_WINDOWS, `${prefix}-${shortHash(key, 10)}`, {
    agents,
    start: isoTime(window.startMs),
    durationSeconds: window.durationSeconds,
    mode: window.mode,
    ...(window.mode === 'Drain' ? { slaPolicy: 'Ignore', concurrency: agents.length } : {}),
  });
}

/** START_MAINTENANCE: the machines go down now. */
export function decideStartMaintenance(
  { machines }: OperatorCallOf<'START_MAINTENANCE'>['body'],
  view: ClusterView,
  nowMs: number,
): CallPlan {
  const split = splitWindows(machines, view, (window, agent) =>
    isDown(window)
      ? `Machine '${agent}' is not in DRAINING mode and cannot be brought down`
      : undefined,
  );
  if (!split.ok) return split;
  return ok(
    split.value.flatMap(({ window, chosen, rest }) => {
      const endMs = window.startMs + window.durationMs;
      const startMs = Math.min(window.startMs, nowMs);
      const durationSeconds = Math.min(
        Math.max(Math.ceil((endMs - startMs) / 1000), 1),
        MAX_DURATION_SECONDS,
      );
      const drain = { agents: chosen, startMs, durationSeconds, mode: 'Drain' } as const;
      return [...shrunk(window, rest), windowCreation('down', drain)];
    }),
  );
}

/** STOP_MAINTENANCE: the machines work again and leave the schedule. */
export function decideStopMaintenance(
  { machines }: OperatorCallOf<'STOP_MAINTENANCE'>['body'],
  view: ClusterView,
): CallPlan {
  const split = splitWindows(machines, view, (window, agent) =>
    isDown(window) ? undefined : `Machine '${agent}' is not in DOWN mode and cannot be brought up`,
  );
  return split.ok ? ok(split.value.flatMap(({ window, rest }) => shrunk(window, rest))) : split;
}

interface SplitWindow {
  readonly window: ViewedWindow;
  readonly chosen: readonly string[];
  readonly rest: readonly string[];
}

function splitWindows(
  machines: readonly Machine[],
  view: ClusterView,
  faultOf: (window: ViewedWindow, agent: string) => string | undefined,
): Result<readonly SplitWindow[], CallRefusal> {
  if (machines.length === 0) return refuseAs('badRequest', 'List of machines is empty');
  const agents = readMachines(machines, view, new Set());
  if (!agents.ok) return agents;
  const chosen = new Map<ViewedWindow, string[]>();
  for (const agent of agents.value) {
    const windows = scheduleOf(view).filter((one) => one.agents.includes(agent));
    const window = windows.find(isDown) ?? windows[0];
    if (window === undefined)
      return refuseAs('badRequest', `Machine '${agent}' is not part of a maintenance schedule`);
    const fault = faultOf(window, agent);
    if (fault !== undefined) return refuseAs('badRequest', fault);
    chosen.set(window, [...(chosen.get(window) ?? []), agent]);
  }
  const split: SplitWindow[] = [];
  for (const [window, some] of chosen) {
    const rest = window.agents.filter((one) => !some.includes(one));
    if (window.bySelector && rest.length > 0)
      return refuseAs(
        'conflict',
        `MaintenanceWindow '${window.name}' chooses its agents by selector and has others too; change it with kubectl`,
      );
    split.push({ window, chosen: some, rest });
  }
  return ok(split);
}

/** The window without the agents that leave it. */
function shrunk(window: ViewedWindow, rest: readonly string[]): readonly PlannedWrite[] {
  if (rest.length === 0) return [deletion(window)];
  const patch = { spec: { agents: rest } };
  return [{ verb: 'patch', ref: MAINTENANCE_WINDOWS, name: window.name, patch }];
}
