/** What the master tells about itself. Times in ms since the epoch. */
export interface MasterFacts {
  readonly id: string;
  readonly pid: string;
  readonly hostname: string;
  readonly ip: string;
  readonly port: number;
  readonly startMs: number;
  readonly electedMs: number | undefined;
  readonly buildUser: string;
  readonly capabilities: readonly string[];
}

/** What every agent can do, in the names of Mesos's `AgentInfo.Capability`. */
export const AGENT_CAPABILITIES: readonly string[] = [
  'MULTI_ROLE',
  'HIERARCHICAL_ROLE',
  'RESERVATION_REFINEMENT',
  'AGENT_DRAINING',
];

/** What the master can do, in the names of Mesos's `MasterInfo.Capability`. */
export const MASTER_CAPABILITIES: readonly string[] = [
  'AGENT_UPDATE',
  'AGENT_DRAINING',
  'QUOTA_V2',
];
