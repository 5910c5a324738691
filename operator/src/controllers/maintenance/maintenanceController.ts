import type { Clock } from '../../ports/clock.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { MAINTENANCE_WINDOWS, type MaintenanceWindowObject } from '../../schema/mezzoKinds.ts';
import type { InverseAnswerRow } from '../../state/inverseOfferBook.ts';
import type { Unavailability } from '../../state/offerBook.ts';
import { type ConditionValue, isoTime, withCondition } from '../shared/conditions.ts';
import type { Recorder } from '../shared/recorder.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import { killTask } from '../task/taskWrites.ts';
import type { World } from '../world.ts';
import { decideDrain } from './decideDrain.ts';
import { gatherDrain, tasksOn } from './gatherDrain.ts';
import { agentsOf, endOf, phaseOf, startOf, unavailableAgents } from './windows.ts';

export interface MaintenanceOptions {
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly recorder: Recorder;
  readonly inverseAnswers: () => readonly InverseAnswerRow[];
}

export interface MaintenanceController {
  reconcile(name: string): Promise<WorkResult>;
  /** Agents an active window keeps free of new work. */
  inMaintenance(): ReadonlySet<string>;
  /** When agents will be away, or are, by name. */
  unavailable(): ReadonlyMap<string, Unavailability>;
}

interface Progress {
  readonly agents: AgentProgress[];
  /** Jobs that cannot spare an instance now. */
  readonly waitsFor: readonly string[];
}

type AgentProgress = NonNullable<NonNullable<MaintenanceWindowObject['status']>['agents']>[number];

const DRAIN_LOOK_MS = 2_000;
/** No timer is longer: the wall clock may step. */
const LONGEST_SLEEP_MS = 10 * 60_000;
const IDLE_STATE = { Scheduled: 'Waiting', Done: 'Released' } as const;
/** Jobs named in one message. */
const NAMED = 5;
/** Agents listed in one status. */
const LISTED = 1_000;

/** Freezes the agents of an active window and, in mode Drain, moves their tasks away a few agents at a time. */
export function createMaintenanceController(options: MaintenanceOptions): MaintenanceController {
  let last: Promise<unknown> = Promise.resolve();
  // Two windows that look at once could both take a job's last spare instance.
  const oneAtATime = async <T>(step: () => Promise<T>): Promise<T> => {
    const turn = last.then(step, step);
    last = turn;
    return await turn;
  };
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
      const { agents, waitsFor } =
        phase === 'Active'
          ? await oneAtATime(() => drainStep(options, window))
          : { agents: agentsIn(options, window, IDLE_STATE[phase]), waitsFor: [] };
      const generation = window.metadata.generation ?? 0;
      await writeStatus<MaintenanceWindowObject>(options.kube, MAINTENANCE_WINDOWS, window, {
        ...window.status,
        observedGeneration: generation,
        phase,
        agents: agents.slice(0, LISTED),
        conditions: withCondition(
          window.status?.conditions,
          condition(window, phase, agents, waitsFor),
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

/** Moves the tasks that may go now; frozen agents wait their turn. */
async function drainStep(
  options: MaintenanceOptions,
  window: MaintenanceWindowObject,
): Promise<Progress> {
  const { world, kube, clock, recorder } = options;
  if (window.spec.mode !== 'Drain')
    return { agents: agentsIn(options, window, 'Frozen'), waitsFor: [] };
  const steps = decideDrain(gatherDrain(world, window, clock.nowMs()));
  for (const { name, state, move, tasksLeft } of steps) {
    const tasks = new Map(tasksOn(world, name).map((task) => [task.key, task]));
    for (const key of move) {
      const task = tasks.get(key);
      if (task === undefined) continue;
      await killTask(kube, task, {
        intent: 'drain',
        nowMs: clock.nowMs(),
        why: `maintenance window ${window.metadata.name} drains ${name}`,
      });
    }
    const before = window.status?.agents?.find((one) => one.name === name);
    if (state === 'Draining' && before?.state !== 'Draining')
      recorder.event(
        window,
        'Normal',
        'AgentDraining',
        `moving ${tasksLeft} task(s) away from ${name}`,
      );
  }
  const answers = answersBy(options);
  return {
    agents: steps.map(({ name, state, tasksLeft }) => ({
      name,
      state,
      tasksLeft,
      ...answers(name),
    })),
    waitsFor: [...new Set(steps.flatMap((step) => step.waitsFor))].toSorted(),
  };
}

function agentsIn(
  options: MaintenanceOptions,
  window: MaintenanceWindowObject,
  state: AgentProgress['state'],
): AgentProgress[] {
  const answers = answersBy(options);
  return agentsOf(options.world, window).map((name) => ({
    name,
    state,
    tasksLeft: tasksOn(options.world, name).length,
    ...answers(name),
  }));
}

/** What frameworks said to leaving each agent; nothing where nobody was asked. */
function answersBy({ inverseAnswers }: MaintenanceOptions) {
  const byAgent = Map.groupBy(inverseAnswers(), (row): string => row.agent);
  return (agent: string): Partial<AgentProgress> => {
    const rows = byAgent.get(agent);
    if (rows === undefined) return {};
    const count = (answer: string): number => rows.filter((row) => row.answer === answer).length;
    return {
      answers: {
        accepted: count('accepted'),
        declined: count('declined'),
        unknown: count('unknown'),
      },
    };
  };
}

/** Ready: the agents are as the window wants them, and whoever waits for that may begin. */
function condition(
  window: MaintenanceWindowObject,
  phase: 'Scheduled' | 'Active' | 'Done',
  agents: readonly AgentProgress[],
  waitsFor: readonly string[],
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
  if (left === 0) return told('True', 'Drained', `no task is left on ${count}`);
  const remains = `${count} take nothing new; ${left} task(s) are left there`;
  if (waitsFor.length === 0) return told('False', 'Draining', remains);
  const named = waitsFor.slice(0, NAMED).join(', ');
  const more = waitsFor.length > NAMED ? ` and ${waitsFor.length - NAMED} more` : '';
  return told(
    'False',
    'WaitingForJobs',
    `${remains}; ${named}${more} can spare no instance (spec.sla.minAvailable): add instances, or set spec.deadlineSeconds or slaPolicy: Ignore here`,
  );
}
