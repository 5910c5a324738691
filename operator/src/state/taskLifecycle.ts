import { TASK_STATES, type TaskState } from './taskState.ts';

/** Work that follows a transition, in the order in which it must be done: record first, tell the world last. */
export const EFFECT_ORDER = [
  'countFailure',
  'saveState',
  'killTask',
  'reschedule',
  'rescheduleIfService',
  'rescheduleIfServiceOrRetriesLeft',
  'rescheduleUnlessKilled',
  'deleteRecord',
] as const;
export type Effect = (typeof EFFECT_ORDER)[number];

/** Where a task can be told to go; DELETED is the end of its record. */
export type Target = TaskState | 'DELETED';

interface Transition {
  readonly effects: readonly Effect[];
  /** The state actually entered when it is not the one asked for. */
  readonly becomes?: TaskState;
}

const SAVE = { effects: ['saveState'] } as const satisfies Transition;
const KILL = { effects: ['saveState', 'killTask'] } as const satisfies Transition;
const FINISHED = { effects: ['saveState', 'rescheduleIfService'] } as const satisfies Transition;
const FAILED = {
  effects: ['countFailure', 'saveState', 'rescheduleIfServiceOrRetriesLeft'],
} as const satisfies Transition;
const REPLACED = { effects: ['saveState', 'reschedule'] } as const satisfies Transition;
const LOST_AND_KILLED = {
  effects: ['saveState', 'killTask', 'reschedule'],
} as const satisfies Transition;
/** A partition must not block a drain, a restart or a preemption: the task is given up at once. */
const GIVEN_UP = { ...LOST_AND_KILLED, becomes: 'LOST' } as const satisfies Transition;
const LOST_FROM_PARTITION = {
  effects: ['saveState', 'killTask', 'rescheduleUnlessKilled'],
} as const satisfies Transition;
const GIVEN_UP_FROM_PARTITION = {
  ...LOST_FROM_PARTITION,
  becomes: 'LOST',
} as const satisfies Transition;
const DELETE = { effects: ['deleteRecord'] } as const satisfies Transition;
/** A killed PENDING task has no Pod: nothing is left to wait for. */
const KILL_UNSTARTED = DELETE;

const LEAVING = {
  FINISHED: REPLACED,
  FAILED: { effects: ['countFailure', 'saveState', 'reschedule'] },
  KILLED: REPLACED,
  LOST: LOST_AND_KILLED,
  KILLING: KILL,
  PARTITIONED: GIVEN_UP,
} as const satisfies Partial<Record<Target, Transition>>;

/** A task that must go for others may stay after all: its PodDisruptionBudget was spent in the last moment. */
const LEAVING_FOR_OTHERS = {
  ...LEAVING,
  ASSIGNED: SAVE,
  STARTING: SAVE,
  RUNNING: SAVE,
} as const satisfies Partial<Record<Target, Transition>>;

const ENDED = { DELETED: DELETE } as const satisfies Partial<Record<Target, Transition>>;

/**
 * From every state to the states it may go to, with the work that follows. What is absent is illegal.
 * Source: Aurora `TaskStateMachine.java`, and the way back from PREEMPTING and DRAINING, which is ours.
 */
export const TASK_LIFECYCLE = {
  INIT: { PENDING: SAVE, THROTTLED: SAVE },
  THROTTLED: { PENDING: SAVE, KILLING: KILL_UNSTARTED },
  PENDING: { ASSIGNED: SAVE, KILLING: KILL_UNSTARTED },
  ASSIGNED: {
    STARTING: SAVE,
    RUNNING: SAVE,
    FINISHED,
    FAILED,
    RESTARTING: KILL,
    DRAINING: KILL,
    PREEMPTING: KILL,
    KILLING: KILL,
    KILLED: REPLACED,
    LOST: LOST_AND_KILLED,
  },
  STARTING: {
    RUNNING: SAVE,
    FINISHED,
    FAILED,
    RESTARTING: KILL,
    DRAINING: KILL,
    PREEMPTING: KILL,
    KILLING: KILL,
    KILLED: REPLACED,
    LOST: REPLACED,
    PARTITIONED: SAVE,
  },
  RUNNING: {
    FINISHED,
    FAILED,
    RESTARTING: KILL,
    DRAINING: KILL,
    PREEMPTING: KILL,
    KILLING: KILL,
    KILLED: REPLACED,
    LOST: REPLACED,
    PARTITIONED: SAVE,
  },
  PARTITIONED: {
    ASSIGNED: SAVE,
    STARTING: SAVE,
    RUNNING: SAVE,
    FINISHED,
    FAILED,
    LOST: LOST_FROM_PARTITION,
    RESTARTING: GIVEN_UP_FROM_PARTITION,
    DRAINING: GIVEN_UP_FROM_PARTITION,
    PREEMPTING: GIVEN_UP_FROM_PARTITION,
    KILLING: { effects: ['saveState', 'killTask'], becomes: 'LOST' },
  },
  PREEMPTING: LEAVING_FOR_OTHERS,
  RESTARTING: LEAVING,
  DRAINING: LEAVING_FOR_OTHERS,
  KILLING: {
    FINISHED: SAVE,
    FAILED: SAVE,
    KILLED: SAVE,
    LOST: SAVE,
    DELETED: DELETE,
    PARTITIONED: { effects: ['saveState'], becomes: 'LOST' },
  },
  FINISHED: ENDED,
  FAILED: ENDED,
  KILLED: ENDED,
  // The node came back and tells how it really ended. Its replacement stands.
  LOST: { DELETED: DELETE, FINISHED: SAVE, FAILED: SAVE, KILLED: SAVE },
} as const satisfies Record<TaskState, Partial<Record<Target, Transition>>>;

