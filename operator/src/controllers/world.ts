import type { CacheReader } from '../runtime/cache.ts';
import type { Node, Pod } from '../schema/kubeObjects.ts';
import type {
  AdhocJobObject,
  AgentObject,
  CronJobObject,
  FrameworkObject,
  MaintenanceWindowObject,
  QuotaObject,
  ReservationObject,
  RoleObject,
  ServiceJobObject,
} from '../schema/mezzoKinds.ts';

/** Everything the operator watches, as last seen. Reads never block; writes go to the API server. */
export interface World {
  readonly nodes: CacheReader<Node>;
  /** Indexed by `node` (spec.nodeName) and `jobUid`. */
  readonly pods: CacheReader<Pod>;
  readonly roles: CacheReader<RoleObject>;
  readonly quotas: CacheReader<QuotaObject>;
  readonly reservations: CacheReader<ReservationObject>;
  readonly serviceJobs: CacheReader<ServiceJobObject>;
  readonly adhocJobs: CacheReader<AdhocJobObject>;
  readonly cronJobs: CacheReader<CronJobObject>;
  readonly frameworks: CacheReader<FrameworkObject>;
  readonly agents: CacheReader<AgentObject>;
  readonly maintenanceWindows: CacheReader<MaintenanceWindowObject>;
}
