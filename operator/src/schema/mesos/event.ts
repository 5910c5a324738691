import type { WireResource } from './resource.ts';

/** Ports of an offer. */
export interface WirePorts {
  readonly name: 'ports';
  readonly type: 'RANGES';
  readonly ranges: { readonly range: readonly { readonly begin: number; readonly end: number }[] };
  readonly role?: string;
  readonly allocation_info?: { readonly role: string };
}

/** Mesos v1 scheduler events in JSON. Source: Mesos `include/mesos/v1/scheduler/scheduler.proto`, `Event`. */

export interface WireId {
  readonly value: string;
}

export const MESOS_TASK_STATES = [
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_UNREACHABLE',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
  'TASK_UNKNOWN',
] as const;
export type MesosTaskState = (typeof MESOS_TASK_STATES)[number];

export type MesosReason =
  | 'REASON_COMMAND_EXECUTOR_FAILED'
  | 'REASON_EXECUTOR_TERMINATED'
  | 'REASON_EXECUTOR_REGISTRATION_TIMEOUT'
  | 'REASON_AGENT_DISCONNECTED'
  | 'REASON_CONTAINER_UPDATE_FAILED'
  | 'REASON_FRAMEWORK_REMOVED'
  | 'REASON_INVALID_OFFERS'
  | 'REASON_CONTAINER_LIMITATION_MEMORY'
  | 'REASON_CONTAINER_LIMITATION_DISK'
  | 'REASON_RECONCILIATION'
  | 'REASON_AGENT_REMOVED'
  | 'REASON_MASTER_DISCONNECTED'
  | 'REASON_TASK_INVALID'
  | 'REASON_TASK_UNAUTHORIZED'
  | 'REASON_TASK_GROUP_INVALID'
  | 'REASON_TASK_GROUP_UNAUTHORIZED'
  | 'REASON_CONTAINER_PREEMPTED'
  | 'REASON_RESOURCES_UNKNOWN'
  | 'REASON_CONTAINER_LAUNCH_FAILED'
  | 'REASON_AGENT_DRAINING'
  | 'REASON_AGENT_REREGISTERED'
  | 'REASON_TASK_KILLED_DURING_LAUNCH'
  | 'REASON_TASK_CHECK_STATUS_UPDATED'
  | 'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED'
  | 'REASON_MAX_COMPLETION_TIME_REACHED';

export type MesosStatusSource = 'SOURCE_MASTER' | 'SOURCE_AGENT' | 'SOURCE_EXECUTOR';

/** An empty body: there is no result, or none that can be told. */
export interface WireCheckStatus {
  readonly type: 'COMMAND' | 'HTTP' | 'TCP';
  readonly command?: { readonly exit_code?: number };
  readonly http?: { readonly status_code?: number };
  readonly tcp?: { readonly succeeded?: boolean };
}

export interface WireTaskStatus {
  readonly task_id: WireId;
  readonly state: MesosTaskState;
  readonly source: MesosStatusSource;
  readonly message?: string;
  readonly reason?: MesosReason;
  readonly agent_id?: WireId;
  readonly executor_id?: WireId;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  /** Base64 of 16 bytes; only on updates that must be acknowledged. */
  readonly uuid?: string;
  readonly healthy?: boolean;
  readonly check_status?: WireCheckStatus;
  /** The resources of which the task took too much. */
  readonly limitation?: { readonly resources: readonly WireResource[] };
  /** Since when the agent has not been heard of, in nanoseconds since the epoch. */
  readonly unreachable_time?: { readonly nanoseconds: number };
  readonly container_status?: {
    readonly container_id?: WireId;
    readonly network_infos: readonly {
      readonly ip_addresses: readonly {
        readonly protocol: 'IPv4' | 'IPv6';
        readonly ip_address: string;
      }[];
    }[];
  };
}

/** Where an agent is reached. */
export interface WireUrl {
  readonly scheme: 'http';
  readonly address: { readonly hostname: string; readonly ip: string; readonly port: number };
  readonly path: string;
}

export interface WireUnavailability {
  readonly start: { readonly nanoseconds: number };
  /** Absent: for ever. */
  readonly duration?: { readonly nanoseconds: number };
}

