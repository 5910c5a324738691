import { z } from 'zod';

/** Path on the operator where agents post their usage reports. */
export const AGENT_REPORT_PATH = '/agent/v1/report';

/** The most Pods one report may carry; more than any node runs. */
export const MAX_REPORTED_PODS = 1000;

/** Far above any machine: a bound against nonsense, not a capacity check (the receiver clamps to the Node's). */
const CpuMillis = z.int().min(0).max(10_000_000);
const MemoryBytes = z
  .int()
  .min(0)
  .max(2 ** 50);

/** A Pod's uid as its cgroup names it: a UUID, or the 32 digit hash of a static Pod's manifest. */
const PodUid = z.string().regex(/^[0-9a-f][0-9a-f-]{7,63}$/);

const PodUsage = z.strictObject({ uid: PodUid, cpuMillis: CpuMillis, memoryBytes: MemoryBytes });

/**
 * What one agent saw its node and its Pods use over the last interval.
 *
 * Guarantees: a Pod whose usage is not known yet (its first interval) is absent, never zero.
 * Assumes: the receiver checks that the bearer token belongs to `node`, bounds the age of `atMs`
 * and clamps every figure to the capacity of the Node object: a lying agent must not create capacity.
 */
export const AgentReport = z.strictObject({
  node: z.string().min(1).max(253),
  /** Wall clock of the node, milliseconds since the epoch. */
  atMs: z.int().min(0),
  nodeUsage: z.strictObject({ cpuMillis: CpuMillis, memoryBytes: MemoryBytes }),
  pods: z.array(PodUsage).max(MAX_REPORTED_PODS),
});

export type AgentReport = z.infer<typeof AgentReport>;
