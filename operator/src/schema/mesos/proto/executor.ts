import type { EnumTables, MessageTables } from './types.ts';

/** Calls and events of the v1 executor API. Source: Mesos `include/mesos/v1/executor/executor.proto`. */

export const EXECUTOR_MESSAGES = {
  AgentInfo: {
    hostname: [1, 'string', 'required'],
    resources: [3, 'Resource', 'repeated'],
    id: [6, 'AgentID'],
    port: [8, 'int32'],
  },
  'executor.Call': {
    executor_id: [1, 'ExecutorID', 'required'],
    framework_id: [2, 'FrameworkID', 'required'],
    type: [3, 'executor.Call.Type'],
    subscribe: [4, 'executor.Call.Subscribe'],
    update: [5, 'executor.Call.Update'],
    message: [6, 'executor.Call.Message'],
  },
  'executor.Call.Message': {
    data: [2, 'bytes', 'required'],
  },
  'executor.Call.Subscribe': {
    unacknowledged_tasks: [1, 'TaskInfo', 'repeated'],
    unacknowledged_updates: [2, 'executor.Call.Update', 'repeated'],
  },
  'executor.Call.Update': {
    status: [1, 'TaskStatus', 'required'],
  },
  'executor.Event': {
    type: [1, 'executor.Event.Type'],
    subscribed: [2, 'executor.Event.Subscribed'],
    acknowledged: [3, 'executor.Event.Acknowledged'],
    launch: [4, 'executor.Event.Launch'],
    kill: [5, 'executor.Event.Kill'],
    message: [6, 'executor.Event.Message'],
    error: [7, 'executor.Event.Error'],
    launch_group: [8, 'executor.Event.LaunchGroup'],
  },
  'executor.Event.Acknowledged': {
    task_id: [1, 'TaskID', 'required'],
    uuid: [2, 'bytes', 'required'],
  },
  'executor.Event.Error': {
    message: [1, 'string', 'required'],
  },
  'executor.Event.Kill': {
    task_id: [1, 'TaskID', 'required'],
    kill_policy: [2, 'KillPolicy'],
  },
  'executor.Event.Launch': {
    task: [1, 'TaskInfo', 'required'],
  },
  'executor.Event.LaunchGroup': {
    task_group: [1, 'TaskGroupInfo', 'required'],
  },
  'executor.Event.Message': {
    data: [1, 'bytes', 'required'],
  },
  'executor.Event.Subscribed': {
    executor_info: [1, 'ExecutorInfo', 'required'],
    framework_info: [2, 'FrameworkInfo', 'required'],
    agent_info: [3, 'AgentInfo', 'required'],
    container_id: [4, 'ContainerID'],
  },
} as const satisfies MessageTables;

export const EXECUTOR_ENUMS = {
  'executor.Call.Type': { UNKNOWN: 0, SUBSCRIBE: 1, UPDATE: 2, MESSAGE: 3, HEARTBEAT: 4 },
  'executor.Event.Type': {
    UNKNOWN: 0,
    SUBSCRIBED: 1,
    LAUNCH: 2,
    KILL: 3,
    ACKNOWLEDGED: 4,
    MESSAGE: 5,
    ERROR: 6,
    SHUTDOWN: 7,
    LAUNCH_GROUP: 8,
    HEARTBEAT: 9,
  },
} as const satisfies EnumTables;
