import type { Resources } from '../../model/resources.ts';
import type { MesosTaskState } from '../../schema/mesos/event.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';

/** The cluster in the words of a Mesos master: what its read endpoints and its operator API tell. Times in ms. */
export interface ClusterView {
  readonly agents: readonly ViewedAgent[];
  readonly frameworks: readonly ViewedFramework[];
  /** Every task whose Pod exists, ended ones included. */
  readonly tasks: readonly ViewedTask[];
  readonly roles: readonly ViewedRole[];
  readonly windows: readonly ViewedWindow[];
  readonly inverseAnswers: readonly ViewedInverseAnswer[];
  /** Reservations and volumes by name, destroyed ones left out. */
  readonly reservations?: ReadonlyMap<string, ReservationObject>;
}

/** What a framework said last when it was asked to leave an agent that will be away. */
export interface ViewedInverseAnswer {
  readonly framework: string;
  readonly agent: string;
  readonly answer: 'unknown' | 'accepted' | 'declined';
  /** When it was asked, or answered. */
  readonly atMs: number;
}

/** Plain and revocable amounts of the same things. */
export interface Holding {
  readonly resources: Resources;
  readonly revocable: Resources;
}

export interface ViewedReservation extends Pick<Holding, 'resources'> {
  readonly role: string;
  /** Name of the Reservation object. */
  readonly name: string;
  readonly principal: string | undefined;
  readonly labels: { readonly [key: string]: string };
  /** What its object asks for; what is bound follows it. */
  readonly wanted: Resources;
  /** Persistence id, where it is a persistent volume. */
  readonly volume: string | undefined;
  /** The object names this agent, so that what is bound here is all of it. */
  readonly hereOnly: boolean;
}

export interface ViewedAgent {
  readonly id: string;
  readonly hostname: string;
  readonly ip: string;
  /** Where it serves what old clients read. */
  readonly port: number;
  readonly attributes: { readonly [name: string]: string };
  /** It answers and takes work. */
  readonly active: boolean;
  /** Somebody said that it shall take no new work. */
  readonly deactivated: boolean;
  /** Its node does not answer. */
  readonly unreachable: boolean;
  /** Why it takes no work, as a CamelCase word. */
  readonly reason: string | undefined;
  readonly registeredMs: number | undefined;
  /** What Mezzo may give out here: allocatable, less what is not Mezzo's. */
  readonly total: Holding;
  readonly allocated: Holding;
  readonly offered: Holding;
  readonly reservations: readonly ViewedReservation[];
  /** Made for this agent and not bound yet. */
  readonly pendingReservations: readonly ViewedReservation[];
  readonly drain: 'DRAINING' | 'DRAINED' | undefined;
  /** There is an Agent object. */
  readonly hasObject: boolean;
}

export interface ViewedOffer extends Holding {
  readonly id: string;
  readonly agent: string;
  readonly role: string;
  readonly reserved: Resources;
}

export interface ViewedFramework {
  readonly id: string;
  readonly name: string;
  readonly user: string;
  /** As it told them; empty when it did not. */
  readonly hostname: string;
  readonly webuiUrl: string;
  /** Namespace of its object; undefined for Mezzo's own job scheduler, which has none. */
  readonly namespace: string | undefined;
  readonly objectName: string | undefined;
  readonly principal: string | undefined;
  readonly roles: readonly string[];
  readonly capabilities: readonly string[];
  readonly failoverTimeoutMs: number;
  readonly connected: boolean;
  readonly completed: boolean;
  readonly registeredMs: number | undefined;
  readonly reregisteredMs: number | undefined;
  readonly unregisteredMs: number | undefined;
  readonly allocated: Holding;
  readonly offered: Holding;
  readonly offers: readonly ViewedOffer[];
  /** What became of its offers; undefined where nobody counts them. */
  readonly counts:
    | {
        readonly sent: number;
        readonly accepted: number;
        readonly declined: number;
        readonly rescinded: number;
      }
    | undefined;
}

export interface ViewedStatus {
  readonly state: MesosTaskState;
  readonly atMs: number;
}

export interface ViewedTask extends Holding {
  readonly podUid: string;
  readonly podName: string;
  readonly namespace: string;
  /** Container of the Pod that runs it: tasks of a group share a Pod. */
  readonly container: string;
  /** As its framework gave them. */
  readonly labels: readonly object[] | undefined;
  readonly discovery: object | undefined;
  readonly id: string;
  readonly name: string;
  readonly framework: string;
  /** Executor its group was launched with; undefined for a task that has none. */
  readonly executor: string | undefined;
  readonly agent: string;
  readonly role: string;
  readonly reserved: Resources;
  /** Names of the persistent volumes among what is reserved. */
  readonly volumes: readonly string[];
  readonly state: MesosTaskState;
  readonly message: string;
  /** What is known of its past from its Pod, oldest first. */
  readonly statuses: readonly ViewedStatus[];
  readonly image: string | undefined;
  readonly podIp: string | undefined;
  /** Measured, not allocated; undefined while nobody measured. */
  readonly used: Resources | undefined;
}

export interface ViewedRole {
  readonly role: string;
  readonly weight: number;
  /** Name of the Role object that sets the weight. */
  readonly roleObject: string | undefined;
  /** Name of the Quota object that binds the role. */
  readonly quotaObject: string | undefined;
  readonly guarantees: Resources;
  /** An absent name is unlimited; 0 forbids. */
  readonly limits: Resources;
  readonly consumed: Resources;
  readonly allocated: Resources;
  readonly offered: Resources;
  readonly reserved: Resources;
  readonly dominantSharePpm: number;
  readonly frameworks: readonly string[];
}

export interface ViewedWindow {
  readonly name: string;
  readonly agents: readonly string[];
  readonly startMs: number;
  readonly durationMs: number;
  readonly mode: 'Freeze' | 'Drain';
  readonly active: boolean;
  /** Its object chooses agents by their attributes. */
  readonly bySelector: boolean;
  /** Somebody drains one agent, outside any schedule. */
  readonly isAgentDrain: boolean;
}

export type TaskBucket = 'live' | 'unreachable' | 'completed';

/** Where Mesos lists a task of each state. */
export const BUCKETS = {
  TASK_STAGING: 'live',
  TASK_STARTING: 'live',
  TASK_RUNNING: 'live',
  TASK_KILLING: 'live',
  TASK_FINISHED: 'completed',
  TASK_FAILED: 'completed',
  TASK_KILLED: 'completed',
  TASK_ERROR: 'completed',
  TASK_LOST: 'completed',
  TASK_DROPPED: 'completed',
  TASK_UNREACHABLE: 'unreachable',
  TASK_GONE: 'completed',
  TASK_GONE_BY_OPERATOR: 'completed',
  TASK_UNKNOWN: 'live',
} as const satisfies Record<MesosTaskState, TaskBucket>;
