import { z } from 'zod';

/**
 * Between a node agent, which holds the streams of the executors on its node, and the operator, which knows what each of
 * them shall do. The agent opens one stream and is sent events for its executors on it; each call of an executor is a
 * request of its own, whose reply says what to answer.
 */

/** The agent opens its stream here: a line of JSON per `RelayCommand`. */
export const EXECUTOR_LINK_PATH = '/agent/v1/executors';
/** The agent passes on one call of an executor here. */
export const EXECUTOR_CALL_PATH = '/agent/v1/executor-calls';

/** An empty line of JSON is sent this often, so that both sides notice a dead connection. */
export const RELAY_PING_MS = 10_000;

const Id = z.string().min(1).max(4_096);

/** What the agent says first. */
export const RelayHello = z.strictObject({
  node: z.string().min(1).max(253),
  /** `host:port` at which executors on the node reach the agent. */
  endpoint: z.string().min(3).max(300),
  /** Executors whose streams it holds, with the tasks it has sent to each and heard nothing of since. */
  executors: z.array(z.strictObject({ pod: Id, launched: z.array(Id).max(10_000) })).max(1_000),
});
export type RelayHello = z.infer<typeof RelayHello>;

/** An event for the executor in the Pod with this uid. `end`: nothing follows, its stream is closed. */
export const RelayCommand = z.object({
  pod: Id.optional(),
  event: z.looseObject({ type: z.string() }).optional(),
  end: z.boolean().optional(),
});
export type RelayCommand = z.infer<typeof RelayCommand>;

/** One call as the executor made it. */
export const RelayedCall = z.strictObject({
  node: z.string().min(1).max(253),
  /** Address it came from. */
  peer: z.string().max(100),
  /** Its bearer token, if it sent one. */
  token: z.string().max(4_096).optional(),
  /** In JSON, whichever way it came. */
  call: z.looseObject({}),
});
export type RelayedCall = z.infer<typeof RelayedCall>;

export const RelayReply = z.object({
  /** What the executor is answered: 200 with its stream, 202, or a refusal. */
  status: z.number().int(),
  message: z.string().optional(),
  /** Uid of its Pod; set with 200. */
  pod: z.string().optional(),
  /** For the executor's stream, in this order. */
  events: z.array(z.looseObject({ type: z.string() })),
});
export type RelayReply = z.infer<typeof RelayReply>;
