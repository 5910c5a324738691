import { gatherClusterView } from '../../operator/src/controllers/clusterView/gatherClusterView.ts';
import type { ClusterView, ViewedAgent } from '../../operator/src/controllers/clusterView/types.ts';
import { reservedByAgent } from '../../operator/src/controllers/reservation/reservedByAgent.ts';
import { gatherSnapshot } from '../../operator/src/controllers/scheduling/snapshot.ts';
import { createUsageBoard } from '../../operator/src/controllers/usage.ts';
import type { World } from '../../operator/src/controllers/world.ts';
import type { KubeObject, ResourceRef } from '../../operator/src/ports/kubeApi.ts';
import { NODES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import * as kinds from '../../operator/src/schema/mezzoKinds.ts';
import type { FrameworkHarness } from './frameworkHarness.ts';

/** The cluster as a master over the harness tells it: read anew from the fake API server, without an allocator. */
export function clusterOf({ api, hub, scheduling, clock }: FrameworkHarness): ClusterView {
  const reader = (ref: ResourceRef): never => {
    const list = (): readonly KubeObject[] => api.list(ref, {}).items;
    return {
      list,
      get: (key: { readonly name: string }) => list().find((one) => one.metadata.name === key.name),
      byIndex: () => [],
      subscribe: () => () => undefined,
    } as never;
  };
  const world: World = {
    nodes: reader(NODES),
    pods: reader(PODS),
    roles: reader(kinds.ROLES),
    quotas: reader(kinds.QUOTAS),
    reservations: reader(kinds.RESERVATIONS),
    serviceJobs: reader(kinds.SERVICE_JOBS),
    adhocJobs: reader(kinds.ADHOC_JOBS),
    cronJobs: reader(kinds.CRON_JOBS),
    frameworks: reader(kinds.FRAMEWORKS),
    agents: reader(kinds.AGENTS),
    maintenanceWindows: reader(kinds.MAINTENANCE_WINDOWS),
  };
  const gathered = gatherSnapshot({
    world,
    assumed: [],
    offers: [],
    holds: [],
    reservations: boundWhereTheySay(world),
    inMaintenance: new Set(),
    frameworks: [],
    filters: [],
    counts: [],
    nowMs: clock.nowMs(),
  });
  return gatherClusterView({
    world,
    gathered,
    plan: undefined,
    usage: createUsageBoard(clock),
    summaries: hub.frameworks(),
    outstanding: (framework) => scheduling.outstanding(framework),
    nowMs: clock.nowMs(),
    inverseAnswers: [],
  });
}

/** Reservations that name their agent are bound there at once. */
function boundWhereTheySay(world: World): ReturnType<typeof reservedByAgent> {
  return reservedByAgent(
    world.reservations.list().map((one) => ({
      ...one,
      status: { ...one.status, agents: one.spec.agent === undefined ? [] : [one.spec.agent] },
    })),
  );
}

/** An agent with 4 CPUs and 2 GiB, half a CPU of it free for others. */
export const AN_AGENT: ViewedAgent = {
  id: 'node-1',
  hostname: 'node-1',
  ip: '10.0.0.1',
  port: 5055,
  attributes: { hostname: 'node-1' },
  active: true,
  deactivated: false,
  unreachable: false,
  reason: undefined,
  registeredMs: 1_000,
  total: { resources: { cpus: 4000, mem: 2 ** 31 }, revocable: {} },
  allocated: { resources: { cpus: 1500 }, revocable: {} },
  offered: { resources: {}, revocable: {} },
  reservations: [],
  pendingReservations: [],
  drain: undefined,
  hasObject: true,
};
