import type { EnumTables, MessageTables } from './types.ts';

/** What a framework says of itself. Source: Mesos `include/mesos/v1/mesos.proto`. */

export const FRAMEWORK_MESSAGES = {
  FrameworkInfo: {
    user: [1, 'string', 'required'],
    name: [2, 'string', 'required'],
    id: [3, 'FrameworkID'],
    failover_timeout: [4, 'double'],
    checkpoint: [5, 'bool'],
    role: [6, 'string'],
    hostname: [7, 'string'],
    principal: [8, 'string'],
    webui_url: [9, 'string'],
    capabilities: [10, 'FrameworkInfo.Capability', 'repeated'],
    labels: [11, 'Labels'],
    roles: [12, 'string', 'repeated'],
    offer_filters: [13, 'OfferFilters', 'map'],
  },
  'FrameworkInfo.Capability': {
    type: [1, 'FrameworkInfo.Capability.Type'],
  },
  OfferFilters: {
    min_allocatable_resources: [1, 'OfferFilters.MinAllocatableResources'],
  },
  'OfferFilters.MinAllocatableResources': {
    quantities: [1, 'OfferFilters.ResourceQuantities', 'repeated'],
  },
  'OfferFilters.ResourceQuantities': {
    quantities: [1, 'Value.Scalar', 'map'],
  },
} as const satisfies MessageTables;

export const FRAMEWORK_ENUMS = {
  'FrameworkInfo.Capability.Type': {
    UNKNOWN: 0,
    REVOCABLE_RESOURCES: 1,
    TASK_KILLING_STATE: 2,
    GPU_RESOURCES: 3,
    SHARED_RESOURCES: 4,
    PARTITION_AWARE: 5,
    MULTI_ROLE: 6,
    RESERVATION_REFINEMENT: 7,
    REGION_AWARE: 8,
  },
} as const satisfies EnumTables;
