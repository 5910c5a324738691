import type { FrameworkId, RolePath } from '../../model/ids.ts';
import type { Clock } from '../../ports/clock.ts';
import type { IdSource } from '../../ports/idSource.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Rng } from '../../ports/rng.ts';
import type { SchedulerEvent } from '../../schema/mesos/event.ts';
import type { MesosCapability } from '../../schema/mesos/framework.ts';
import type { Scheduling } from '../scheduling/types.ts';
import type { World } from '../world.ts';
import type { OfferRules } from './offerRules.ts';
import type { FetcherConfig, PortRange } from './pod/podConfig.ts';
import type { Privilege } from './pod/privileges.ts';

/** Who speaks, as Kubernetes knows them. */
export interface Principal {
  readonly name: string;
  readonly groups: readonly string[];
  readonly uid?: string;
  readonly extra?: { readonly [key: string]: readonly string[] };
}

/** The open stream of one subscribed framework. Methods never throw and never wait. */
export interface EventSink {
  send(event: SchedulerEvent): void;
  /** Ends the stream in order, after everything sent so far. */
  end(): void;
  /** Breaks the connection without the closing chunk: the client shall take it for a dead master and come back. */
  cut(reason: string): void;
}

/** What a framework said of itself when it subscribed last; kept in the spec of its object. */
export interface FrameworkProfile {
  readonly name: string;
  readonly user: string;
  readonly principal: string;
  readonly roles: readonly RolePath[];
  readonly capabilities: ReadonlySet<MesosCapability>;
  readonly failoverTimeoutMs: number;
  /** Undefined for a framework read back from its object: nobody has said it yet. */
  readonly checkpoint?: boolean;
  /** Where its scheduler says it runs. */
  readonly hostname?: string | undefined;
  readonly webuiUrl?: string | undefined;
  /** In memory only: it comes anew with each subscription. */
  readonly offerRules: OfferRules;
}

/** Where the Framework object of a framework is. */
export interface FrameworkPlace {
  readonly id: FrameworkId;
  readonly namespace: string;
  readonly objectName: string;
  readonly objectUid: string;
}

/** May the principal do this? Answers are cached by the adapter; `unavailable` when nobody could be asked. */
export interface FrameworkAuthorizer {
  mayOffer(principal: Principal, role: RolePath): Promise<AccessVerdict>;
  mayCreatePods(principal: Principal, namespace: string): Promise<AccessVerdict>;
  /** What takes the node's own means: privileged containers, paths of the host … */
  mayUse(principal: Principal, privilege: Privilege, namespace: string): Promise<AccessVerdict>;
}

export type AccessVerdict =
  | { readonly kind: 'allowed' }
  /** `missing` names the permission: `verb offer on roles.mezzo.dev "eng/web"`. */
  | { readonly kind: 'denied'; readonly missing: string }
  | { readonly kind: 'unavailable'; readonly message: string };

export interface FrameworkHubConfig {
  /** Count of lease transitions; part of new framework ids. */
  readonly epoch: number;
  /** Namespace of frameworks whose principal has none of its own. */
  readonly defaultNamespace: string;
  /** Namespaces where frameworks never run: the operator's own, `kube-*`. */
  readonly forbiddenNamespaces: readonly string[];
  /** Image of tasks that name none, unless their Framework object does. */
  readonly defaultImage: string;
  /** Fetches the URIs of tasks; absent: tasks with URIs are refused. */
  readonly fetcher?: FetcherConfig;
  /** Ports of every agent that are offered to frameworks; absent: none. */
  readonly agentPorts?: PortRange;
  /** Port at which agents serve what old clients read; absent: 5051. */
  readonly agentPort?: number;
  /** User id of task containers. */
  readonly runAsUser: number;
  /** Create Pods as the framework's principal instead of as the operator. */
  readonly impersonate: boolean;
  /** Address at which frameworks reach this master. */
  readonly advertised: { readonly hostname: string; readonly ip: string; readonly port: number };
  /** Interval of heartbeats. Below 10 s: old clients give up after that. */
  readonly heartbeatMs: number;
  /** After a restart, how long a framework may take to come back before its failover time-out counts. */
  readonly recoveryGraceMs: number;
  /** After a restart, how long questions about unknown tasks stay unanswered: their Pods may not be seen yet. */
  readonly reconcileQuietMs: number;
}

export interface FrameworkHubOptions {
  readonly scheduling: Scheduling;
  readonly kube: KubeApi;
  /** Must be synced: what is not in it does not exist. */
  readonly world: Pick<World, 'frameworks' | 'nodes' | 'pods' | 'roles'>;
  readonly authorizer: FrameworkAuthorizer;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly rng: Rng;
  readonly log: Logger;
  readonly config: FrameworkHubConfig;
  /** Whether launches wait for the API server, so that what is not urgent had better wait too; absent: never. */
  readonly isBusy?: () => boolean;
}

/** What a framework and one of its executors say to each other. Delivery is not promised. */
export interface ExecutorMessage {
  readonly framework: FrameworkId;
  readonly agent: string;
  readonly executor: string;
  /** Base64. */
  readonly data: string;
}

export interface FrameworkSummary {
  readonly id: string;
  readonly name: string;
  readonly namespace: string;
  readonly principal: string;
  readonly roles: readonly string[];
  readonly connected: boolean;
  readonly completed: boolean;
  readonly tasks: readonly {
    readonly id: string;
    readonly agent: string;
    readonly state: string;
  }[];
}
