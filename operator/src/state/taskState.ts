/** States of a task, in Aurora's words. */
export const TASK_STATES = [
  'INIT',
  'THROTTLED',
  'PENDING',
  'ASSIGNED',
  'STARTING',
  'RUNNING',
  'FINISHED',
  'FAILED',
  'KILLED',
  'LOST',
  'PREEMPTING',
  'RESTARTING',
  'DRAINING',
  'KILLING',
  'PARTITIONED',
] as const;
export type TaskState = (typeof TASK_STATES)[number];

export const TERMINAL_STATES = ['FINISHED', 'FAILED', 'KILLED', 'LOST'] as const;
export type TerminalState = (typeof TERMINAL_STATES)[number];

const TERMINAL: ReadonlySet<TaskState> = new Set(TERMINAL_STATES);

export function isTerminal(state: TaskState): state is TerminalState {
  return TERMINAL.has(state);
}
