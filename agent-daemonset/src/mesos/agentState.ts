import type { AgentView, AgentViewTask } from '../../../operator/src/schema/http/agentView.ts';
import type { UsageSample } from '../usage/usageSample.ts';
import { directoryOf } from './taskPath.ts';

/** JSON of a Mesos agent, of what one caller may see. Source: Mesos `src/slave/http.cpp`, `src/common/http.cpp`. */

export function agentState(view: AgentView, node: string, startedMs: number): object {
  const tasksOf = Map.groupBy(view.tasks, (task) => task.framework);
  return {
    ...view.agent,
    id: node,
    version: view.version,
    build_user: 'mezzo',
    start_time: startedMs / 1000,
    master_hostname: view.masterHostname,
    frameworks: view.frameworks.map((framework) => {
      const tasks = tasksOf.get(framework.id) ?? [];
      const executors = (completed: boolean): object[] =>
        tasks.filter((task) => task.completed === completed).map((task) => executorOf(task, node));
      return {
        id: framework.id,
        name: framework.name,
        user: framework.user,
        failover_timeout: framework.failoverTimeoutSeconds,
        checkpoint: true,
        hostname: '',
        ...(framework.principal === undefined ? {} : { principal: framework.principal }),
        ...(framework.multiRole ? { roles: framework.roles } : { role: framework.roles[0] ?? '*' }),
        executors: executors(false),
        completed_executors: executors(true),
      };
    }),
    completed_frameworks: [],
  };
}

/** Every task is its own executor, as a command task is on a Mesos agent. */
function executorOf(task: AgentViewTask, node: string): object {
  const written = {
    id: task.id,
    name: task.name,
    framework_id: task.framework,
    executor_id: '',
    slave_id: node,
    state: task.state,
    resources: task.resources,
    role: task.role,
    statuses: [],
  };
  return {
    id: task.id,
    name: `Command Executor (Task: ${task.id})`,
    source: task.id,
    container: task.podUid,
    directory: directoryOf(node, task),
    resources: task.resources,
    role: task.role,
    tasks: task.completed ? [] : [written],
    queued_tasks: [],
    completed_tasks: task.completed ? [written] : [],
  };
}

const BYTES_PER_MB = 1_048_576;

/** `/monitor/statistics`: what is measured of each task. A figure nobody measured is left out. */
export function statisticsOf(view: AgentView, sample: UsageSample | undefined): readonly object[] {
  const pods = sample?.pods.kind === 'read' ? sample.pods.pods : [];
  const usageOf = new Map(pods.map((pod) => [pod.uid, pod]));
  return view.tasks
    .filter((task) => !task.completed)
    .flatMap((task) => {
      const usage = usageOf.get(task.podUid);
      if (usage === undefined || sample === undefined) return [];
      const { cpus = 0, mem = 0 } = task.resources;
      return [
        {
          framework_id: task.framework,
          executor_id: task.id,
          executor_name: `Command Executor (Task: ${task.id})`,
          source: task.id,
          container_id: task.podUid,
          statistics: {
            timestamp: sample.atMs / 1000,
            cpus_limit: cpus,
            mem_limit_bytes: Math.round(mem * BYTES_PER_MB),
            // The working set: of what is measured, it is what those who read this figure want to know.
            ...(usage.memoryBytes === undefined ? {} : { mem_rss_bytes: usage.memoryBytes }),
          },
        },
      ];
    });
}

/** `/metrics/snapshot`: the keys of a Mesos agent for which there is a figure. */
export function agentMetrics(view: AgentView, uptimeMs: number): { [key: string]: number } {
  const metrics: { [key: string]: number } = { 'slave/uptime_secs': uptimeMs / 1000 };
  const total = scalarsOf(view.agent?.['resources']);
  const used = scalarsOf(view.agent?.['used_resources']);
  for (const name of ['cpus', 'mem', 'disk', 'gpus']) {
    for (const suffix of ['', '_revocable']) {
      const most = total[`${name}${suffix}`];
      if (most === undefined) continue;
      const held = used[`${name}${suffix}`] ?? 0;
      metrics[`slave/${name}${suffix}_total`] = most;
      metrics[`slave/${name}${suffix}_used`] = held;
      metrics[`slave/${name}${suffix}_percent`] = most === 0 ? 0 : held / most;
    }
  }
  for (const state of ['staging', 'starting', 'running', 'killing'])
    metrics[`slave/tasks_${state}`] = view.tasks.filter(
      (task) => task.state === `TASK_${state.toUpperCase()}`,
    ).length;
  metrics['slave/frameworks_active'] = view.frameworks.length;
  return metrics;
}

function scalarsOf(value: unknown): { readonly [name: string]: number } {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).filter(
      (entry): entry is [string, number] => typeof entry[1] === 'number',
    ),
  );
}
