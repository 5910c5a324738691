import type { AgentId, RolePath } from '../../model/ids.ts';
import type { Resources } from '../../model/resources.ts';
import { comparePaths } from '../rolePaths.ts';
import { PoolKind } from './agentTable.ts';
import type { VectorColumn } from './columns.ts';
import type { Core } from './core.ts';
import { inUnits } from './describe.ts';
import { NONE, ROOT } from './roleTree.ts';
import { tierExcess, tierFigures } from './tierEvents.ts';
import type { LedgerCondition, RoleFigures } from './types.ts';

interface Sums {
  readonly allocated: VectorColumn;
  readonly offered: VectorColumn;
  readonly revocable: VectorColumn;
  readonly reserved: VectorColumn;
}

/** Where every known role stands, in order of path. */
export function rolesOf(core: Core): readonly RoleFigures[] {
  const { roles, quota, space } = core.ledger;
  const sums = sumsByRole(core);
  const over = guaranteesOverCapacity(core);
  const room = new Float64Array(space.stride);
  const rows = [...roles.roles()].sort((left, right) =>
    comparePaths(roles.paths[left] as string, roles.paths[right] as string),
  );
  return rows.map((role) => {
    const at = role * space.stride;
    const guarantees = space.write(quota.guarantee.data, at);
    quota.hardRoom(role, room);
    return {
      role: roles.paths[role] as RolePath,
      weightMilli: roles.shares.weightMilli[role] as number,
      dominantSharePpm: Math.floor(roles.shares.fraction(role) * 1_000_000),
      guarantees,
      limits: finite(core, quota.limit.data, at),
      consumed: space.write(quota.consumed.data, at),
      allocated: space.write(sums.allocated.data, at),
      offered: space.write(sums.offered.data, at),
      revocable: space.write(sums.revocable.data, at),
      reserved: space.write(sums.reserved.data, at),
      headroom: finite(core, room, 0),
      tiers: tierFigures(core, role, (from, base) => finite(core, from.data, base)),
      overCommitted: Object.fromEntries(
        Object.entries(over).filter(([name]) => (guarantees[name] ?? 0) > 0),
      ),
    };
  });
}

/** States that are allowed but wrong. */
export function conditionsOf(core: Core): readonly LedgerCondition[] {
  const { agents, pools, roles, quota, tiers, space } = core.ledger;
  const found: LedgerCondition[] = [];
  for (const agent of agents.inOrder()) {
    const over: { [name: string]: number } = {};
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      for (let k = 0; k < space.names.length; k++) {
        const free = pools.free.data[pool * space.stride + k] as number;
        if (free < 0) over[space.names[k] as string] = (over[space.names[k] as string] ?? 0) - free;
      }
      pool = pools.next[pool] as number;
    }
    if (Object.keys(over).length > 0)
      found.push({ kind: 'AgentOverAllocated', agent: agents.ids[agent] as AgentId, over });
  }
  const lacking = guaranteesOverCapacity(core);
  if (Object.keys(lacking).length > 0)
    found.push({ kind: 'GuaranteesOverCapacity', over: lacking });
  for (const role of quota.limited) {
    const over: { [name: string]: number } = {};
    for (let k = 0; k < space.names.length; k++) {
      const at = role * space.stride + k;
      const above = (quota.consumed.data[at] as number) - (quota.limit.data[at] as number);
      if (above > 0) over[space.names[k] as string] = above;
    }
    if (Object.keys(over).length > 0)
      found.push({ kind: 'LimitExceeded', role: roles.paths[role] as RolePath, over });
  }
  for (const role of tiers.limited)
    for (const { tier, over } of tierExcess(core, role))
      found.push({ kind: 'LimitExceeded', role: roles.paths[role] as RolePath, tier, over });
  return found;
}

/** Figures under Mesos's names and in its units. Source: Mesos `docs/monitoring.md`. */
export function metricsOf(core: Core): Readonly<Record<string, number>> {
  const { ledger } = core;
  const { agents, pools, roles, clients, space, totals } = ledger;
  const metrics: { [name: string]: number } = {
    'allocator/mesos/allocation_runs': ledger.run,
    'allocator/mesos/event_queue_dispatches': 0,
    'allocator/event_queue_dispatches': 0,
  };
  const taken = new Float64Array(space.stride);
  for (const agent of agents.rows())
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      for (let k = 0; k < space.names.length; k++) {
        const at = pool * space.stride + k;
        taken[k] =
          (taken[k] as number) + (pools.total.data[at] as number) - (pools.free.data[at] as number);
      }
      pool = pools.next[pool] as number;
    }
  for (let k = 0; k < space.names.length; k++) {
    const name = space.names[k] as string;
    const total = totals.column.data[k] as number;
    if (k > 2 && total === 0) continue;
    metrics[`allocator/mesos/resources/${name}/total`] = inUnits(name, total);
    metrics[`allocator/mesos/resources/${name}/offered_or_allocated`] = inUnits(
      name,
      taken[k] as number,
    );
  }
  const filters = new Map<number, number>();
  for (const framework of ledger.frameworks.values())
    for (const client of framework.clients.values()) {
      if (!framework.known) continue;
      const role = clients.role[client] as number;
      filters.set(role, (filters.get(role) ?? 0) + (clients.filters[client] as number));
    }
  for (const [role, active] of filters) {
    const path = roles.paths[role] as string;
    // As Mesos publishes it: the share that is sorted by, so divided by the weight.
    metrics[`allocator/mesos/roles/${path}/shares/dominant`] =
      (roles.shares.fraction(role) * 1000) / (roles.shares.weightMilli[role] as number);
    metrics[`allocator/mesos/offer_filters/roles/${path}/active`] = active;
  }
  for (const role of core.withQuota) addQuotaMetrics(core, role, metrics);
  return metrics;
}

