import { TIERS } from '../../model/job.ts';
import { PoolKind } from './agentTable.ts';
import type { Core } from './core.ts';
import { NONE, ROOT } from './roleTree.ts';

/**
 * Computes every derived figure again from the pools and the holdings, and says where the ledger differs.
 *
 * Cost: one look at every pool and holding. A difference is a bug.
 */
export function audit(core: Core): readonly string[] {
  core.ledger.settleHeadroom();
  const recount = countAgain(core);
  return [
    ...poolFaults(core, recount.taken, recount.held),
    ...vectorFaults(core, recount),
    ...unmetFaults(core),
    ...tierFaults(core),
  ];
}

interface Recount {
  /** By pool: offered and used; held. */
  readonly taken: Map<number, Float64Array>;
  readonly held: Map<number, Float64Array>;
  /** By client, by role, and what counts against quota by role. */
  readonly byClient: Map<number, Float64Array>;
  readonly byRole: Map<number, Float64Array>;
  readonly consumed: Map<number, Float64Array>;
  /** By tier, then by role: what tasks hold. */
  readonly byTier: readonly Map<number, Float64Array>[];
  /** By role: lent amounts in offers. */
  readonly offeredLent: Map<number, Float64Array>;
  readonly totals: Float64Array;
  readonly headroom: Float64Array;
}

function countAgain(core: Core): Recount {
  const { agents, pools, space, options } = core.ledger;
  const recount: Recount = {
    taken: new Map(),
    held: new Map(),
    byClient: new Map(),
    byRole: new Map(),
    consumed: new Map(),
    byTier: TIERS.map(() => new Map()),
    offeredLent: new Map(),
    totals: new Float64Array(space.stride),
    headroom: new Float64Array(space.stride),
  };
  for (const agent of agents.rows()) {
    countHoldings(core, agent, recount);
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      const base = pool * space.stride;
      for (let k = 0; k < space.stride; k++) {
        const total = pools.total.data[base + k] as number;
        recount.totals[k] = (recount.totals[k] as number) + total;
        const free = (pools.free.data[base + k] as number) - (pools.held.data[base + k] as number);
        const counts = agents.open[agent] === 1 || options.mode === 'mesos';
        const isOpen = pools.owner[pool] === NONE && pools.kind[pool] !== PoolKind.revocable;
        if (counts && isOpen && free > 0)
          recount.headroom[k] = (recount.headroom[k] as number) + free;
      }
      const owner = pools.owner[pool] as number;
      if (owner !== NONE) addUp(core, recount.consumed, owner, pools.total.data, base);
      pool = pools.next[pool] as number;
    }
  }
  return recount;
}

function countHoldings(core: Core, agent: number, recount: Recount): void {
  const { agents, holdings, pools, clients, space } = core.ledger;
  for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
    const base = row * space.stride;
    const pool = holdings.pool[row] as number;
    const client = holdings.client[row] as number;
    const role = clients.role[client] as number;
    for (const column of [holdings.offered.data, holdings.used.data, holdings.held.data]) {
      const where = column === holdings.held.data ? recount.held : recount.taken;
      addTo(space.stride, where, pool, column, base);
      addTo(space.stride, recount.byClient, client, column, base);
      addUp(core, recount.byRole, role, column, base);
      if (pools.owner[pool] === NONE && pools.kind[pool] !== PoolKind.revocable)
        addUp(core, recount.consumed, role, column, base);
    }
    countTiers(core, recount, row, role);
    if (pools.kind[pool] === PoolKind.revocable)
      addUp(core, recount.offeredLent, role, holdings.offered.data, base);
    row = holdings.next[row] as number;
  }
}

function countTiers(core: Core, recount: Recount, holding: number, role: number): void {
  const { space, tiers } = core.ledger;
  recount.byTier.forEach((sums, tier) => {
    const used = new Float64Array(space.stride);
    for (let k = 0; k < space.stride; k++) used[k] = tiers.usedOf(holding, tier, k);
    addUp(core, sums, role, used, 0);
  });
}

function addTo(
  stride: number,
  sums: Map<number, Float64Array>,
  row: number,
  from: Float64Array,
  base: number,
): void {
  const sum = sums.get(row) ?? new Float64Array(stride);
  sums.set(row, sum);
  for (let k = 0; k < stride; k++) sum[k] = (sum[k] as number) + (from[base + k] as number);
}

/** Adds to a role and everything above it. */
function addUp(
  core: Core,
  sums: Map<number, Float64Array>,
  role: number,
  from: Float64Array,
  base: number,
): void {
  const { roles, space } = core.ledger;
  for (let row = role; row !== NONE; row = roles.parent[row] as number)
    addTo(space.stride, sums, row, from, base);
}

