import type { EnumTables, MessageTables } from './proto/types.ts';

/** Calls of the v1 operator API. Source: Mesos `include/mesos/v1/{master/master,maintenance/maintenance,quota/quota}.proto`. */

export const OPERATOR_CALL_MESSAGES = {
  MachineID: {
    hostname: [1, 'string'],
    ip: [2, 'string'],
  },
  WeightInfo: {
    weight: [1, 'double', 'required'],
    role: [2, 'string'],
  },
  'google.protobuf.Duration': {
    seconds: [1, 'int64'],
    nanos: [2, 'int32'],
  },
  'maintenance.ClusterStatus': {
    draining_machines: [1, 'maintenance.ClusterStatus.DrainingMachine', 'repeated'],
    down_machines: [2, 'MachineID', 'repeated'],
  },
  'maintenance.ClusterStatus.DrainingMachine': {
    id: [1, 'MachineID', 'required'],
    statuses: [2, 'allocator.InverseOfferStatus', 'repeated'],
  },
  'maintenance.Schedule': {
    windows: [1, 'maintenance.Window', 'repeated'],
  },
  'maintenance.Window': {
    machine_ids: [1, 'MachineID', 'repeated'],
    unavailability: [2, 'Unavailability', 'required'],
  },
  'master.Call': {
    type: [1, 'master.Call.Type'],
    get_metrics: [2, 'master.Call.GetMetrics'],
    set_logging_level: [3, 'master.Call.SetLoggingLevel'],
    list_files: [4, 'master.Call.ListFiles'],
    read_file: [5, 'master.Call.ReadFile'],
    update_weights: [6, 'master.Call.UpdateWeights'],
    reserve_resources: [7, 'master.Call.ReserveResources'],
    unreserve_resources: [8, 'master.Call.UnreserveResources'],
    create_volumes: [9, 'master.Call.CreateVolumes'],
    destroy_volumes: [10, 'master.Call.DestroyVolumes'],
    update_maintenance_schedule: [11, 'master.Call.UpdateMaintenanceSchedule'],
    start_maintenance: [12, 'master.Call.StartMaintenance'],
    stop_maintenance: [13, 'master.Call.StopMaintenance'],
    set_quota: [14, 'master.Call.SetQuota'],
    remove_quota: [15, 'master.Call.RemoveQuota'],
    teardown: [16, 'master.Call.Teardown'],
    mark_agent_gone: [17, 'master.Call.MarkAgentGone'],
    grow_volume: [18, 'master.Call.GrowVolume'],
    shrink_volume: [19, 'master.Call.ShrinkVolume'],
    update_quota: [20, 'master.Call.UpdateQuota'],
    drain_agent: [21, 'master.Call.DrainAgent'],
    deactivate_agent: [22, 'master.Call.DeactivateAgent'],
    reactivate_agent: [23, 'master.Call.ReactivateAgent'],
  },
  'master.Call.CreateVolumes': {
    agent_id: [1, 'AgentID', 'required'],
    volumes: [2, 'Resource', 'repeated'],
  },
  'master.Call.DeactivateAgent': {
    agent_id: [1, 'AgentID', 'required'],
  },
  'master.Call.DestroyVolumes': {
    agent_id: [1, 'AgentID', 'required'],
    volumes: [2, 'Resource', 'repeated'],
  },
  'master.Call.DrainAgent': {
    agent_id: [1, 'AgentID', 'required'],
    max_grace_period: [2, 'google.protobuf.Duration'],
    mark_gone: [3, 'bool'],
  },
  'master.Call.GetMetrics': {
    timeout: [1, 'DurationInfo'],
  },
  'master.Call.GrowVolume': {
    agent_id: [1, 'AgentID'],
    volume: [2, 'Resource', 'required'],
    addition: [3, 'Resource', 'required'],
  },
  'master.Call.ListFiles': {
    path: [1, 'string', 'required'],
  },
  'master.Call.MarkAgentGone': {
    agent_id: [1, 'AgentID', 'required'],
  },
  'master.Call.ReactivateAgent': {
    agent_id: [1, 'AgentID', 'required'],
  },
  'master.Call.ReadFile': {
    path: [1, 'string', 'required'],
    offset: [2, 'uint64', 'required'],
    length: [3, 'uint64'],
  },
  'master.Call.RemoveQuota': {
    role: [1, 'string', 'required'],
  },
  'master.Call.ReserveResources': {
    agent_id: [1, 'AgentID', 'required'],
    resources: [2, 'Resource', 'repeated'],
    source: [3, 'Resource', 'repeated'],
  },
  'master.Call.SetLoggingLevel': {
    level: [1, 'uint32', 'required'],
    duration: [2, 'DurationInfo', 'required'],
  },
  'master.Call.SetQuota': {
    quota_request: [1, 'quota.QuotaRequest', 'required'],
  },
  'master.Call.ShrinkVolume': {
    agent_id: [1, 'AgentID'],
    volume: [2, 'Resource', 'required'],
    subtract: [3, 'Value.Scalar', 'required'],
  },
  'master.Call.StartMaintenance': {
    machines: [1, 'MachineID', 'repeated'],
  },
  'master.Call.StopMaintenance': {
    machines: [1, 'MachineID', 'repeated'],
  },
  'master.Call.Teardown': {
    framework_id: [1, 'FrameworkID', 'required'],
  },
  'master.Call.UnreserveResources': {
    agent_id: [1, 'AgentID', 'required'],
    resources: [2, 'Resource', 'repeated'],
  },
  'master.Call.UpdateMaintenanceSchedule': {
    schedule: [1, 'maintenance.Schedule', 'required'],
  },
  'master.Call.UpdateQuota': {
    force: [1, 'bool'],
    quota_configs: [2, 'quota.QuotaConfig', 'repeated'],
  },
  'master.Call.UpdateWeights': {
    weight_infos: [1, 'WeightInfo', 'repeated'],
  },
  'quota.QuotaConfig': {
    role: [1, 'string', 'required'],
    guarantees: [2, 'Value.Scalar', 'map'],
    limits: [3, 'Value.Scalar', 'map'],
  },
  'quota.QuotaInfo': {
    role: [1, 'string'],
    principal: [2, 'string'],
    guarantee: [3, 'Resource', 'repeated'],
  },
  'quota.QuotaRequest': {
    force: [1, 'bool'],
    role: [2, 'string'],
    guarantee: [3, 'Resource', 'repeated'],
  },
  'quota.QuotaStatus': {
    infos: [1, 'quota.QuotaInfo', 'repeated'],
    configs: [2, 'quota.QuotaConfig', 'repeated'],
  },
} as const satisfies MessageTables;

