import { type Core, DONE, refused } from './core.ts';
import { amountsFault, inUnits, rolePathFault } from './describe.ts';
import { NONE, ROOT } from './roleTree.ts';
import type { AllocatorEvent, Applied, OfferRef } from './types.ts';

type Event<Kind extends AllocatorEvent['kind']> = Extract<AllocatorEvent, { kind: Kind }>;

export function setQuota(core: Core, event: Event<'setQuota'>): Applied {
  const fault = quotaFault(core, event);
  if (fault !== undefined) return refused(fault);
  const { ledger } = core;
  const { space, quota } = ledger;
  space.admit(event.guarantees);
  space.admit(event.limits);
  const role = ledger.acquireRole(event.role);
  if (core.withQuota.has(role)) ledger.releaseRole(role);
  core.withQuota.add(role);
  const guarantees = new Float64Array(space.stride);
  const limits = new Float64Array(space.stride);
  space.read(event.guarantees, guarantees, 0);
  space.read(event.limits, limits, 0, Number.POSITIVE_INFINITY);
  quota.set(role, guarantees, limits);
  ledger.noteLimits(role);
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
      `the weight of ${event.role} is ${event.weightMilli / 1000}; it must be above 0, in thousandths`,
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

function quotaFault(core: Core, event: Event<'setQuota'>): string | undefined {
  const { role, guarantees, limits } = event;
  const fault =
    rolePathFault(role) ??
    amountsFault(`guarantee of ${role}`, guarantees) ??
    amountsFault(`limit of ${role}`, limits);
  if (fault !== undefined) return fault;
  if (!core.isMezzo && role.includes('/'))
    return `${role} is nested; quota is for top-level roles only`;
  const { roles, quota, space } = core.ledger;
  const row = roles.find(role);
  for (const name in limits) {
    const limit = limits[name] ?? 0;
    const guarantee = guarantees[name] ?? 0;
    if (guarantee > limit)
      return `the guarantee of ${name} is above its limit: ${inUnits(name, guarantee)} > ${inUnits(name, limit)}`;
    if (row === undefined || event.force === true) continue;
    const consumed = quota.consumed.data[row * space.stride + space.positionOf(name)] as number;
    if (consumed > limit)
      return `the limit of ${name} is below what ${role} consumes: ${inUnits(name, limit)} < ${inUnits(name, consumed)}`;
  }
  return undefined;
}

/** Offers of the role and its sub-roles are taken back until it is within its limits. */
function rescindOverLimit(core: Core, role: number): readonly OfferRef[] {
  const { quota, space } = core.ledger;
  const isOver = (): boolean => {
    for (let at = role * space.stride; at < (role + 1) * space.stride; at++)
      if ((quota.consumed.data[at] as number) > (quota.limit.data[at] as number)) return true;
    return false;
  };
  return rescindWhile(core, isOver, (client) => isWithin(core, client, role));
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

function isWithin(core: Core, client: number, role: number): boolean {
  const { clients, roles } = core.ledger;
  for (let row = clients.role[client] as number; row !== NONE; row = roles.parent[row] as number)
    if (row === role) return true;
  return false;
}
