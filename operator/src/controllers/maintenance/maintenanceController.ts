import type { Clock } from '../../ports/clock.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { MAINTENANCE_WINDOWS, type MaintenanceWindowObject } from '../../schema/mezzoKinds.ts';
import type { Unavailability } from '../../state/offerBook.ts';
import { type ConditionValue, isoTime, withCondition } from '../shared/conditions.ts';
import type { Recorder } from '../shared/recorder.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import { type TaskView, taskViewOf } from '../task/taskView.ts';
import { killTask } from '../task/taskWrites.ts';
import type { World } from '../world.ts';
import { agentsOf, endOf, phaseOf, startOf, unavailableAgents } from './windows.ts';

export interface MaintenanceOptions {
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly recorder: Recorder;
}

export interface MaintenanceController {
  reconcile(name: string): Promise<WorkResult>;
  /** Agents an active window keeps free of new work. */
  inMaintenance(): ReadonlySet<string>;
  /** When agents will be away, or are, by name. */
  unavailable(): ReadonlyMap<string, Unavailability>;
}

type AgentProgress = NonNullable<NonNullable<MaintenanceWindowObject['status']>['agents']>[number];

const DRAIN_LOOK_MS = 2_000;
/** No timer is longer: the wall clock may step. */
const LONGEST_SLEEP_MS = 10 * 60_000;
/** Agents listed in one status. */
const LISTED = 1_000;

/** Freezes the agents of an active window and, in mode Drain, moves their tasks away a few agents at a time. */
export function createMaintenanceController(options: MaintenanceOptions): MaintenanceController {
  return {
    inMaintenance() {
      const nowMs = options.clock.nowMs();
      const active = options.world.maintenanceWindows
        .list()
        .filter((one) => phaseOf(one, nowMs) === 'Active');
      return new Set(active.flatMap((window) => agentsOf(options.world, window)));
    },
    unavailable: () => unavailableAgents(options.world, options.clock.nowMs()),
    async reconcile(name) {
      const window = options.world.maintenanceWindows.get({ name });
      if (window === undefined) return { kind: 'awaitChange' };
      const nowMs = options.clock.nowMs();
      const phase = phaseOf(window, nowMs);
      const agents =
        phase === 'Active'
          ? await drainStep(options, window)
          : idleAgents(options.world, window, phase);
      const generation = window.metadata.generation ?? 0;
      await writeStatus<MaintenanceWindowObject>(options.kube, MAINTENANCE_WINDOWS, window, {
        ...window.status,
        observedGeneration: generation,
        phase,
        agents: agents.slice(0, LISTED),
        conditions: withCondition(
          window.status?.conditions,
          condition(window, phase, agents),
          generation,
          isoTime(nowMs),
        ),
      });
      if (phase === 'Done') return { kind: 'awaitChange' };
      const untilMs =
        phase === 'Scheduled'
          ? startOf(window) - nowMs
          : Math.min(endOf(window) - nowMs, DRAIN_LOOK_MS);
      return { kind: 'requeueAfter', delayMs: Math.min(Math.max(untilMs, 1), LONGEST_SLEEP_MS) };
    },
  };
}

function tasksOn(world: World, agent: string): readonly TaskView[] {
  return world.pods
    .byIndex('node', agent)
    .filter((pod) => pod.metadata.labels?.['mezzo.dev/framework'] !== undefined)
    .map(taskViewOf)
    .filter((task) => !task.terminal);
}

/** Drains at most `spec.concurrency` agents at the same time; frozen ones wait their turn. */
async function drainStep(
  options: MaintenanceOptions,
  window: MaintenanceWindowObject,
): Promise<AgentProgress[]> {
  const progress: AgentProgress[] = [];
  let draining = 0;
  for (const name of agentsOf(options.world, window)) {
    const tasks = tasksOn(options.world, name);
    const tasksLeft = tasks.length;
    if (window.spec.mode !== 'Drain') progress.push({ name, state: 'Frozen', tasksLeft });
    else if (tasksLeft === 0) progress.push({ name, state: 'Drained', tasksLeft });
    else if (draining >= (window.spec.concurrency ?? 1))
      progress.push({ name, state: 'Frozen', tasksLeft });
    else {
      draining += 1;
      for (const task of tasks.filter((one) => !one.deleting)) {
        await killTask(options.kube, task, {
          intent: 'drain',
          nowMs: options.clock.nowMs(),
          why: `maintenance window ${window.metadata.name} drains ${name}`,
        });
      }
      const before = window.status?.agents?.find((one) => one.name === name);
      if (before?.state !== 'Draining')
        options.recorder.event(
          window,
          'Normal',
          'AgentDraining',
          `moving ${tasksLeft} task(s) away from ${name}`,
        );
      progress.push({ name, state: 'Draining', tasksLeft });
    }
  }
  return progress;
}

function idleAgents(
  world: World,
  window: MaintenanceWindowObject,
  phase: 'Scheduled' | 'Done',
): AgentProgress[] {
  const state = phase === 'Scheduled' ? ('Waiting' as const) : ('Released' as const);
  return agentsOf(world, window).map((name) => ({
    name,
    state,
    tasksLeft: tasksOn(world, name).length,
  }));
}

/** Ready: the agents are as the window wants them, and whoever waits for that may begin. */
function condition(
  window: MaintenanceWindowObject,
  phase: 'Scheduled' | 'Active' | 'Done',
  agents: readonly AgentProgress[],
): ConditionValue {
  const told = (status: 'True' | 'False', reason: string, message: string): ConditionValue => ({
    type: 'Ready',
    status,
    reason,
    message,
  });
  const count = `${agents.length} agent(s)`;
  if (phase === 'Done')
    return told('False', 'Over', `the window is over; ${count} take work again`);
  if (agents.length === 0)
    return told('False', 'NoAgents', 'neither spec.agents nor spec.selector matches an agent');
  if (phase === 'Scheduled') return told('False', 'Scheduled', `starts at ${window.spec.start}`);
  const left = agents.reduce((total, agent) => total + agent.tasksLeft, 0);
  if (window.spec.mode !== 'Drain')
    return told('True', 'Frozen', `${count} take nothing new; ${left} task(s) go on running there`);
  return left === 0
    ? told('True', 'Drained', `no task is left on ${count}`)
    : told('False', 'Draining', `${count} take nothing new; ${left} task(s) are left there`);
}
