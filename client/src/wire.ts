import type { MesosTaskState } from '../../operator/src/schema/mesos/event.ts';
import type { MesosCapability } from '../../operator/src/schema/mesos/framework.ts';

/**
 * Messages as the client's user writes and reads them: the JSON form of the protos, in both encodings.
 * Source: Mesos `include/mesos/v1/mesos.proto` and `scheduler/scheduler.proto`.
 */

export interface Id {
  readonly value: string;
}

export interface FrameworkInfo {
  readonly user: string;
  readonly name: string;
  /** Seconds a disconnected framework keeps its tasks; 0 (the default) ends them at once. */
  readonly failover_timeout?: number;
  readonly checkpoint?: boolean;
  /** Without MULTI_ROLE. */
  readonly role?: string;
  /** With MULTI_ROLE. */
  readonly roles?: readonly string[];
  readonly capabilities?: readonly { readonly type: MesosCapability }[];
  readonly hostname?: string;
  readonly principal?: string;
  readonly webui_url?: string;
  readonly labels?: Labels;
  readonly offer_filters?: {
    readonly [role: string]: {
      readonly min_allocatable_resources?: { readonly quantities: readonly object[] };
    };
  };
}

export interface Labels {
  readonly labels: readonly { readonly key: string; readonly value?: string }[];
}

export interface ReservationInfo {
  readonly type: 'STATIC' | 'DYNAMIC';
  readonly role: string;
  readonly principal?: string;
  readonly labels?: Labels;
}

export interface DiskInfo {
  readonly persistence?: { readonly id: string; readonly principal?: string };
  readonly volume?: { readonly container_path: string; readonly mode: 'RO' | 'RW' };
  readonly source?: object;
}

export interface Resource {
  readonly name: string;
  readonly type: 'SCALAR' | 'RANGES' | 'SET';
  readonly scalar?: { readonly value: number };
  readonly ranges?: { readonly range: readonly Range[] };
  readonly set?: { readonly item: readonly string[] };
  readonly role?: string;
  readonly allocation_info?: { readonly role?: string };
  readonly reservations?: readonly ReservationInfo[];
  readonly disk?: DiskInfo;
  readonly revocable?: object;
  readonly shared?: object;
}

export interface Range {
  readonly begin: number;
  readonly end: number;
}

export interface Attribute {
  readonly name: string;
  readonly type: 'SCALAR' | 'RANGES' | 'SET' | 'TEXT';
  readonly text?: Id;
  readonly scalar?: { readonly value: number };
}

export interface Unavailability {
  readonly start: { readonly nanoseconds: number };
  readonly duration?: { readonly nanoseconds: number };
}

export interface Offer {
  readonly id: Id;
  readonly framework_id: Id;
  readonly agent_id: Id;
  readonly hostname: string;
  readonly resources?: readonly Resource[];
  readonly attributes?: readonly Attribute[];
  readonly executor_ids?: readonly Id[];
  readonly unavailability?: Unavailability;
  readonly allocation_info?: { readonly role?: string };
}

export interface InverseOffer {
  readonly id: Id;
  readonly framework_id: Id;
  readonly agent_id?: Id;
  readonly unavailability: Unavailability;
  readonly resources?: readonly Resource[];
}

/** What a task is; whatever else the proto knows may be set too. */
export interface TaskInfo {
  readonly name: string;
  readonly task_id: Id;
  readonly agent_id: Id;
  readonly resources: readonly Resource[];
  readonly command?: object;
  readonly container?: object;
  readonly executor?: object;
  readonly health_check?: object;
  readonly check?: object;
  readonly kill_policy?: KillPolicy;
  readonly max_completion_time?: { readonly nanoseconds: number };
  readonly labels?: Labels;
  /** Base64. */
  readonly data?: string;
  readonly [field: string]: unknown;
}

export interface KillPolicy {
  readonly grace_period?: { readonly nanoseconds: number };
}

