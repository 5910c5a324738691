import { describe, expect, test } from '@jest/globals';
import {
  EFFECT_ORDER,
  hasTimedOut,
  isReachable,
  STATE_TIMEOUT_MS,
  step,
  type Target,
} from './taskLifecycle.ts';
import { TASK_STATES, type TaskState } from './taskState.ts';

// The whole table once more, by hand: from > targets. "X>Y" means asked for X, entered Y.
const ALLOWED: Readonly<Record<TaskState, string>> = {
  INIT: 'PENDING THROTTLED',
  THROTTLED: 'PENDING KILLING>DELETED',
  PENDING: 'ASSIGNED KILLING>DELETED',
  ASSIGNED: 'STARTING RUNNING FINISHED FAILED RESTARTING DRAINING PREEMPTING KILLING KILLED LOST',
  STARTING:
    'RUNNING FINISHED FAILED RESTARTING DRAINING PREEMPTING KILLING KILLED LOST PARTITIONED',
  RUNNING: 'FINISHED FAILED RESTARTING DRAINING PREEMPTING KILLING KILLED LOST PARTITIONED',
  PARTITIONED:
    'ASSIGNED STARTING RUNNING FINISHED FAILED LOST RESTARTING>LOST DRAINING>LOST PREEMPTING>LOST KILLING>LOST',
  PREEMPTING: 'ASSIGNED STARTING RUNNING FINISHED FAILED KILLED LOST KILLING PARTITIONED>LOST',
  RESTARTING: 'FINISHED FAILED KILLED LOST KILLING PARTITIONED>LOST',
  DRAINING: 'ASSIGNED STARTING RUNNING FINISHED FAILED KILLED LOST KILLING PARTITIONED>LOST',
  KILLING: 'FINISHED FAILED KILLED LOST DELETED PARTITIONED>LOST',
  FINISHED: 'DELETED',
  FAILED: 'DELETED',
  KILLED: 'DELETED',
  LOST: 'DELETED FINISHED FAILED KILLED',
};
const ZOMBIES: ReadonlySet<string> = new Set(
  ['FINISHED', 'FAILED', 'KILLED', 'LOST'].flatMap((over) =>
    ['ASSIGNED', 'STARTING', 'RUNNING'].map((live) => `${over} ${live}`),
  ),
);
const TARGETS: readonly Target[] = [...TASK_STATES, 'DELETED'];

function expectedOf(from: TaskState, to: Target): string {
  if (from === to) return `NOOP ${from}`;
  for (const entry of ALLOWED[from].split(' ')) {
    const [asked, entered] = entry.split('>');
    if (asked === to) return `SUCCESS ${entered ?? asked}`;
  }
  return ZOMBIES.has(`${from} ${to}`) ? `ILLEGAL_WITH_SIDE_EFFECTS ${from}` : `ILLEGAL ${from}`;
}

describe('task lifecycle', () => {
  test.each(TASK_STATES.flatMap((from) => TARGETS.map((to) => ({ from, to }))))(
    '$from to $to',
    ({ from, to }) => {
      const result = step(from, to);
      expect(`${result.kind} ${result.state}`).toBe(expectedOf(from, to));
    },
  );

  test('effects of every step stand in the listed order, each once', () => {
    for (const from of TASK_STATES)
      for (const to of TARGETS) {
        const places = step(from, to).effects.map((effect) => EFFECT_ORDER.indexOf(effect));
        expect(places).toEqual([...new Set(places)].toSorted((a, b) => a - b));
        expect(places).not.toContain(-1);
      }
  });

  test('every effect is used', () => {
    const used = TASK_STATES.flatMap((from) => TARGETS.flatMap((to) => step(from, to).effects));
    expect(new Set(used)).toEqual(new Set(EFFECT_ORDER));
  });

  test.each<[TaskState, Target, string]>([
    ['RUNNING', 'FAILED', 'countFailure saveState rescheduleIfServiceOrRetriesLeft'],
    ['RUNNING', 'FINISHED', 'saveState rescheduleIfService'],
    ['RUNNING', 'KILLING', 'saveState killTask'],
    ['RUNNING', 'LOST', 'saveState reschedule'],
    ['ASSIGNED', 'LOST', 'saveState killTask reschedule'],
    ['PREEMPTING', 'KILLED', 'saveState reschedule'],
    ['PREEMPTING', 'LOST', 'saveState killTask reschedule'],
    ['DRAINING', 'PARTITIONED', 'saveState killTask reschedule'],
    ['KILLING', 'KILLED', 'saveState'],
    ['PARTITIONED', 'LOST', 'saveState killTask rescheduleUnlessKilled'],
    ['PENDING', 'KILLING', 'deleteRecord'],
    ['LOST', 'RUNNING', 'killTask'],
  ])('%s to %s: %s', (from, to, effects) => {
    expect(step(from, to).effects.join(' ')).toBe(effects);
  });

  test('every state that can time out may go to LOST', () => {
    for (const state of TASK_STATES)
      if (STATE_TIMEOUT_MS[state] !== null) expect(step(state, 'LOST').kind).toBe('SUCCESS');
  });

  test('a transient state times out after five minutes, a running task never', () => {
    expect(hasTimedOut('ASSIGNED', 0, 299_999)).toBe(false);
    expect(hasTimedOut('ASSIGNED', 0, 300_000)).toBe(true);
    expect(hasTimedOut('RUNNING', 0, 1e12)).toBe(false);
  });
});

describe('what may be seen after what', () => {
  test.each<[TaskState, TaskState, boolean]>([
    ['RUNNING', 'RUNNING', true],
    ['ASSIGNED', 'RUNNING', true],
    ['ASSIGNED', 'KILLED', true],
    // By way of PARTITIONED.
    ['RUNNING', 'STARTING', true],
    ['LOST', 'KILLED', true],
    ['KILLED', 'FINISHED', false],
    ['FINISHED', 'KILLED', false],
    ['FAILED', 'RUNNING', false],
    ['KILLING', 'RUNNING', false],
    ['RUNNING', 'PENDING', false],
  ])('%s, then %s: %s', (from, to, expected) => {
    expect(isReachable(from, to)).toBe(expected);
  });
});