function addQuotaMetrics(core: Core, role: number, metrics: { [name: string]: number }): void {
  const { roles, quota, space } = core.ledger;
  const prefix = `allocator/mesos/quota/roles/${roles.paths[role] as string}/resources`;
  for (let k = 0; k < space.names.length; k++) {
    const name = space.names[k] as string;
    const at = role * space.stride + k;
    const guarantee = quota.guarantee.data[at] as number;
    const limit = quota.limit.data[at] as number;
    const isLimited = limit !== Number.POSITIVE_INFINITY;
    if (guarantee > 0) metrics[`${prefix}/${name}/guarantee`] = inUnits(name, guarantee);
    if (isLimited) metrics[`${prefix}/${name}/limit`] = inUnits(name, limit);
    if (guarantee === 0 && !isLimited) continue;
    const consumed = inUnits(name, quota.consumed.data[at] as number);
    metrics[`${prefix}/${name}/consumed`] = consumed;
    const taken = roles.shares.allocated.data[at] as number;
    metrics[`${prefix}/${name}/offered_or_allocated`] = inUnits(name, taken);
  }
}

/** Per name, by how much all guarantees together are above the cluster. A parent's guarantee covers its children's. */
function guaranteesOverCapacity(core: Core): Resources {
  const { roles, quota, totals, space } = core.ledger;
  const over: { [name: string]: number } = {};
  if (quota.guaranteed.size === 0) return over;
  for (let k = 0; k < space.names.length; k++) {
    const due = (role: number): number => {
      let below = 0;
      for (const child of roles.children[role] ?? []) below += due(child);
      const own = quota.guarantee.data[role * space.stride + k] as number;
      return Math.max(role === ROOT ? 0 : own, below);
    };
    const lacking = due(ROOT) - (totals.column.data[k] as number);
    if (lacking > 0) over[space.names[k] as string] = lacking;
  }
  return over;
}

function sumsByRole(core: Core): Sums {
  const { agents, pools, holdings, clients, roles, space } = core.ledger;
  const sums = {
    allocated: space.column(),
    offered: space.column(),
    revocable: space.column(),
    reserved: space.column(),
  };
  const credit = (column: VectorColumn, role: number, from: Float64Array, base: number): void => {
    for (let row = role; row !== NONE; row = roles.parent[row] as number) {
      column.ensure(row);
      for (let k = 0; k < space.stride; k++)
        column.data[row * space.stride + k] =
          (column.data[row * space.stride + k] as number) + (from[base + k] as number);
    }
  };
  for (const column of Object.values(sums)) column.ensure(Math.max(0, ...roles.roles()));
  for (const agent of agents.rows()) {
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      const owner = pools.owner[pool] as number;
      if (owner !== NONE) credit(sums.reserved, owner, pools.total.data, pool * space.stride);
      pool = pools.next[pool] as number;
    }
    for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
      const role = clients.role[holdings.client[row] as number] as number;
      const isRevocable = pools.kind[holdings.pool[row] as number] === PoolKind.revocable;
      const to = isRevocable ? sums.revocable : sums.allocated;
      const base = row * space.stride;
      credit(to, role, holdings.used.data, base);
      credit(to, role, holdings.offered.data, base);
      credit(to, role, holdings.held.data, base);
      if (!isRevocable) credit(sums.offered, role, holdings.offered.data, base);
      row = holdings.next[row] as number;
    }
  }
  return sums;
}

function finite(core: Core, from: Float64Array, base: number): Resources {
  const { space } = core.ledger;
  const amounts: { [name: string]: number } = {};
  for (let k = 0; k < space.names.length; k++) {
    const amount = from[base + k] as number;
    if (amount !== Number.POSITIVE_INFINITY) amounts[space.names[k] as string] = amount;
  }
  return amounts;
}
