import type { TaskState } from './taskState.ts';

/** Annotation in which the operator writes, before it deletes a Pod, why it does so. */
export const INTENT_ANNOTATION = 'mezzo.dev/intent';

/** Values of {@link INTENT_ANNOTATION} and the task state each one means. */
export const INTENT_STATES = {
  kill: 'KILLING',
  preempt: 'PREEMPTING',
  restart: 'RESTARTING',
  drain: 'DRAINING',
} as const satisfies Record<string, TaskState>;
export type Intent = keyof typeof INTENT_STATES;

/** The little of a Pod that decides the state of its task. Absent fields are absent in the Pod. */
export interface PodView {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown';
  readonly deletionTimestampMs?: number;
  readonly deletionGracePeriodMs?: number;
  /** The Pod's Ready condition. */
  readonly ready: boolean;
  /** True once any container, init containers included, has been started. */
  readonly containersStarted: boolean;
  /** Reason of the first waiting container: `ImagePullBackOff`, `CrashLoopBackOff` … */
  readonly waitingReason?: string;
  readonly waitingMessage?: string;
  /** Exit code of the container that ended last. */
  readonly exitCode?: number;
  readonly terminatedReason?: string;
  readonly finishedAtMs?: number;
  /** `status.reason` of the Pod: `Evicted`, `NodeLost`, `OutOfcpu` … */
  readonly podReason?: string;
  readonly podMessage?: string;
  readonly annotations: Readonly<Record<string, string>>;
}

export interface PodTaskState {
  readonly state: TaskState;
  /** Upper-camel-case word for machines. */
  readonly reason: string;
  /** Sentence for people. */
  readonly message: string;
}
