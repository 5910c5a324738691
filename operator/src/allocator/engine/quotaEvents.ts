import { TIERS } from '../../model/job.ts';
import { PoolKind } from './agentTable.ts';
import { type Core, DONE, refused } from './core.ts';
import { amountsFault, inUnits, rolePathFault } from './describe.ts';
import { NONE, ROOT } from './roleTree.ts';
import { setTierLimits, tierLimitsFault } from './tierEvents.ts';
import type { AllocatorEvent, Applied, OfferRef } from './types.ts';

type Event<Kind extends AllocatorEvent['kind']> = Extract<AllocatorEvent, { kind: Kind }>;

export function setQuota(core: Core, event: Event<'setQuota'>): Applied {
  const fault = quotaFault(core, event);
  if (fault !== undefined) return refused(fault);
  const { ledger } = core;
  const { space, quota } = ledger;
  space.admit(event.guarantees);
  space.admit(event.limits);
  for (const tier of TIERS) space.admit(event.tierLimits?.[tier]);
  const role = ledger.acquireRole(event.role);
  if (core.withQuota.has(role)) ledger.releaseRole(role);
  core.withQuota.add(role);
  const guarantees = new Float64Array(space.stride);
  const limits = new Float64Array(space.stride);
  space.read(event.guarantees, guarantees, 0);
  space.read(event.limits, limits, 0, Number.POSITIVE_INFINITY);
  quota.set(role, guarantees, limits);
  setTierLimits(core, role, event.tierLimits);
  ledger.noteLimits(role);
  ledger.settleHeadroom();
  const rescinds = [...rescindOverLimit(core, role), ...rescindForGuarantee(core, role)];
  if (core.isMezzo) core.dueAll();
  return { kind: 'ok', rescinds };
}

export function removeQuota(core: Core, event: Event<'removeQuota'>): Applied {
  const { ledger } = core;
  const role = ledger.roles.find(event.role);
  if (role === undefined || !core.withQuota.has(role)) return DONE;
  const { stride } = ledger.space;
  const wasLimited = ledger.quota.limited.has(role);
  ledger.quota.set(
    role,
    new Float64Array(stride),
    new Float64Array(stride).fill(Number.POSITIVE_INFINITY),
  );
  setTierLimits(core, role, undefined);
  core.withQuota.delete(role);
  if (wasLimited) ledger.noteLimits(role);
  ledger.settleClosed();
  ledger.releaseRole(role);
  if (core.isMezzo) core.dueAll();
  return DONE;
}

export function setWeight(core: Core, event: Event<'setWeight'>): Applied {
  const fault = rolePathFault(event.role);
  if (fault !== undefined) return refused(fault);
  if (!Number.isSafeInteger(event.weightMilli) || event.weightMilli <= 0)
    return refused(
      `weight ${event.weightMilli / 1000} of role ${event.role} is not positive (in whole thousandths)`,
    );
  const { ledger } = core;
  const role = ledger.acquireRole(event.role);
  if (core.withWeight.has(role)) ledger.releaseRole(role);
  core.withWeight.add(role);
  const before = ledger.roles.shares.weightMilli[role] as number;
  ledger.roles.shares.weightMilli[role] = event.weightMilli;
  ledger.roles.touch(role);
  const isActive = (ledger.roles.below[role] as number) > 0 && before !== event.weightMilli;
  const rescinds = isActive ? rescindAll(core) : [];
  if (core.isMezzo) core.dueAll();
  return { kind: 'ok', rescinds };
}

/** Roles without an order of their own sort by share. Nothing is taken back: who comes first is no claim. */
export function setSorter(core: Core, event: Event<'setSorter'>): Applied {
  const fault = rolePathFault(event.role);
  if (fault !== undefined) return refused(fault);
  const { ledger } = core;
  const known = ledger.roles.find(event.role);
  const isRandom = known !== undefined && ledger.roles.isRandom[known] === 1;
  if (isRandom === (event.sorter === 'random')) return DONE;
  const role = isRandom ? known : ledger.acquireRole(event.role);
  ledger.roles.isRandom[role] = isRandom ? 0 : 1;
  if (isRandom) ledger.releaseRole(role);
  if (core.isMezzo) core.dueAll();
  return DONE;
}

