import type { RolePath } from './ids.ts';
import type { Resources } from './resources.ts';

/** Kinds of jobs Mezzo's own scheduler runs. */
export type JobKind = 'ServiceJob' | 'AdhocJob';
/** From the one that is sure of its place to the one that only borrows. */
export const TIERS = ['production', 'preemptible', 'revocable'] as const;
export type Tier = (typeof TIERS)[number];

/** A hard placement rule, as users write it in `spec.constraints`. */
export interface PlacementConstraint {
  readonly attribute: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'MaxPerValue';
  readonly values?: readonly string[] | undefined;
  readonly limit?: number | undefined;
}

/** What every pending instance of one job has in common. */
export interface TaskGroup {
  /** `kind/namespace/name`. */
  readonly jobKey: string;
  readonly jobUid: string;
  readonly role: RolePath;
  readonly tier: Tier;
  readonly priority: number;
  /** Non-revocable needs of one instance. */
  readonly resources: Resources;
  /** Revocable needs of one instance (tier `revocable`). */
  readonly revocable: Resources;
  readonly constraints: readonly PlacementConstraint[];
}

/** One instance that is to run and does not yet. */
export interface PendingTask {
  readonly group: TaskGroup;
  readonly instance: number;
  readonly generation: number;
  /** Name of the Pod it will be: deterministic, so that it can be made once only. */
  readonly podName: string;
  readonly sinceMs: number;
}

export const jobKeyOf = (kind: JobKind, namespace: string, name: string): string =>
  `${kind}/${namespace}/${name}`;