export interface WireOffer {
  readonly id: WireId;
  readonly framework_id: WireId;
  readonly agent_id: WireId;
  readonly hostname: string;
  readonly url: WireUrl;
  readonly resources: readonly (WireResource | WirePorts)[];
  readonly executor_ids?: readonly WireId[];
  readonly attributes?: readonly {
    readonly name: string;
    readonly type: 'TEXT';
    readonly text: { readonly value: string };
  }[];
  readonly allocation_info?: { readonly role: string };
  readonly unavailability?: WireUnavailability;
  readonly domain?: {
    readonly fault_domain: {
      readonly region: { readonly name: string };
      readonly zone: { readonly name: string };
    };
  };
}

export interface WireInverseOffer {
  readonly id: WireId;
  readonly framework_id: WireId;
  readonly agent_id: WireId;
  readonly url: WireUrl;
  readonly unavailability: WireUnavailability;
}

export interface WireMasterInfo {
  readonly id: string;
  /** IPv4 address with its first octet in the lowest byte, as Mesos stores it. */
  readonly ip: number;
  readonly port: number;
  readonly hostname: string;
  readonly pid: string;
  readonly version: string;
  readonly address: { readonly hostname: string; readonly ip: string; readonly port: number };
}

export const MESOS_OPERATION_STATES = [
  'OPERATION_PENDING',
  'OPERATION_FINISHED',
  'OPERATION_FAILED',
  'OPERATION_ERROR',
  'OPERATION_DROPPED',
  'OPERATION_UNREACHABLE',
  'OPERATION_GONE_BY_OPERATOR',
  'OPERATION_RECOVERING',
  'OPERATION_UNKNOWN',
] as const;
export type MesosOperationState = (typeof MESOS_OPERATION_STATES)[number];

export interface WireOperationStatus {
  readonly operation_id?: WireId;
  readonly state: MesosOperationState;
  readonly message?: string;
  /** Only on updates that must be acknowledged. */
  readonly uuid?: { readonly value: string };
  readonly agent_id?: WireId;
}

export type SchedulerEvent =
  | {
      readonly type: 'SUBSCRIBED';
      readonly subscribed: {
        readonly framework_id: WireId;
        readonly heartbeat_interval_seconds: number;
        readonly master_info: WireMasterInfo;
      };
    }
  | { readonly type: 'OFFERS'; readonly offers: { readonly offers: readonly WireOffer[] } }
  | { readonly type: 'RESCIND'; readonly rescind: { readonly offer_id: WireId } }
  | { readonly type: 'UPDATE'; readonly update: { readonly status: WireTaskStatus } }
  | {
      readonly type: 'UPDATE_OPERATION_STATUS';
      readonly update_operation_status: { readonly status: WireOperationStatus };
    }
  | {
      readonly type: 'MESSAGE';
      readonly message: {
        readonly agent_id: WireId;
        readonly executor_id: WireId;
        /** Base64. */
        readonly data: string;
      };
    }
  | {
      readonly type: 'FAILURE';
      /** Of an agent, or, with `executor_id`, of an executor that exited with `status`. */
      readonly failure: {
        readonly agent_id: WireId;
        readonly executor_id?: WireId;
        readonly status?: number;
      };
    }
  | {
      readonly type: 'INVERSE_OFFERS';
      readonly inverse_offers: { readonly inverse_offers: readonly WireInverseOffer[] };
    }
  | {
      readonly type: 'RESCIND_INVERSE_OFFER';
      readonly rescind_inverse_offer: { readonly inverse_offer_id: WireId };
    }
  | { readonly type: 'ERROR'; readonly error: { readonly message: string } }
  | { readonly type: 'HEARTBEAT' };

/** An IPv4 address as Mesos's `MasterInfo.ip`; 0 for anything else. */
export function ipToMesosInt(address: string): number {
  const octets = address.split('.').map(Number);
  if (octets.length !== 4 || octets.some((one) => !Number.isInteger(one) || one < 0 || one > 255))
    return 0;
  return octets.reduceRight((value, octet) => value * 256 + octet, 0);
}