/** One step of an ACCEPT. With `id` its outcome is told by UPDATE_OPERATION_STATUS, where the agent can. */
export type Operation = { readonly id?: Id } & (
  | { readonly type: 'LAUNCH'; readonly launch: { readonly task_infos: readonly TaskInfo[] } }
  | {
      readonly type: 'LAUNCH_GROUP';
      readonly launch_group: {
        readonly executor: object;
        readonly task_group: { readonly tasks: readonly TaskInfo[] };
      };
    }
  | { readonly type: 'RESERVE'; readonly reserve: { readonly resources: readonly Resource[] } }
  | { readonly type: 'UNRESERVE'; readonly unreserve: { readonly resources: readonly Resource[] } }
  | { readonly type: 'CREATE'; readonly create: { readonly volumes: readonly Resource[] } }
  | { readonly type: 'DESTROY'; readonly destroy: { readonly volumes: readonly Resource[] } }
  | {
      readonly type: 'GROW_VOLUME';
      readonly grow_volume: { readonly volume: Resource; readonly addition: Resource };
    }
  | {
      readonly type: 'SHRINK_VOLUME';
      readonly shrink_volume: {
        readonly volume: Resource;
        readonly subtract: { readonly value: number };
      };
    }
);

export interface Filters {
  readonly refuse_seconds?: number;
}

export interface TaskRef {
  readonly task_id: Id;
  readonly agent_id?: Id;
}

export interface TaskStatus {
  readonly task_id: Id;
  readonly state: MesosTaskState;
  readonly source?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly agent_id?: Id;
  readonly executor_id?: Id;
  /** Seconds since the epoch. */
  readonly timestamp?: number;
  /** Base64 of 16 bytes; present when the update must be acknowledged. */
  readonly uuid?: string;
  readonly healthy?: boolean;
  readonly container_status?: {
    readonly network_infos?: readonly {
      readonly ip_addresses?: readonly { readonly ip_address?: string }[];
    }[];
  };
}

export interface OperationStatus {
  readonly operation_id?: Id;
  readonly state: string;
  readonly message?: string;
  readonly uuid?: { readonly value: string };
  readonly agent_id?: Id;
  readonly resource_provider_id?: Id;
}

export type SchedulerEvent =
  | {
      readonly type: 'SUBSCRIBED';
      readonly subscribed: {
        readonly framework_id: Id;
        readonly heartbeat_interval_seconds?: number;
      };
    }
  | { readonly type: 'OFFERS'; readonly offers: { readonly offers?: readonly Offer[] } }
  | { readonly type: 'RESCIND'; readonly rescind: { readonly offer_id: Id } }
  | {
      readonly type: 'INVERSE_OFFERS';
      readonly inverse_offers: { readonly inverse_offers?: readonly InverseOffer[] };
    }
  | {
      readonly type: 'RESCIND_INVERSE_OFFER';
      readonly rescind_inverse_offer: { readonly inverse_offer_id: Id };
    }
  | { readonly type: 'UPDATE'; readonly update: { readonly status: TaskStatus } }
  | {
      readonly type: 'UPDATE_OPERATION_STATUS';
      readonly update_operation_status: { readonly status: OperationStatus };
    }
  | {
      readonly type: 'MESSAGE';
      readonly message: {
        readonly agent_id: Id;
        readonly executor_id: Id;
        /** Base64. */
        readonly data: string;
      };
    }
  | {
      readonly type: 'FAILURE';
      readonly failure: {
        readonly agent_id?: Id;
        readonly executor_id?: Id;
        readonly status?: number;
      };
    }
  | { readonly type: 'ERROR'; readonly error: { readonly message: string } }
  | { readonly type: 'HEARTBEAT' };

export type EventOf<Type extends SchedulerEvent['type']> = Extract<
  SchedulerEvent,
  { readonly type: Type }
>;
