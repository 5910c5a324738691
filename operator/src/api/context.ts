import type { FrameworkHub } from '../controllers/framework/hub.ts';
import type { Views } from '../controllers/views.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { AgentReport } from '../schema/http/agentReport.ts';
import type { Authenticator } from './auth/types.ts';
import type { OperatorApiOptions } from './operatorApi/options.ts';

/** Who leads, as this process sees it. */
export type Leadership =
  /** This process; `hub` is absent while it still reads the cluster. */
  | { readonly kind: 'self'; readonly hub: FrameworkHub | undefined }
  | { readonly kind: 'other'; readonly address: string }
  | { readonly kind: 'unknown' };

export interface ProbeResult {
  readonly ok: boolean;
  /** What was checked and how it stands; shown to whoever asks, so without secrets. */
  readonly detail: { readonly [check: string]: string };
}

export interface ApiLimits {
  readonly bodyBytes: number;
  readonly streamBufferBytes: number;
  /** Records that may wait for the reader of one stream; offers of one event count each. */
  readonly streamRecords: number;
  readonly maxStreams: number;
  /** Streams of one principal, so that nobody takes them all. */
  readonly maxStreamsPerPrincipal: number;
  /** Subscriptions of one principal: each may become an object of the API server. */
  readonly subscriptionsPerSecond: number;
  readonly subscriptionBurst: number;
  /** Calls per second of one principal, and of one framework. */
  readonly callsPerSecond: number;
  readonly burst: number;
  /** Failed authentications per second of one address. */
  readonly failuresPerSecond: number;
}

export const DEFAULT_LIMITS: ApiLimits = {
  bodyBytes: 4 * 1024 * 1024,
  streamBufferBytes: 1024 * 1024,
  streamRecords: 32_768,
  maxStreams: 4_000,
  maxStreamsPerPrincipal: 3_000,
  subscriptionsPerSecond: 50,
  subscriptionBurst: 3_000,
  callsPerSecond: 2_000,
  burst: 4_000,
  failuresPerSecond: 20,
};

export interface AppOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly leadership: () => Leadership;
  readonly authenticator: Authenticator;
  /** Where this process is reached, `host:port`; the target of `/redirect` while it leads. */
  readonly advertisedAddress: string;
  readonly probes: { readonly live: () => ProbeResult; readonly ready: () => ProbeResult };
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
  readonly views: Views;
  readonly operatorApi: OperatorApiOptions;
  readonly agents: {
    /** Name of the service account of the node agents, `system:serviceaccount:ns:name`. */
    readonly serviceAccount: string;
    /** Take reports without a token: only for a listener on loopback. */
    readonly allowAnonymous: boolean;
    readonly onReport: (report: AgentReport) => void;
  };
  readonly limits?: Partial<ApiLimits>;
}

/** What routes need: the options with every limit filled in. */
export interface RouteContext extends Omit<AppOptions, 'limits'> {
  readonly limits: ApiLimits;
}