/** A live status of a task that is over belongs to a zombie: it is killed, the record stays. */
const ZOMBIE_STATUSES: ReadonlySet<Target> = new Set(['ASSIGNED', 'STARTING', 'RUNNING']);
const OVER: ReadonlySet<TaskState> = new Set(['FINISHED', 'FAILED', 'KILLED', 'LOST']);

export type TransitionResult =
  | { readonly kind: 'NOOP'; readonly state: TaskState; readonly effects: readonly [] }
  | { readonly kind: 'SUCCESS'; readonly state: Target; readonly effects: readonly Effect[] }
  | { readonly kind: 'ILLEGAL'; readonly state: TaskState; readonly effects: readonly [] }
  | {
      readonly kind: 'ILLEGAL_WITH_SIDE_EFFECTS';
      readonly state: TaskState;
      readonly effects: readonly Effect[];
    };

/** What happens to a task in `state` that is told to go to `to`; an illegal step changes nothing and is to be counted. */
export function step(state: TaskState, to: Target): TransitionResult {
  if (state === to) return { kind: 'NOOP', state, effects: [] };
  const row: Partial<Record<Target, Transition>> = TASK_LIFECYCLE[state];
  const transition = row[to];
  if (transition !== undefined) {
    const reached = transition.effects.includes('deleteRecord') ? 'DELETED' : to;
    return { kind: 'SUCCESS', state: transition.becomes ?? reached, effects: transition.effects };
  }
  if (OVER.has(state) && ZOMBIE_STATUSES.has(to))
    return { kind: 'ILLEGAL_WITH_SIDE_EFFECTS', state, effects: ['killTask'] };
  return { kind: 'ILLEGAL', state, effects: [] };
}

/**
 * True when a task seen in `from` may next be seen in `to`: by one step or by several, since who watches sees the last of
 * several changes only. A zombie's state counts as seen, and is dealt with by `step`.
 */
export function isReachable(from: TaskState, to: TaskState): boolean {
  return REACHABLE[from].has(to);
}

function reachableFrom(start: TaskState): ReadonlySet<TaskState> {
  const seen = new Set<TaskState>([start]);
  // A set is walked to its end though it grows on the way.
  for (const from of seen)
    for (const to of TASK_STATES) {
      const result = step(from, to);
      if (result.kind === 'SUCCESS' && result.state !== 'DELETED') seen.add(result.state);
    }
  return seen;
}

const REACHABLE = Object.fromEntries(
  TASK_STATES.map((state) => [state, reachableFrom(state)]),
) as Readonly<Record<TaskState, ReadonlySet<TaskState>>>;

const TRANSIENT_MS = 300_000;

/**
 * How long a task may stay in a state before it is declared LOST; null: for as long as it likes.
 * STARTING is not transient: health and progress deadlines bound it.
 * Source: Aurora `TaskTimeout.java`.
 */
export const STATE_TIMEOUT_MS = {
  INIT: null,
  THROTTLED: null,
  PENDING: null,
  ASSIGNED: TRANSIENT_MS,
  STARTING: null,
  RUNNING: null,
  FINISHED: null,
  FAILED: null,
  KILLED: null,
  LOST: null,
  PREEMPTING: TRANSIENT_MS,
  RESTARTING: TRANSIENT_MS,
  DRAINING: TRANSIENT_MS,
  KILLING: TRANSIENT_MS,
  PARTITIONED: null,
} as const satisfies Record<TaskState, number | null>;

/** True when a task has been in a transient state for too long. */
export function hasTimedOut(state: TaskState, sinceMs: number, nowMs: number): boolean {
  const timeoutMs = STATE_TIMEOUT_MS[state];
  return timeoutMs !== null && nowMs - sinceMs >= timeoutMs;
}
