/** Every label, annotation and finalizer Mezzo writes, in one place. They are API: tools select on them. */
export const LABEL = {
  framework: 'mezzo.dev/framework',
  /** Role path with `/` as `.`, since label values hold no slash; the exact path is in `ANNOTATION.rolePath`. */
  role: 'mezzo.dev/role',
  job: 'mezzo.dev/job',
  jobKind: 'mezzo.dev/job-kind',
  jobUid: 'mezzo.dev/job-uid',
  instance: 'mezzo.dev/instance',
  generation: 'mezzo.dev/generation',
  templateHash: 'mezzo.dev/template-hash',
  tier: 'mezzo.dev/tier',
  cronJob: 'mezzo.dev/cron-job',
  /** On a MaintenanceWindow that empties one agent until somebody lets it work again. */
  agentDrain: 'mezzo.dev/agent-drain',
} as const;

export const ANNOTATION = {
  rolePath: 'mezzo.dev/role-path',
  /** Epoch of the leader that made the object: the count of lease transitions. */
  epoch: 'mezzo.dev/epoch',
  /** Framework id and task id exactly as their framework wrote them. */
  frameworkId: 'mezzo.dev/framework-id',
  taskId: 'mezzo.dev/task-id',
  /** `TaskInfo.name` of an external framework's task. */
  taskName: 'mezzo.dev/task-name',
  /** Labels and discovery information of an external framework's task, exactly as given, as JSON. */
  taskInfo: 'mezzo.dev/task-info',
  /** Tasks of a group, in the order of their containers, as JSON: `[{id, name, labels?, discovery?}]`. */
  taskGroup: 'mezzo.dev/task-group',
  /** Executor id a group of tasks was launched with, exactly as its framework wrote it. */
  executorId: 'mezzo.dev/executor-id',
  /** `ExecutorInfo` of a custom executor's Pod, as JSON; the Pod has no task of its own. */
  executorInfo: 'mezzo.dev/executor-info',
  /** The part of an executor's first amounts that is charged to reservations, once tasks have come or ended. */
  executorReserved: 'mezzo.dev/executor-reserved',
  /** Last step of an external framework's task whose status update has been acknowledged. */
  acknowledged: 'mezzo.dev/acknowledged',
  /** Last verdict of its health check or check whose status update has been acknowledged. */
  acknowledgedHealth: 'mezzo.dev/acknowledged-health',
  /** Containers of an external framework's Pod that had not ended when it was decided to end the Pod. */
  killing: 'mezzo.dev/killing',
  /**
   * Non-revocable amounts of a revocable task as a JSON object of quantities. Its Pod is BestEffort and
   * so names no request, but the ledger counts its memory.
   */
  resources: 'mezzo.dev/resources',
  /** The part of the task's amounts that is charged to reservations, as a JSON object of quantities. */
  reserved: 'mezzo.dev/reserved',
  /** Names of the persistent volumes the task holds, as a JSON list. */
  volumes: 'mezzo.dev/volumes',
  /** Consecutive short runs and failed runs of the instance before this one. */
  flaps: 'mezzo.dev/flaps',
  failures: 'mezzo.dev/failures',
  /** Why the Pod is being deleted: kill, preempt, restart, drain; written before the deletion. */
  intent: 'mezzo.dev/intent',
  /** Set before the deletion that evicts the task: id of the preemption record in the preemptor's status. */
  preemptedBy: 'mezzo.dev/preempted-by',
  /** When the deletion was asked for: the last step of a deletion overwrites the Pod's own times. */
  killedAt: 'mezzo.dev/killed-at',
  /** Why the task is being killed; written before its deletion. */
  killReason: 'mezzo.dev/kill-reason',
  /** The task was declared lost (its node is unreachable); it no longer holds its instance. */
  lost: 'mezzo.dev/lost',
  priority: 'mezzo.dev/priority',
} as const;

/** Starts the annotations of a custom executor's Pod that hold its tasks, one each, as JSON. */
export const EXECUTOR_TASK_PREFIX = 'executor-task.mezzo.dev/';

/** Holds a task's Pod until its end has been recorded and, for external frameworks, acknowledged. */
export const TASK_FINALIZER = 'mezzo.dev/task';
