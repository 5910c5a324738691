import { type TierUse, tierUseOf } from '../../allocator/tierCheck.ts';
import type { Resources } from '../../model/resources.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubeApi } from '../../ports/kubeApi.ts';
import type { WorkResult } from '../../runtime/workQueue.ts';
import { QUOTAS, type QuotaObject, ROLES, type RoleObject } from '../../schema/mezzoKinds.ts';
import { ledgerOf } from '../scheduling/ledger.ts';
import { isoTime } from '../shared/conditions.ts';
import { writeStatus } from '../shared/statusWriter.ts';
import type { RoleView } from '../views.ts';
import type { World } from '../world.ts';
import { isSettled, judgeQuotas, type QuotaVerdict } from './judgeQuotas.ts';
import { quotaStatus } from './quotaStatus.ts';
import { roleStatus } from './roleStatus.ts';
import { roleTableOf } from './roleTable.ts';

export interface RoleControllerOptions {
  readonly world: World;
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly roleViews: () => readonly RoleView[];
  /** What tasks and reservations of each role count against its quota, those of the roles below included. */
  readonly consumed: () => ReadonlyMap<string, Resources>;
  /** The same, of this very moment: for a decision, not for a figure. */
  readonly consumedNow: () => ReadonlyMap<string, Resources>;
  /** Total capacity of the agents, for guarantees nobody can keep. */
  readonly capacity: () => Resources;
}

/** Shares and consumption change with every task; the status follows at this pace, metrics at every scrape. */
const REFRESH_MS = 5_000;
/** However many roles there are, no more statuses than this are looked at in a second. */
const LOOKS_PER_SECOND = 20;

/** Keeps the status of Role and Quota objects. Keys: `Role/<name>` and `Quota/<name>`. */
export function createRoleController(options: RoleControllerOptions): {
  reconcile(key: string): Promise<WorkResult>;
} {
  const { world } = options;
  return {
    async reconcile(key) {
      const [kind = '', name = ''] = key.split('/');
      const role = kind === 'Role' ? world.roles.get({ name }) : undefined;
      const quota = kind === 'Quota' ? world.quotas.get({ name }) : undefined;
      if (role === undefined && quota === undefined) return { kind: 'awaitChange' };
      if (role !== undefined) await writeRole(options, role);
      const isRefused = quota !== undefined && (await writeQuota(options, quota)) === 'refused';
      return { kind: 'requeueAfter', delayMs: isRefused ? REFRESH_MS : refreshMs(world) };
    },
  };
}

function refreshMs({ roles, quotas }: World): number {
  return Math.max(REFRESH_MS, ((roles.size + quotas.size) / LOOKS_PER_SECOND) * 1000);
}

async function writeRole(options: RoleControllerOptions, role: RoleObject): Promise<void> {
  const { shadowed } = roleTableOf(options.world.roles.list(), options.world.quotas.list());
  const figures = {
    views: options.roleViews(),
    consumed: options.consumed(),
    winner: shadowed.get(`Role/${role.metadata.name}`),
  };
  const status = roleStatus(role, figures, isoTime(options.clock.nowMs()));
  await writeStatus<RoleObject>(options.kube, ROLES, role, status);
}

async function writeQuota(
  options: RoleControllerOptions,
  quota: QuotaObject,
): Promise<QuotaVerdict['kind'] | undefined> {
  const figures = {
    table: roleTableOf(options.world.roles.list(), options.world.quotas.list()),
    consumed: isSettled(quota) ? options.consumed() : options.consumedNow(),
    capacity: options.capacity(),
    ...tierUseOfQuotas(options.world),
  };
  const verdict = judgeQuotas(figures).get(quota.metadata.name);
  const status = quotaStatus(quota, figures, verdict, isoTime(options.clock.nowMs()));
  await writeStatus<QuotaObject>(options.kube, QUOTAS, quota, status);
  return verdict?.kind;
}

/** Counted only where some quota limits a tier. */
function tierUseOfQuotas({ quotas, pods }: World): { readonly tierUse?: TierUse } {
  if (!quotas.list().some((one) => one.spec.tierLimits !== undefined)) return {};
  return { tierUse: tierUseOf(ledgerOf(pods.list(), []).tasks) };
}
