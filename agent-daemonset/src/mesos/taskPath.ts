import type { AgentViewTask } from '../../../operator/src/schema/http/agentView.ts';

/** Where old clients expect sandboxes. Source: Mesos `src/slave/paths.cpp`, below the default `--work_dir`. */
const WORK_DIR = '/var/lib/mesos/slaves';

/** The sandbox of a task as `/state` tells it; its last part is the id of the container, here the uid of the Pod. */
export function directoryOf(node: string, task: AgentViewTask): string {
  return `${WORK_DIR}/${node}/frameworks/${task.framework}/executors/${task.id}/runs/${task.podUid}`;
}

/** A place within the sandbox of one task. */
export interface TaskPlace {
  readonly task: AgentViewTask;
  /** Single names, below the sandbox; empty for the sandbox itself. */
  readonly parts: readonly string[];
}

/**
 * The task and the place a path of a client stands for; undefined when it is none of `tasks` or names anything above.
 * `runs/latest` is the newest Pod of the task.
 */
export function placeOf(
  path: string,
  node: string,
  tasks: readonly AgentViewTask[],
): TaskPlace | undefined {
  const task = tasks.find((one) => isAtOrBelow(path, directoryOf(node, one)));
  if (task !== undefined) return partsBelow(path, directoryOf(node, task), task);
  const latest = tasks.findLast((one) => isAtOrBelow(path, latestOf(node, one)));
  return latest === undefined ? undefined : partsBelow(path, latestOf(node, latest), latest);
}

const latestOf = (node: string, task: AgentViewTask): string =>
  directoryOf(node, { ...task, podUid: 'latest' });

const isAtOrBelow = (path: string, directory: string): boolean =>
  path === directory || path.startsWith(`${directory}/`);

function partsBelow(path: string, directory: string, task: AgentViewTask): TaskPlace | undefined {
  const parts = path
    .slice(directory.length)
    .split('/')
    .filter((one) => one !== '');
  const isPlain = parts.every((one) => one !== '.' && one !== '..' && !one.includes('\u0000'));
  return isPlain ? { task, parts } : undefined;
}
