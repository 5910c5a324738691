import type { AgentViewReply } from '../../../operator/src/schema/http/agentView.ts';

/** Asks the operator what a caller may see of this node. Never rejects; `unavailable` when nobody answers in time. */
export interface NodeViews {
  viewFor(authorization: string | undefined): Promise<AgentViewReply>;
}
