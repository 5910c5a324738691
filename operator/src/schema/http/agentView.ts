import { z } from 'zod';

/** Path on the operator where an agent asks what one of its callers may see of its node. */
export const AGENT_VIEW_PATH = '/agent/v1/view';

/**
 * An agent passes on the `Authorization` header of a caller: who that is and what they may see is judged in one place, by
 * the rules of the operator's own endpoints, and the agent needs no rights for it.
 */
export const AgentViewRequest = z.strictObject({
  node: z.string().min(1).max(253),
  /** Absent: the caller sent none. */
  authorization: z.string().max(20_000).optional(),
});
export type AgentViewRequest = z.infer<typeof AgentViewRequest>;

/** Amounts in Mesos's units, by name. */
const Scalars = z.record(z.string(), z.number());

const AgentViewTask = z.object({
  podUid: z.string(),
  podName: z.string(),
  namespace: z.string(),
  container: z.string(),
  id: z.string(),
  name: z.string(),
  framework: z.string(),
  role: z.string(),
  state: z.string(),
  completed: z.boolean(),
  resources: Scalars,
  /** The caller may read what it wrote to stdout and stderr. */
  mayReadLogs: z.boolean(),
  /** The caller may read the files it works on. */
  mayReadFiles: z.boolean(),
});
export type AgentViewTask = z.infer<typeof AgentViewTask>;

const AgentViewFramework = z.object({
  id: z.string(),
  name: z.string(),
  user: z.string(),
  principal: z.string().optional(),
  roles: z.array(z.string()),
  multiRole: z.boolean(),
  failoverTimeoutSeconds: z.number(),
});

/** What the caller may see of the node. */
export const AgentView = z.object({
  kind: z.literal('principal'),
  principal: z.string(),
  version: z.string(),
  masterHostname: z.string(),
  /** The caller may see which paths stand for which. */
  mayDebug: z.boolean(),
  /** The agent as `/slaves` of the master shows it; absent while its node is not known. */
  agent: z.record(z.string(), z.unknown()).optional(),
  frameworks: z.array(AgentViewFramework),
  tasks: z.array(AgentViewTask),
});
export type AgentView = z.infer<typeof AgentView>;

export const AgentViewReply = z.discriminatedUnion('kind', [
  AgentView,
  z.object({ kind: z.literal('rejected'), message: z.string() }),
  z.object({ kind: z.literal('unavailable'), message: z.string() }),
]);
export type AgentViewReply = z.infer<typeof AgentViewReply>;
