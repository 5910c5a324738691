import type { AgentReport } from '../../../operator/src/schema/http/agentReport.ts';

export type SendOutcome =
  | { readonly kind: 'accepted' }
  /** Not delivered; `retryAfterMs` is the receiver's own wish, when it gave one. */
  | {
      readonly kind: 'failed';
      readonly reason: string;
      readonly retryAfterMs: number | undefined;
    };

/** Delivers one usage report. Never rejects; every call ends within a deadline of the adapter. */
export interface ReportSender {
  send(report: AgentReport): Promise<SendOutcome>;
}
