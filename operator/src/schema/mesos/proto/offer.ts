import type { EnumTables, MessageTables } from './types.ts';

/** Offers, operations and what they name. Source: Mesos `include/mesos/v1/mesos.proto`. */

export const OFFER_MESSAGES = {
  Address: {
    hostname: [1, 'string'],
    ip: [2, 'string'],
    port: [3, 'int32', 'required'],
  },
  Attribute: {
    name: [1, 'string', 'required'],
    type: [2, 'Value.Type', 'required'],
    scalar: [3, 'Value.Scalar'],
    ranges: [4, 'Value.Ranges'],
    text: [5, 'Value.Text'],
    set: [6, 'Value.Set'],
  },
  DomainInfo: {
    fault_domain: [1, 'DomainInfo.FaultDomain'],
  },
  'DomainInfo.FaultDomain': {
    region: [1, 'DomainInfo.FaultDomain.RegionInfo', 'required'],
    zone: [2, 'DomainInfo.FaultDomain.ZoneInfo', 'required'],
  },
  'DomainInfo.FaultDomain.RegionInfo': {
    name: [1, 'string', 'required'],
  },
  'DomainInfo.FaultDomain.ZoneInfo': {
    name: [1, 'string', 'required'],
  },
  InverseOffer: {
    id: [1, 'OfferID', 'required'],
    url: [2, 'URL'],
    framework_id: [3, 'FrameworkID', 'required'],
    agent_id: [4, 'AgentID'],
    unavailability: [5, 'Unavailability', 'required'],
    resources: [6, 'Resource', 'repeated'],
  },
  MasterInfo: {
    id: [1, 'string', 'required'],
    ip: [2, 'uint32', 'required'],
    port: [3, 'uint32', 'required'],
    pid: [4, 'string'],
    hostname: [5, 'string'],
    version: [6, 'string'],
    address: [7, 'Address'],
    domain: [8, 'DomainInfo'],
    capabilities: [9, 'MasterInfo.Capability', 'repeated'],
  },
  'MasterInfo.Capability': {
    type: [1, 'MasterInfo.Capability.Type'],
  },
  Offer: {
    id: [1, 'OfferID', 'required'],
    framework_id: [2, 'FrameworkID', 'required'],
    agent_id: [3, 'AgentID', 'required'],
    hostname: [4, 'string', 'required'],
    resources: [5, 'Resource', 'repeated'],
    executor_ids: [6, 'ExecutorID', 'repeated'],
    attributes: [7, 'Attribute', 'repeated'],
    url: [8, 'URL'],
    unavailability: [9, 'Unavailability'],
    allocation_info: [10, 'Resource.AllocationInfo'],
    domain: [11, 'DomainInfo'],
  },
  'Offer.Operation': {
    type: [1, 'Offer.Operation.Type'],
    launch: [2, 'Offer.Operation.Launch'],
    reserve: [3, 'Offer.Operation.Reserve'],
    unreserve: [4, 'Offer.Operation.Unreserve'],
    create: [5, 'Offer.Operation.Create'],
    destroy: [6, 'Offer.Operation.Destroy'],
    launch_group: [7, 'Offer.Operation.LaunchGroup'],
    id: [12, 'OperationID'],
    grow_volume: [13, 'Offer.Operation.GrowVolume'],
    shrink_volume: [14, 'Offer.Operation.ShrinkVolume'],
    create_disk: [15, 'Offer.Operation.CreateDisk'],
    destroy_disk: [16, 'Offer.Operation.DestroyDisk'],
  },
  'Offer.Operation.Create': {
    volumes: [1, 'Resource', 'repeated'],
  },
  'Offer.Operation.CreateDisk': {
    source: [1, 'Resource', 'required'],
    target_type: [2, 'Resource.DiskInfo.Source.Type', 'required'],
    target_profile: [3, 'string'],
  },
  'Offer.Operation.Destroy': {
    volumes: [1, 'Resource', 'repeated'],
  },
  'Offer.Operation.DestroyDisk': {
    source: [1, 'Resource', 'required'],
  },
  'Offer.Operation.GrowVolume': {
    volume: [1, 'Resource', 'required'],
    addition: [2, 'Resource', 'required'],
  },
  'Offer.Operation.Launch': {
    task_infos: [1, 'TaskInfo', 'repeated'],
  },
  'Offer.Operation.LaunchGroup': {
    executor: [1, 'ExecutorInfo', 'required'],
    task_group: [2, 'TaskGroupInfo', 'required'],
  },
  'Offer.Operation.Reserve': {
    resources: [1, 'Resource', 'repeated'],
    source: [2, 'Resource', 'repeated'],
  },
  'Offer.Operation.ShrinkVolume': {
    volume: [1, 'Resource', 'required'],
    subtract: [2, 'Value.Scalar', 'required'],
  },
  'Offer.Operation.Unreserve': {
    resources: [1, 'Resource', 'repeated'],
  },
  OfferID: {
    value: [1, 'string', 'required'],
  },
  OperationID: {
    value: [1, 'string', 'required'],
  },
  OperationStatus: {
    operation_id: [1, 'OperationID'],
    state: [2, 'OperationState', 'required'],
    message: [3, 'string'],
    converted_resources: [4, 'Resource', 'repeated'],
    uuid: [5, 'UUID'],
    agent_id: [6, 'AgentID'],
    resource_provider_id: [7, 'ResourceProviderID'],
  },
  URL: {
    scheme: [1, 'string', 'required'],
    address: [2, 'Address', 'required'],
    path: [3, 'string'],
    query: [4, 'Parameter', 'repeated'],
    fragment: [5, 'string'],
  },
  UUID: {
    value: [1, 'bytes', 'required'],
  },
  Unavailability: {
    start: [1, 'TimeInfo', 'required'],
    duration: [2, 'DurationInfo'],
  },
} as const satisfies MessageTables;

export const OFFER_ENUMS = {
  'MasterInfo.Capability.Type': {
    UNKNOWN: 0,
    AGENT_UPDATE: 1,
    AGENT_DRAINING: 2,
    QUOTA_V2: 3,
  },
  'Offer.Operation.Type': {
    UNKNOWN: 0,
    LAUNCH: 1,
    RESERVE: 2,
    UNRESERVE: 3,
    CREATE: 4,
    DESTROY: 5,
    LAUNCH_GROUP: 6,
    GROW_VOLUME: 11,
    SHRINK_VOLUME: 12,
    CREATE_DISK: 13,
    DESTROY_DISK: 14,
  },
  OperationState: {
    OPERATION_UNSUPPORTED: 0,
    OPERATION_PENDING: 1,
    OPERATION_FINISHED: 2,
    OPERATION_FAILED: 3,
    OPERATION_ERROR: 4,
    OPERATION_DROPPED: 5,
    OPERATION_UNREACHABLE: 6,
    OPERATION_GONE_BY_OPERATOR: 7,
    OPERATION_RECOVERING: 8,
    OPERATION_UNKNOWN: 9,
  },
} as const satisfies EnumTables;
