import type { Resources } from '../model/resources.ts';

/** Allocated, offered, used and revocable are four numbers, never one; `used` is undefined while no task there is measured. */
export interface Amounts {
  readonly allocated: Resources;
  readonly offered: Resources;
  readonly used: Resources | undefined;
  readonly revocable: Resources;
}

export interface RoleView extends Amounts {
  readonly role: string;
  readonly weight: number;
  readonly dominantSharePpm: number;
  readonly guaranteed: Resources;
  readonly limit: Resources;
  readonly reserved: Resources;
  readonly consumed: Resources;
  readonly tasks: number;
}

export interface JobView extends Amounts {
  readonly namespace: string;
  readonly job: string;
  readonly kind: string;
  readonly role: string;
  readonly tasks: number;
}

export interface AgentView extends Amounts {
  readonly agent: string;
  readonly capacity: Resources;
  readonly foreign: Resources;
  readonly revocableCapacity: Resources;
  readonly schedulable: boolean;
  readonly reason: string | undefined;
  readonly tasks: number;
}

export interface TaskRow {
  readonly namespace: string;
  readonly name: string;
  readonly framework: string;
  readonly role: string;
  readonly job: string | undefined;
  readonly agent: string;
  readonly state: string;
  readonly message: string;
}

/** The present state of the cluster as people and monitors read it; computed when asked for. */
export interface Views {
  roles(): readonly RoleView[];
  jobs(): readonly JobView[];
  agents(): readonly AgentView[];
  tasks(): readonly TaskRow[];
  /** Seconds since the newest event or bookmark of each watch. */
  watchStalenessSeconds(): ReadonlyMap<string, number>;
  isLeader(): boolean;
}
