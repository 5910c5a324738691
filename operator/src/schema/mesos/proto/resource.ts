import type { EnumTables, MessageTables } from './types.ts';

/** Ids, values, resources and volumes. Source: Mesos `include/mesos/v1/mesos.proto`. */

export const RESOURCE_MESSAGES = {
  AgentID: {
    value: [1, 'string', 'required'],
  },
  ContainerID: {
    value: [1, 'string', 'required'],
    parent: [2, 'ContainerID'],
  },
  Credential: {
    principal: [1, 'string', 'required'],
    secret: [2, 'string'],
  },
  DurationInfo: {
    nanoseconds: [1, 'int64', 'required'],
  },
  ExecutorID: {
    value: [1, 'string', 'required'],
  },
  FrameworkID: {
    value: [1, 'string', 'required'],
  },
  Image: {
    type: [1, 'Image.Type', 'required'],
    appc: [2, 'Image.Appc'],
    docker: [3, 'Image.Docker'],
    cached: [4, 'bool'],
  },
  'Image.Appc': {
    name: [1, 'string', 'required'],
    id: [2, 'string'],
    labels: [3, 'Labels'],
  },
  'Image.Docker': {
    name: [1, 'string', 'required'],
    credential: [2, 'Credential'],
    config: [3, 'Secret'],
  },
  Label: {
    key: [1, 'string', 'required'],
    value: [2, 'string'],
  },
  Labels: {
    labels: [1, 'Label', 'repeated'],
  },
  MountPropagation: {
    mode: [1, 'MountPropagation.Mode'],
  },
  Parameter: {
    key: [1, 'string', 'required'],
    value: [2, 'string', 'required'],
  },
  Parameters: {
    parameter: [1, 'Parameter', 'repeated'],
  },
  Resource: {
    name: [1, 'string', 'required'],
    type: [2, 'Value.Type', 'required'],
    scalar: [3, 'Value.Scalar'],
    ranges: [4, 'Value.Ranges'],
    set: [5, 'Value.Set'],
    role: [6, 'string'],
    disk: [7, 'Resource.DiskInfo'],
    reservation: [8, 'Resource.ReservationInfo'],
    revocable: [9, 'Resource.RevocableInfo'],
    shared: [10, 'Resource.SharedInfo'],
    allocation_info: [11, 'Resource.AllocationInfo'],
    provider_id: [12, 'ResourceProviderID'],
    reservations: [13, 'Resource.ReservationInfo', 'repeated'],
  },
  'Resource.AllocationInfo': {
    role: [1, 'string'],
  },
  'Resource.DiskInfo': {
    persistence: [1, 'Resource.DiskInfo.Persistence'],
    volume: [2, 'Volume'],
    source: [3, 'Resource.DiskInfo.Source'],
  },
  'Resource.DiskInfo.Persistence': {
    id: [1, 'string', 'required'],
    principal: [2, 'string'],
  },
  'Resource.DiskInfo.Source': {
    type: [1, 'Resource.DiskInfo.Source.Type', 'required'],
    path: [2, 'Resource.DiskInfo.Source.Path'],
    mount: [3, 'Resource.DiskInfo.Source.Mount'],
    id: [4, 'string'],
    metadata: [5, 'Labels'],
    profile: [6, 'string'],
    vendor: [7, 'string'],
  },
  'Resource.DiskInfo.Source.Mount': {
    root: [1, 'string'],
  },
  'Resource.DiskInfo.Source.Path': {
    root: [1, 'string'],
  },
  'Resource.ReservationInfo': {
    principal: [1, 'string'],
    labels: [2, 'Labels'],
    role: [3, 'string'],
    type: [4, 'Resource.ReservationInfo.Type'],
  },
  'Resource.RevocableInfo': {},
  'Resource.SharedInfo': {},
  ResourceProviderID: {
    value: [1, 'string', 'required'],
  },
  Secret: {
    type: [1, 'Secret.Type'],
    reference: [2, 'Secret.Reference'],
    value: [3, 'Secret.Value'],
  },
  'Secret.Reference': {
    name: [1, 'string', 'required'],
    key: [2, 'string'],
  },
  'Secret.Value': {
    data: [1, 'bytes', 'required'],
  },
  TaskID: {
    value: [1, 'string', 'required'],
  },
  TimeInfo: {
    nanoseconds: [1, 'int64', 'required'],
  },
  'Value.Range': {
    begin: [1, 'uint64', 'required'],
    end: [2, 'uint64', 'required'],
  },
  'Value.Ranges': {
    range: [1, 'Value.Range', 'repeated'],
  },
  'Value.Scalar': {
    value: [1, 'double', 'required'],
  },
  'Value.Set': {
    item: [1, 'string', 'repeated'],
  },
  'Value.Text': {
    value: [1, 'string', 'required'],
  },
  Volume: {
    container_path: [1, 'string', 'required'],
    host_path: [2, 'string'],
    mode: [3, 'Volume.Mode', 'required'],
    image: [4, 'Image'],
    source: [5, 'Volume.Source'],
  },
  'Volume.Source': {
    type: [1, 'Volume.Source.Type'],
    docker_volume: [2, 'Volume.Source.DockerVolume'],
    sandbox_path: [3, 'Volume.Source.SandboxPath'],
    secret: [4, 'Secret'],
    host_path: [5, 'Volume.Source.HostPath'],
    csi_volume: [6, 'Volume.Source.CSIVolume'],
  },
  'Volume.Source.CSIVolume': {
    plugin_name: [1, 'string', 'required'],
    static_provisioning: [2, 'Volume.Source.CSIVolume.StaticProvisioning'],
  },
  'Volume.Source.CSIVolume.StaticProvisioning': {
    volume_id: [1, 'string', 'required'],
    volume_capability: [2, 'Volume.Source.CSIVolume.VolumeCapability', 'required'],
    node_stage_secrets: [3, 'Secret', 'map'],
    node_publish_secrets: [4, 'Secret', 'map'],
    volume_context: [5, 'string', 'map'],
  },
  'Volume.Source.CSIVolume.VolumeCapability': {
    block: [1, 'Volume.Source.CSIVolume.VolumeCapability.BlockVolume'],
    mount: [2, 'Volume.Source.CSIVolume.VolumeCapability.MountVolume'],
    access_mode: [3, 'Volume.Source.CSIVolume.VolumeCapability.AccessMode', 'required'],
  },
  'Volume.Source.CSIVolume.VolumeCapability.AccessMode': {
    mode: [1, 'Volume.Source.CSIVolume.VolumeCapability.AccessMode.Mode', 'required'],
  },
  'Volume.Source.CSIVolume.VolumeCapability.BlockVolume': {},
  'Volume.Source.CSIVolume.VolumeCapability.MountVolume': {
    fs_type: [1, 'string'],
    mount_flags: [2, 'string', 'repeated'],
  },
  'Volume.Source.DockerVolume': {
    driver: [1, 'string'],
    name: [2, 'string', 'required'],
    driver_options: [3, 'Parameters'],
  },
  'Volume.Source.HostPath': {
    path: [1, 'string', 'required'],
    mount_propagation: [2, 'MountPropagation'],
  },
  'Volume.Source.SandboxPath': {
    type: [1, 'Volume.Source.SandboxPath.Type'],
    path: [2, 'string', 'required'],
  },
} as const satisfies MessageTables;

