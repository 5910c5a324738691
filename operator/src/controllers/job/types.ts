import type { JobKind, PendingTask, TaskGroup } from '../../model/job.ts';
import type { Intent } from '../../state/podState.ts';
import type { ConditionValue } from '../shared/conditions.ts';
import type { TaskView } from '../task/taskView.ts';

/** A reason why a job cannot run as it is written, or why its tasks are refused; for its condition. */
export interface JobFault {
  readonly reason: string;
  readonly message: string;
}

/** Why instances wait: counts over agents, the first failed check of each, and the nearest fit. */
export interface PendingReport {
  readonly summary: string;
  readonly heldBack: readonly {
    readonly check: string;
    readonly agents: number;
    readonly nearestAgent?: string;
    readonly shortfall?: { readonly [name: string]: string };
  }[];
}

/** What the decision about one job is made from: its object, its Pods, and what others know of it. */
export interface JobFacts<Spec, Status> {
  readonly kind: JobKind;
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly uidHash: string;
  readonly generation: number;
  readonly stopping: boolean;
  readonly spec: Spec;
  readonly status: Status;
  readonly group: TaskGroup;
  readonly templateHash: string;
  /** Every Pod made for this job, dead ones included. */
  readonly tasks: readonly TaskView[];
  /** The job itself is wrong: nothing new is started until it is mended. */
  readonly fault: JobFault | undefined;
  /** The API server refused the last Pod. */
  readonly rejection: JobFault | undefined;
  readonly pendingReport: PendingReport | undefined;
  /** Since when instances wait; now, when none did before. */
  readonly pendingSinceMs: number;
  readonly nowMs: number;
  readonly isoOf: (ms: number) => string;
  readonly parseTime: (iso: string) => number;
  readonly retentionMs: number;
}

export interface DemandSlot {
  readonly task: PendingTask;
  readonly flaps: number;
  readonly failures: number;
  /** THROTTLED until then. */
  readonly notBeforeMs: number | undefined;
}

export interface KillOrder {
  readonly task: TaskView;
  readonly intent: Intent;
  readonly why: string;
}

/** What is to be done about one job; applied in the order of the fields. */
export interface JobPlan<Status> {
  /** Written first: an end that is not recorded may not be released. */
  readonly status: Status;
  readonly demand: readonly DemandSlot[];
  readonly kills: readonly KillOrder[];
  readonly releases: readonly TaskView[];
  readonly condition: ConditionValue;
  readonly wakeAtMs: number | undefined;
}
