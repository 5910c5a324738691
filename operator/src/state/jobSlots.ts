import type { TaskState } from './taskState.ts';

/** One Pod of a job, seen as the occupant of a slot. */
export interface SlotPod {
  readonly name: string;
  readonly uid: string;
  /** Hash of the uid of the job object that made it: a job deleted and made again is another job. */
  readonly jobUidHash: string;
  readonly instance: number;
  readonly generation: number;
  readonly templateHash: string;
  readonly state: TaskState;
  /** True once a deletion was requested (deletionTimestamp is set). */
  readonly deleting: boolean;
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  /** When the task reached a terminal state; present exactly when the state is terminal. */
  readonly terminalAtMs?: number;
  /** Consecutive short runs before this one (from the Pod's annotation; 0 when absent). */
  readonly flaps: number;
  /** Failed runs of this instance before this one (from the Pod's annotation; 0 when absent). */
  readonly failures: number;
}

export interface BackoffPolicy {
  readonly baseMs: number;
  readonly maxMs: number;
  /** A run shorter than this that ended on its own is a flap. */
  readonly shortRunMs: number;
}

/** `service`: every ended instance is replaced. `completion`: FINISHED stays finished, FAILED is retried. */
export type RestartPolicy =
  | { readonly kind: 'service' }
  | {
      readonly kind: 'completion';
      readonly maxRetries: number;
      /** Instances already recorded as finished in the job's status, as index ranges ('0-3,5'). */
      readonly finished: string;
      /** Instances already recorded as failed for good. */
      readonly failed: string;
      /** At most this many instances at once; absent: all. */
      readonly parallelism?: number;
    };

export interface SlotsInput {
  readonly replicas: number;
  readonly jobUidHash: string;
  readonly pods: readonly SlotPod[];
  readonly nowMs: number;
  /** How long a dead Pod's name stays taken; longer than any API request can stay in flight. */
  readonly retentionMs: number;
  readonly restart: RestartPolicy;
  readonly backoff: BackoffPolicy;
  /** True when the job is being deleted or suspended: no instance is wanted. */
  readonly stopping?: boolean;
}

export interface PendingSlot {
  readonly instance: number;
  readonly generation: number;
  /** The task is THROTTLED until then; absent: PENDING now. */
  readonly notBeforeMs?: number;
  /** To be written to the new Pod's annotations. */
  readonly flaps: number;
  readonly failures: number;
}

export type KillWhy =
  | 'OtherJob'
  | 'Duplicate'
  | 'Surplus'
  | 'JobStopping'
  | 'Lost'
  | 'InstanceDone';

export interface SlotsDecision {
  /** By instance, ascending. */
  readonly pending: readonly PendingSlot[];
  readonly kill: readonly { readonly pod: SlotPod; readonly why: KillWhy }[];
  /** Dead Pods whose finalizer may go now; they are then deleted. */
  readonly release: readonly SlotPod[];
  /** `completion` only: every instance finished, recorded or newly seen, as index ranges. Record before releasing. */
  readonly finished: string;
  /** `completion` only: every instance failed for good, as index ranges. */
  readonly failed: string;
  /** When to look again though nothing else happens; absent: never. */
  readonly nextWakeMs?: number;
}
