import type { MesosTaskState } from '../../operator/src/schema/mesos/event.ts';
import type { Offer, Resource, TaskInfo } from './wire.ts';

/** Whether a task in this state is over for good. Total: a new state does not compile until it is judged. */
const IS_TERMINAL = {
  TASK_STAGING: false,
  TASK_STARTING: false,
  TASK_RUNNING: false,
  TASK_KILLING: false,
  TASK_FINISHED: true,
  TASK_FAILED: true,
  TASK_KILLED: true,
  TASK_ERROR: true,
  TASK_LOST: true,
  TASK_DROPPED: true,
  // The agent may come back with the task still running.
  TASK_UNREACHABLE: false,
  TASK_GONE: true,
  TASK_GONE_BY_OPERATOR: true,
  // The master does not know; the task may be that of an agent it has not heard of yet.
  TASK_UNKNOWN: false,
} as const satisfies Record<MesosTaskState, boolean>;

export const isTerminal = (state: MesosTaskState): boolean => IS_TERMINAL[state];

export const TERMINAL_STATES: readonly MesosTaskState[] = (
  Object.keys(IS_TERMINAL) as MesosTaskState[]
).filter(isTerminal);

/** A task that runs a shell command in the framework's default image, or in `image`. */
export function shellTask(task: {
  readonly id: string;
  readonly offer: Pick<Offer, 'agent_id'>;
  readonly resources: readonly Resource[];
  readonly command: string;
  readonly image?: string;
  readonly environment?: { readonly [name: string]: string };
}): TaskInfo {
  const variables = Object.entries(task.environment ?? {}).map(([name, value]) => ({
    name,
    value,
  }));
  return {
    name: task.id,
    task_id: { value: task.id },
    agent_id: task.offer.agent_id,
    resources: task.resources,
    command: {
      value: task.command,
      shell: true,
      ...(variables.length === 0 ? {} : { environment: { variables } }),
    },
    ...(task.image === undefined
      ? {}
      : {
          container: {
            type: 'MESOS',
            mesos: { image: { type: 'DOCKER', docker: { name: task.image } } },
          },
        }),
  };
}
