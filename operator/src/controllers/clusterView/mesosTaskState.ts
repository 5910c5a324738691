import type { MesosTaskState } from '../../schema/mesos/event.ts';
import type { TaskState } from '../../state/taskState.ts';

/** Mezzo's task states in Mesos's words. Mesos has one word for everything that has not started, and one for leaving. */
export const MESOS_STATES = {
  INIT: 'TASK_STAGING',
  THROTTLED: 'TASK_STAGING',
  PENDING: 'TASK_STAGING',
  ASSIGNED: 'TASK_STAGING',
  STARTING: 'TASK_STARTING',
  RUNNING: 'TASK_RUNNING',
  FINISHED: 'TASK_FINISHED',
  FAILED: 'TASK_FAILED',
  KILLED: 'TASK_KILLED',
  LOST: 'TASK_LOST',
  PREEMPTING: 'TASK_KILLING',
  RESTARTING: 'TASK_KILLING',
  DRAINING: 'TASK_KILLING',
  KILLING: 'TASK_KILLING',
  PARTITIONED: 'TASK_UNREACHABLE',
} as const satisfies Record<TaskState, MesosTaskState>;
