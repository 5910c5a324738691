import type { AgentId, FrameworkId } from '../../model/ids.ts';
import type { FrameworkRecord } from './clientTable.ts';
import { type Core, DONE, refused } from './core.ts';
import { amountsFault, rolePathFault } from './describe.ts';
import { NO_PORTS } from './ranges.ts';
import { NONE } from './roleTree.ts';
import type { AllocatorEvent, Applied, InverseOffer, OfferRef } from './types.ts';

type Event<Kind extends AllocatorEvent['kind']> = Extract<AllocatorEvent, { kind: Kind }>;
type Fields = Event<'addFramework'> | Event<'updateFramework'>;

export function addFramework(core: Core, event: Event<'addFramework'>): Applied {
  const before = core.ledger.frameworks.get(event.id);
  if (before?.known === true) return refused(`framework ${event.id} already exists (duplicate id)`);
  const roles = event.roles ?? [];
  const fault = fieldsFault(core, event, roles);
  if (fault !== undefined) return refused(fault);
  const framework = before ?? core.openFramework(event.id);
  framework.known = true;
  framework.active = event.active ?? true;
  enterFrameworkFields(core, framework, event);
  if (framework.active) core.dueAll();
  return DONE;
}

export function updateFramework(core: Core, event: Event<'updateFramework'>): Applied {
  const framework = known(core, event.id);
  if (framework === undefined) return refused(`there is no framework ${event.id}`);
  const roles = event.roles ?? framework.roles;
  const fault = fieldsFault(core, event, roles);
  if (fault !== undefined) return refused(fault);
  const dropped = framework.roles.filter((role) => !roles.includes(role));
  const rescinds = dropped.flatMap((role) => rescindRole(core, framework, role));
  enterFrameworkFields(core, framework, event);
  if (core.isMezzo) core.dueAll();
  return { kind: 'ok', rescinds };
}

export function removeFramework(core: Core, event: Event<'removeFramework'>): Applied {
  const framework = known(core, event.id);
  if (framework === undefined) return refused(`there is no framework ${event.id}`);
  framework.known = false;
  framework.active = false;
  core.backedOff.delete(framework);
  const clients = [...framework.clients.values()];
  for (const client of clients) core.setEligible(client);
  const mine = new Set(clients);
  for (const agent of core.ledger.agents.rows()) dropHoldings(core, agent, mine);
  for (const client of clients) core.maybeForget(client);
  if (framework.clients.size === 0) core.ledger.frameworks.delete(framework.id);
  return DONE;
}

export function setActive(core: Core, event: Event<'activate'> | Event<'deactivate'>): Applied {
  const framework = known(core, event.id);
  if (framework === undefined) return refused(`there is no framework ${event.id}`);
  framework.active = event.kind === 'activate';
  for (const client of framework.clients.values()) {
    core.setEligible(client);
    if (!framework.active) core.ledger.filters.removeOfClient(client);
  }
  if (framework.active) core.dueAll();
  return DONE;
}

export function suppress(core: Core, event: Event<'suppress'>): Applied {
  const framework = known(core, event.framework);
  if (framework === undefined) return refused(`there is no framework ${event.framework}`);
  const fault = foreignRole(framework, event.roles);
  if (fault !== undefined) return refused(fault);
  for (const role of event.roles ?? framework.roles) {
    framework.suppressed.add(role);
    const client = framework.clients.get(role);
    if (client !== undefined) core.setEligible(client);
  }
  return DONE;
}

export function revive(core: Core, event: Event<'revive'>): Applied {
  const framework = known(core, event.framework);
  if (framework === undefined) return refused(`there is no framework ${event.framework}`);
  const fault = foreignRole(framework, event.roles);
  if (fault !== undefined) return refused(fault);
  for (const role of event.roles ?? framework.roles) {
    framework.suppressed.delete(role);
    const client = framework.clients.get(role);
    if (client === undefined) continue;
    core.ledger.filters.removeOfClient(client);
    core.setEligible(client);
  }
  core.dueAll();
  return DONE;
}

export function answerInverseOffer(core: Core, event: Event<'answerInverseOffer'>): Applied {
  const framework = known(core, event.framework);
  if (framework === undefined) return refused(`there is no framework ${event.framework}`);
  const agent = core.ledger.agents.find(event.agent);
  if (agent === undefined) return refused(`there is no agent ${event.agent}`);
  const state = framework.inverse.get(agent);
  if (state === undefined || !state.outstanding)
    return refused(`framework ${event.framework} has no inverse offer of ${event.agent}`);
  state.outstanding = false;
  state.quietUntilMs = core.nowMs + event.refuseMs;
  return DONE;
}

/** Asks every active framework that has something on an agent which will be unavailable to leave it. */
export function inverseOffersOn(core: Core, agent: number): readonly InverseOffer[] {
  const { agents, holdings, clients } = core.ledger;
  if (agents.hasWindow[agent] === 0) return [];
  const unavailability = agents.info[agent]?.unavailability;
  if (unavailability === undefined) return [];
  const asked: InverseOffer[] = [];
  for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
    const framework = clients.framework[holdings.client[row] as number] as FrameworkRecord;
    const state = framework.inverse.get(agent);
    const isQuiet = state !== undefined && (state.outstanding || state.quietUntilMs > core.nowMs);
    if (framework.known && framework.active && !isQuiet) {
      framework.inverse.set(agent, { outstanding: true, quietUntilMs: 0 });
      asked.push({
        framework: framework.id as FrameworkId,
        agent: agents.ids[agent] as AgentId,
        unavailability,
      });
    }
    row = holdings.next[row] as number;
  }
  return asked;
}