function quotaFault(core: Core, event: Event<'setQuota'>): string | undefined {
  const { role, guarantees, limits } = event;
  const fault =
    rolePathFault(role) ??
    amountsFault(`guarantee of ${role}`, guarantees) ??
    amountsFault(`limit of ${role}`, limits);
  if (fault !== undefined) return fault;
  if (!core.isMezzo && role.includes('/'))
    return `quota on nested role ${role}: top-level roles only`;
  const isForced = event.force === true;
  const tierFault = tierLimitsFault(core, role, event.tierLimits, isForced);
  if (tierFault !== undefined) return tierFault;
  const { roles, space } = core.ledger;
  const row = roles.find(role);
  for (const name in limits) {
    const limit = limits[name] ?? 0;
    const guarantee = guarantees[name] ?? 0;
    if (guarantee > limit)
      return `the guarantee of ${name} is above its limit: guarantee ${name} ${inUnits(name, guarantee)} of role ${role} is above its limit ${name} ${inUnits(name, limit)}`;
    if (row === undefined || isForced) continue;
    const used = inUse(core, row, space.positionOf(name));
    if (used > limit)
      return `limit ${name} ${inUnits(name, limit)} of role ${role} is below use: it consumes ${name} ${inUnits(name, used)}`;
  }
  return undefined;
}

/** What a role and those below it have reserved, used or not, and use unreserved: consumption without offers. */
function inUse(core: Core, role: number, k: number): number {
  const { quota, agents, holdings, pools, clients, space } = core.ledger;
  let sum = quota.consumed.data[role * space.stride + k] as number;
  for (const agent of agents.rows())
    for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
      const pool = holdings.pool[row] as number;
      const counts = pools.owner[pool] === NONE && pools.kind[pool] !== PoolKind.revocable;
      if (counts && isWithin(core, clients.role[holdings.client[row] as number] as number, role))
        sum -= holdings.offered.data[row * space.stride + k] as number;
      row = holdings.next[row] as number;
    }
  return sum;
}

/** Offers of the role and its sub-roles are taken back until it is within its limits. */
function rescindOverLimit(core: Core, role: number): readonly OfferRef[] {
  const { quota, space } = core.ledger;
  const isOver = (): boolean => {
    for (let at = role * space.stride; at < (role + 1) * space.stride; at++)
      if ((quota.consumed.data[at] as number) > (quota.limit.data[at] as number)) return true;
    return false;
  };
  return rescindWhile(core, isOver, (client) =>
    isWithin(core, core.ledger.clients.role[client] as number, role),
  );
}

/** Offers of roles that have no guarantee themselves are taken back until the new guarantee could be met. */
function rescindForGuarantee(core: Core, role: number): readonly OfferRef[] {
  const { quota, headroom, space, roles, clients } = core.ledger;
  const lacks = (): boolean => {
    for (let k = 0; k < space.stride; k++) {
      const unmet = quota.unmet.data[role * space.stride + k] as number;
      if (unmet > 0 && unmet > (headroom.data[k] as number)) return true;
    }
    return false;
  };
  return rescindWhile(core, lacks, (client) => {
    for (let row = clients.role[client] as number; row !== ROOT; row = roles.parent[row] as number)
      if (row === role || quota.guaranteed.has(row)) return false;
    return true;
  });
}

function rescindAll(core: Core): readonly OfferRef[] {
  return rescindWhile(
    core,
    () => true,
    () => true,
  );
}

/** In order of agent id, as long as it is needed. */
function rescindWhile(
  core: Core,
  isNeeded: () => boolean,
  concerns: (client: number) => boolean,
): readonly OfferRef[] {
  const rescinds: OfferRef[] = [];
  if (!isNeeded()) return rescinds;
  for (const agent of core.ledger.agents.inOrder())
    for (const client of core.offeredClients(agent)) {
      if (!concerns(client)) continue;
      rescinds.push(core.rescind(agent, client));
      if (!isNeeded()) return rescinds;
    }
  return rescinds;
}

function isWithin(core: Core, below: number, role: number): boolean {
  const { roles } = core.ledger;
  for (let row = below; row !== NONE; row = roles.parent[row] as number)
    if (row === role) return true;
  return false;
}