export const OPERATOR_CALL_ENUMS = {
  'master.Call.Type': {
    UNKNOWN: 0,
    GET_HEALTH: 1,
    GET_FLAGS: 2,
    GET_VERSION: 3,
    GET_METRICS: 4,
    GET_LOGGING_LEVEL: 5,
    SET_LOGGING_LEVEL: 6,
    LIST_FILES: 7,
    READ_FILE: 8,
    GET_STATE: 9,
    GET_AGENTS: 10,
    GET_FRAMEWORKS: 11,
    GET_EXECUTORS: 12,
    GET_OPERATIONS: 33,
    GET_TASKS: 13,
    GET_ROLES: 14,
    GET_WEIGHTS: 15,
    UPDATE_WEIGHTS: 16,
    GET_MASTER: 17,
    SUBSCRIBE: 18,
    RESERVE_RESOURCES: 19,
    UNRESERVE_RESOURCES: 20,
    CREATE_VOLUMES: 21,
    DESTROY_VOLUMES: 22,
    GROW_VOLUME: 34,
    SHRINK_VOLUME: 35,
    GET_MAINTENANCE_STATUS: 23,
    GET_MAINTENANCE_SCHEDULE: 24,
    UPDATE_MAINTENANCE_SCHEDULE: 25,
    START_MAINTENANCE: 26,
    STOP_MAINTENANCE: 27,
    DRAIN_AGENT: 37,
    DEACTIVATE_AGENT: 38,
    REACTIVATE_AGENT: 39,
    GET_QUOTA: 28,
    UPDATE_QUOTA: 36,
    SET_QUOTA: 29,
    REMOVE_QUOTA: 30,
    TEARDOWN: 31,
    MARK_AGENT_GONE: 32,
  },
} as const satisfies EnumTables;