function poolFaults(
  core: Core,
  taken: ReadonlyMap<number, Float64Array>,
  held: ReadonlyMap<number, Float64Array>,
): readonly string[] {
  const { agents, pools, space } = core.ledger;
  const faults: string[] = [];
  for (const agent of agents.rows())
    for (let pool = agents.firstPool[agent] as number; pool !== NONE; ) {
      const isShared = pools.spec[pool]?.isShared === true;
      for (let k = 0; k < space.stride; k++) {
        const at = pool * space.stride + k;
        const where = `${agents.ids[agent]}, pool ${pool}, ${space.names[k] ?? k}`;
        const used = isShared ? 0 : (taken.get(pool)?.[k] ?? 0);
        const free = (pools.total.data[at] as number) - used;
        if (free !== pools.free.data[at])
          faults.push(`${where}: free is ${pools.free.data[at]}, not ${free}`);
        const heldHere = held.get(pool)?.[k] ?? 0;
        if (heldHere !== pools.held.data[at])
          faults.push(`${where}: held is ${pools.held.data[at]}, not ${heldHere}`);
      }
      pool = pools.next[pool] as number;
    }
  return faults;
}

function vectorFaults(core: Core, recount: Recount): readonly string[] {
  const { roles, clients, quota, frameworks, totals, headroom, space, tiers } = core.ledger;
  const faults: string[] = [];
  const compare = (what: string, is: Float64Array, base: number, be?: Float64Array): void => {
    for (let k = 0; k < space.stride; k++)
      if (is[base + k] !== (be?.[k] ?? 0))
        faults.push(`${what}, ${space.names[k] ?? k}: ${is[base + k]}, not ${be?.[k] ?? 0}`);
  };
  compare('cluster total', totals.column.data, 0, recount.totals);
  compare('headroom', headroom.data, 0, recount.headroom);
  for (const role of [ROOT, ...roles.roles()]) {
    const name = `role ${JSON.stringify(roles.paths[role])}`;
    const base = role * space.stride;
    compare(`${name} consumed`, quota.consumed.data, base, recount.consumed.get(role));
    for (const [tier, sums] of recount.byTier.entries())
      compare(`${name} ${TIERS[tier]}`, tierUse(core, tier), base, sums.get(role));
    const lent = recount.offeredLent.get(role);
    compare(`${name} offered of what is lent`, tiers.offeredLent.data, base, lent);
    compare(`${name} allocated`, roles.shares.allocated.data, base, recount.byRole.get(role));
  }
  for (const framework of frameworks.values())
    for (const [path, client] of framework.clients)
      compare(
        `${framework.id} in ${path}`,
        clients.shares.allocated.data,
        client * space.stride,
        recount.byClient.get(client),
      );
  return faults;
}

/** No tier uses less than nothing of what a client has. */
function tierFaults(core: Core): readonly string[] {
  const { agents, holdings, space, tiers } = core.ledger;
  const faults: string[] = [];
  for (const agent of agents.rows())
    for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
      for (let at = 0; at < TIERS.length * space.stride; at++) {
        const used = tiers.usedOf(row, Math.floor(at / space.stride), at % space.stride);
        if (used < 0) faults.push(`${agents.ids[agent]}: a tier uses ${used}`);
      }
      row = holdings.next[row] as number;
    }
  return faults;
}

const tierUse = (core: Core, tier: number): Float64Array =>
  core.ledger.tiers.used[tier]?.data ?? new Float64Array(0);

/** `unmet` of every role against its definition, from the leaves up. */
function unmetFaults(core: Core): readonly string[] {
  const { roles, quota, space } = core.ledger;
  const faults: string[] = [];
  const unmetOf = (role: number, k: number): number => {
    let below = 0;
    for (const child of roles.children[role] ?? []) below += unmetOf(child, k);
    if (role === ROOT) return below;
    const at = role * space.stride + k;
    const own = (quota.guarantee.data[at] as number) - (quota.consumed.data[at] as number);
    const unmet = Math.max(0, Math.min(Math.max(own, below), quota.limitLeft(role, k)));
    if (quota.guaranteed.size > 0 && unmet !== quota.unmet.data[at])
      faults.push(`role ${roles.paths[role]}: unmet is ${quota.unmet.data[at]}, not ${unmet}`);
    return unmet;
  };
  for (let k = 0; k < space.names.length; k++) unmetOf(ROOT, k);
  return faults;
}