function known(core: Core, id: string): FrameworkRecord | undefined {
  const framework = core.ledger.frameworks.get(id);
  return framework?.known === true ? framework : undefined;
}

function foreignRole(
  framework: FrameworkRecord,
  roles: readonly string[] | undefined,
): string | undefined {
  const foreign = roles?.find((role) => !framework.roles.includes(role));
  return foreign === undefined
    ? undefined
    : `framework ${framework.id} has no role ${foreign}; it has ${framework.roles.join(', ')}`;
}

function fieldsFault(core: Core, event: Fields, roles: readonly string[]): string | undefined {
  for (const role of roles) {
    const fault = rolePathFault(role);
    if (fault !== undefined) return `framework ${event.id}: ${fault}`;
  }
  if (new Set(roles).size < roles.length) return `framework ${event.id} names a role twice`;
  for (const role of [...(event.suppressed ?? []), ...Object.keys(event.constraints ?? {})])
    if (!roles.includes(role)) return `framework ${event.id} has no role ${role}`;
  for (const constraints of Object.values(event.constraints ?? {})) {
    const fault = core.constraints.fault(constraints);
    if (fault !== undefined) return `framework ${event.id}: ${fault}`;
  }
  const lists = [event.minAllocatable ?? [], ...Object.values(event.minAllocatableByRole ?? {})];
  for (const set of lists.flat()) {
    const fault = amountsFault(`framework ${event.id}, smallest offer`, set);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Sets what is named; a role that is no longer suppressed loses its filters. */
export function enterFrameworkFields(core: Core, framework: FrameworkRecord, event: Fields): void {
  const { clients, minimums, filters } = core.ledger;
  const before = framework.roles;
  if (event.roles !== undefined) framework.roles = [...event.roles];
  if (event.capabilities !== undefined) framework.capabilities = event.capabilities;
  if (event.tiers !== undefined) framework.tiers = event.tiers;
  if (event.suppressed !== undefined) {
    for (const role of framework.suppressed)
      if (!(event.suppressed as readonly string[]).includes(role)) {
        const client = framework.clients.get(role);
        if (client !== undefined) filters.removeOfClient(client);
      }
    framework.suppressed.clear();
    for (const role of event.suppressed) framework.suppressed.add(role);
  }
  for (const role of framework.roles) {
    const client = core.clientOf(framework.id, role);
    core.refreshHandles(client);
    const list = event.minAllocatableByRole?.[role] ?? event.minAllocatable;
    if (list !== undefined) {
      clients.minimum[client] = minimums.rowOf(list);
      core.ledger.noteMinimum(clients.role[client] as number, clients.minimum[client]);
    }
    if (event.constraints !== undefined) {
      const old = clients.constraints[client];
      if (old !== undefined) core.constraints.forget(old);
      clients.constraints[client] = event.constraints[role];
    }
    core.setEligible(client);
  }
  for (const role of before) {
    const client = framework.clients.get(role);
    if (client === undefined || framework.roles.includes(role)) continue;
    filters.removeOfClient(client);
    core.setEligible(client);
    core.maybeForget(client);
  }
}

function rescindRole(core: Core, framework: FrameworkRecord, role: string): readonly OfferRef[] {
  const client = framework.clients.get(role);
  if (client === undefined) return [];
  const rescinds: OfferRef[] = [];
  for (const agent of core.ledger.agents.rows())
    if (core.offeredClients(agent).includes(client)) rescinds.push(core.rescind(agent, client));
  return rescinds;
}

/** Ends everything some clients have on an agent. */
function dropHoldings(core: Core, agent: number, mine: ReadonlySet<number>): void {
  const { ledger } = core;
  const { agents, holdings, space } = ledger;
  const { stride } = space;
  let isChanged = false;
  for (let row = agents.firstHolding[agent] as number; row !== NONE; ) {
    const next = holdings.next[row] as number;
    if (mine.has(holdings.client[row] as number)) {
      const at = row * stride;
      const copy = (from: Float64Array): Float64Array => from.slice(at, at + stride);
      ledger.withdraw(row, copy(holdings.offered.data), 0, holdings.offeredPorts[row] ?? NO_PORTS);
      ledger.vacate(row, copy(holdings.used.data), 0, holdings.usedPorts[row] ?? NO_PORTS);
      if (hasHold(holdings.held.data, at, stride)) {
        ledger.hold(row, copy(holdings.held.data), 0, -1);
        agents.holds[agent] = (agents.holds[agent] as number) - 1;
      }
      ledger.dropIfEmpty(agent, row);
      isChanged = true;
    }
    row = next;
  }
  if (!isChanged) return;
  ledger.settleAgent(agent);
  core.freed(agent);
}

function hasHold(held: Float64Array, base: number, stride: number): boolean {
  for (let k = 0; k < stride; k++) if ((held[base + k] as number) > 0) return true;
  return false;
}
