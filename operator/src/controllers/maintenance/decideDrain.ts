/** A task on an agent that is to be emptied, as far as the decision goes. */
export interface DrainTask {
  /** `namespace/name` of its Pod. */
  readonly key: string;
  /** `kind/namespace/name`; undefined for tasks of external frameworks. */
  readonly jobKey: string | undefined;
  /** It serves and was not told to leave: to move it costs its job an instance. */
  readonly ready: boolean;
  readonly deleting: boolean;
}

export interface DrainAgent {
  readonly name: string;
  readonly tasks: readonly DrainTask[];
}

export interface DrainInput {
  /** In the order in which they are emptied. */
  readonly agents: readonly DrainAgent[];
  /** At most so many at the same time. */
  readonly concurrency: number;
  /** False: the deadline has passed, or the window ignores what jobs may spare. */
  readonly honoursJobs: boolean;
  /** How many more ready instances each job may lose, by job key; absent: as many as there are. */
  readonly spare: ReadonlyMap<string, number>;
}

export interface DrainStep {
  readonly name: string;
  readonly state: 'Frozen' | 'Draining' | 'Drained';
  readonly tasksLeft: number;
  /** Keys of the tasks to move now. */
  readonly move: readonly string[];
  /** Jobs that cannot spare an instance on it now. */
  readonly waitsFor: readonly string[];
}

/**
 * Which tasks leave which agents now.
 *
 * Guarantees: while jobs are honoured, no job loses a ready instance beyond `spare`, over all agents together; at most
 * `concurrency` agents are being emptied; a task that was told to leave and is still there is told again.
 */
export function decideDrain({
  agents,
  concurrency,
  honoursJobs,
  spare,
}: DrainInput): readonly DrainStep[] {
  const left = new Map(spare);
  let draining = 0;
  return agents.map(({ name, tasks }): DrainStep => {
    const base = { name, tasksLeft: tasks.length, move: [], waitsFor: [] };
    if (tasks.length === 0) return { ...base, state: 'Drained' };
    if (draining >= concurrency) return { ...base, state: 'Frozen' };
    draining += 1;
    const waitsFor = new Set<string>();
    const move = tasks.filter((task) => {
      if (task.deleting) return false;
      const { jobKey } = task;
      const room = jobKey === undefined ? undefined : left.get(jobKey);
      if (!honoursJobs || !task.ready || room === undefined) return true;
      if (room <= 0) waitsFor.add(jobKey ?? '');
      else left.set(jobKey ?? '', room - 1);
      return room > 0;
    });
    return {
      ...base,
      state: 'Draining',
      move: move.map((task) => task.key),
      waitsFor: [...waitsFor].toSorted(),
    };
  });
}