export const RESOURCE_ENUMS = {
  'Image.Type': {
    APPC: 1,
    DOCKER: 2,
  },
  'MountPropagation.Mode': {
    UNKNOWN: 0,
    HOST_TO_CONTAINER: 1,
    BIDIRECTIONAL: 2,
  },
  'Resource.DiskInfo.Source.Type': {
    UNKNOWN: 0,
    PATH: 1,
    MOUNT: 2,
    BLOCK: 3,
    RAW: 4,
  },
  'Resource.ReservationInfo.Type': {
    UNKNOWN: 0,
    STATIC: 1,
    DYNAMIC: 2,
  },
  'Secret.Type': {
    UNKNOWN: 0,
    REFERENCE: 1,
    VALUE: 2,
  },
  'Value.Type': {
    SCALAR: 0,
    RANGES: 1,
    SET: 2,
    TEXT: 3,
  },
  'Volume.Mode': {
    RW: 1,
    RO: 2,
  },
  'Volume.Source.CSIVolume.VolumeCapability.AccessMode.Mode': {
    UNKNOWN: 0,
    SINGLE_NODE_WRITER: 1,
    SINGLE_NODE_READER_ONLY: 2,
    MULTI_NODE_READER_ONLY: 3,
    MULTI_NODE_SINGLE_WRITER: 4,
    MULTI_NODE_MULTI_WRITER: 5,
  },
  'Volume.Source.SandboxPath.Type': {
    UNKNOWN: 0,
    SELF: 1,
    PARENT: 2,
  },
  'Volume.Source.Type': {
    UNKNOWN: 0,
    DOCKER_VOLUME: 1,
    SANDBOX_PATH: 2,
    SECRET: 3,
    HOST_PATH: 4,
    CSI_VOLUME: 5,
  },
} as const satisfies EnumTables;
