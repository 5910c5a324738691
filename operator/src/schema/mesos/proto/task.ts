import type { EnumTables, MessageTables } from './types.ts';

/** Tasks, commands, checks and executors. Source: Mesos `include/mesos/v1/mesos.proto`. */

export const TASK_MESSAGES = {
  CheckInfo: {
    type: [1, 'CheckInfo.Type'],
    command: [2, 'CheckInfo.Command'],
    http: [3, 'CheckInfo.Http'],
    delay_seconds: [4, 'double'],
    interval_seconds: [5, 'double'],
    timeout_seconds: [6, 'double'],
    tcp: [7, 'CheckInfo.Tcp'],
  },
  'CheckInfo.Command': {
    command: [1, 'CommandInfo', 'required'],
  },
  'CheckInfo.Http': {
    port: [1, 'uint32', 'required'],
    path: [2, 'string'],
  },
  'CheckInfo.Tcp': {
    port: [1, 'uint32', 'required'],
  },
  CommandInfo: {
    uris: [1, 'CommandInfo.URI', 'repeated'],
    environment: [2, 'Environment'],
    value: [3, 'string'],
    user: [5, 'string'],
    shell: [6, 'bool'],
    arguments: [7, 'string', 'repeated'],
  },
  'CommandInfo.URI': {
    value: [1, 'string', 'required'],
    executable: [2, 'bool'],
    extract: [3, 'bool'],
    cache: [4, 'bool'],
    output_file: [5, 'string'],
  },
  DiscoveryInfo: {
    visibility: [1, 'DiscoveryInfo.Visibility', 'required'],
    name: [2, 'string'],
    environment: [3, 'string'],
    location: [4, 'string'],
    version: [5, 'string'],
    ports: [6, 'Ports'],
    labels: [7, 'Labels'],
  },
  Environment: {
    variables: [1, 'Environment.Variable', 'repeated'],
  },
  'Environment.Variable': {
    name: [1, 'string', 'required'],
    value: [2, 'string'],
    type: [3, 'Environment.Variable.Type'],
    secret: [4, 'Secret'],
  },
  ExecutorInfo: {
    executor_id: [1, 'ExecutorID', 'required'],
    data: [4, 'bytes'],
    resources: [5, 'Resource', 'repeated'],
    command: [7, 'CommandInfo'],
    framework_id: [8, 'FrameworkID'],
    name: [9, 'string'],
    source: [10, 'string'],
    container: [11, 'ContainerInfo'],
    discovery: [12, 'DiscoveryInfo'],
    shutdown_grace_period: [13, 'DurationInfo'],
    labels: [14, 'Labels'],
    type: [15, 'ExecutorInfo.Type'],
  },
  HealthCheck: {
    http: [1, 'HealthCheck.HTTPCheckInfo'],
    delay_seconds: [2, 'double'],
    interval_seconds: [3, 'double'],
    timeout_seconds: [4, 'double'],
    consecutive_failures: [5, 'uint32'],
    grace_period_seconds: [6, 'double'],
    command: [7, 'CommandInfo'],
    type: [8, 'HealthCheck.Type'],
    tcp: [9, 'HealthCheck.TCPCheckInfo'],
  },
  'HealthCheck.HTTPCheckInfo': {
    port: [1, 'uint32', 'required'],
    path: [2, 'string'],
    scheme: [3, 'string'],
    statuses: [4, 'uint32', 'repeated'],
    protocol: [5, 'NetworkInfo.Protocol'],
  },
  'HealthCheck.TCPCheckInfo': {
    port: [1, 'uint32', 'required'],
    protocol: [2, 'NetworkInfo.Protocol'],
  },
  KillPolicy: {
    grace_period: [1, 'DurationInfo'],
  },
  Port: {
    number: [1, 'uint32', 'required'],
    name: [2, 'string'],
    protocol: [3, 'string'],
    visibility: [4, 'DiscoveryInfo.Visibility'],
    labels: [5, 'Labels'],
  },
  Ports: {
    ports: [1, 'Port', 'repeated'],
  },
  TaskGroupInfo: {
    tasks: [1, 'TaskInfo', 'repeated'],
  },
  TaskInfo: {
    name: [1, 'string', 'required'],
    task_id: [2, 'TaskID', 'required'],
    agent_id: [3, 'AgentID', 'required'],
    resources: [4, 'Resource', 'repeated'],
    executor: [5, 'ExecutorInfo'],
    data: [6, 'bytes'],
    command: [7, 'CommandInfo'],
    health_check: [8, 'HealthCheck'],
    container: [9, 'ContainerInfo'],
    labels: [10, 'Labels'],
    discovery: [11, 'DiscoveryInfo'],
    kill_policy: [12, 'KillPolicy'],
    check: [13, 'CheckInfo'],
    max_completion_time: [14, 'DurationInfo'],
    limits: [15, 'Value.Scalar', 'map'],
  },
} as const satisfies MessageTables;

export const TASK_ENUMS = {
  'CheckInfo.Type': {
    UNKNOWN: 0,
    COMMAND: 1,
    HTTP: 2,
    TCP: 3,
  },
  'DiscoveryInfo.Visibility': {
    FRAMEWORK: 0,
    CLUSTER: 1,
    EXTERNAL: 2,
  },
  'Environment.Variable.Type': {
    UNKNOWN: 0,
    VALUE: 1,
    SECRET: 2,
  },
  'ExecutorInfo.Type': {
    UNKNOWN: 0,
    DEFAULT: 1,
    CUSTOM: 2,
  },
  'HealthCheck.Type': {
    UNKNOWN: 0,
    COMMAND: 1,
    HTTP: 2,
    TCP: 3,
  },
} as const satisfies EnumTables;
