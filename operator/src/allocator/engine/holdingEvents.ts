import { TIERS, type Tier } from '../../model/job.ts';
import type { FrameworkRecord } from './clientTable.ts';
import { type Core, DONE, refused } from './core.ts';
import { amountsFault, describeAmounts } from './describe.ts';
import { containsPorts, NO_PORTS, union } from './ranges.ts';
import { NONE } from './roleTree.ts';
import { launchFault, returnFault } from './tierEvents.ts';
import type { AllocatorEvent, Applied, Parts, PortRanges } from './types.ts';

type Event<Kind extends AllocatorEvent['kind']> = Extract<AllocatorEvent, { kind: Kind }>;
type Holder = Pick<Event<'recover'>, 'framework' | 'role' | 'agent'>;

/** First pause of a framework that let an offer expire; it doubles up to `MAX_BACK_OFF_MS`. */
const BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 60_000;

interface Found {
  readonly agent: number;
  readonly client: number;
}

export function recover(core: Core, event: Event<'recover'>): Applied {
  const found = findHolder(core, event);
  if (typeof found === 'string') return refused(found);
  const problem =
    fillPieces(core, found, event, event.parts, 'any') ?? returnFault(core, found, event.tier);
  if (problem !== undefined) return refused(problem);
  answered(core, found.client);
  if (event.parts === undefined) withdrawOffered(core, found);
  const wasOffered = event.parts === undefined || withdrawPieces(core, found, event.tier);
  returned(core, found, { wasOffered, refuseMs: event.refuseMs ?? 0 });
  return DONE;
}

export function expire(core: Core, event: Event<'expire'>): Applied {
  const found = findHolder(core, event);
  if (typeof found === 'string') return refused(found);
  const problem = fillPieces(core, found, event, undefined, 'offered');
  if (problem !== undefined) return refused(problem);
  const framework = core.ledger.clients.framework[found.client] as FrameworkRecord;
  withdrawOffered(core, found);
  returned(core, found, { wasOffered: true, refuseMs: 0 });
  if (framework.known) {
    const pauseMs = Math.min(MAX_BACK_OFF_MS, BACK_OFF_MS * 2 ** Math.min(framework.strikes, 16));
    framework.strikes++;
    framework.backedOffUntilMs = core.nowMs + pauseMs;
    core.backedOff.add(framework);
  }
  return DONE;
}

export function use(core: Core, event: Event<'use'>): Applied {
  const { clients } = core.ledger;
  const found = findHolder(core, event);
  if (typeof found === 'string') return refused(found);
  const tier = TIERS.indexOf(event.tier ?? 'production');
  const problem =
    fillPieces(core, found, event, event.parts, 'offered') ??
    launchFault(core, clients.role[found.client] as number, tier);
  if (problem !== undefined) return refused(problem);
  answered(core, found.client);
  const { ledger, pieces } = core;
  for (let at = 0; at < pieces.count; at++) {
    const holding = ledger.findHolding(found.agent, found.client, pieces.pool[at] as number);
    if (holding === NONE) continue;
    const wasHeld = isHeld(core, holding);
    const ports = pieces.ports[at] ?? NO_PORTS;
    ledger.use(holding, pieces.amounts.data, at * ledger.space.stride, ports, tier);
    if (wasHeld && !isHeld(core, holding))
      ledger.agents.holds[found.agent] = (ledger.agents.holds[found.agent] as number) - 1;
  }
  return DONE;
}

export function hold(core: Core, event: Event<'hold'>): Applied {
  const agent = core.ledger.agents.find(event.agent);
  if (agent === undefined) return refused(`there is no agent ${event.agent}`);
  if (Object.keys(event.parts.revocable ?? {}).length > 0)
    return refused('revocable resources cannot be held');
  const fault = partsFault(event.parts) ?? core.readParts(agent, event.parts);
  if (fault !== undefined) return refused(fault);
  const { ledger, pieces } = core;
  const client = core.clientOf(event.framework, event.role);
  for (let at = 0; at < pieces.count; at++) {
    const holding = ledger.holdingOf(agent, client, pieces.pool[at] as number);
    const wasHeld = isHeld(core, holding);
    ledger.hold(holding, pieces.amounts.data, at * ledger.space.stride, 1);
    if (!wasHeld && isHeld(core, holding))
      ledger.agents.holds[agent] = (ledger.agents.holds[agent] as number) + 1;
    ledger.dropIfEmpty(agent, holding);
  }
  ledger.settleAgent(agent);
  if (core.isMezzo) core.due(agent);
  return DONE;
}

/** Ends what is still held; the part that is in an offer stays the framework's as any other offer. */
export function unhold(core: Core, event: Event<'unhold'>): Applied {
  const found = findHolder(core, event);
  if (typeof found === 'string') return refused(found);
  const { ledger } = core;
  const { holdings, agents, space } = ledger;
  const { stride } = space;
  for (let row = agents.firstHolding[found.agent] as number; row !== NONE; ) {
    const next = holdings.next[row] as number;
    if (holdings.client[row] === found.client && isHeld(core, row)) {
      const held = holdings.held.data.slice(row * stride, (row + 1) * stride);
      ledger.hold(row, held, 0, -1);
      holdings.fromHold.data.fill(0, row * stride, (row + 1) * stride);
      agents.holds[found.agent] = (agents.holds[found.agent] as number) - 1;
      ledger.dropIfEmpty(found.agent, row);
    }
    row = next;
  }
  ledger.settleAgent(found.agent);
  core.maybeForget(found.client);
  core.freed(found.agent);
  return DONE;
}

/** What a client has on an agent, by sort. */
export function heldParts(core: Core, holder: Holder): { offered: Parts; used: Parts } {
  const found = findHolder(core, holder);
  if (typeof found === 'string') return { offered: {}, used: {} };
  return { offered: partsOf(core, found, 'offered'), used: partsOf(core, found, 'used') };
}

function partsOf(core: Core, found: Found, what: 'offered' | 'used'): Parts {
  const { agents, holdings, pools, space } = core.ledger;
  let parts: Parts = {};
  for (let row = agents.firstHolding[found.agent] as number; row !== NONE; ) {
    if (holdings.client[row] === found.client) {
      const pool = holdings.pool[row] as number;
      const resources = space.write(holdings[what].data, row * space.stride);
      const ports = (what === 'offered' ? holdings.offeredPorts : holdings.usedPorts)[row] ?? [];
      parts = withPart(parts, pools.spec[pool], resources, ports);
    }
    row = holdings.next[row] as number;
  }
  return parts;
}

function withPart(
  parts: Parts,
  spec: Core['ledger']['pools']['spec'][number] | undefined,
  resources: Readonly<Record<string, number>>,
  ports: PortRanges,
): Parts {
  if (spec === undefined || (Object.keys(resources).length === 0 && ports.length === 0))
    return parts;
  if (spec.volumeId !== undefined) {
    const volume = { id: spec.volumeId, sizeBytes: resources['disk'] ?? 0 };
    return { ...parts, volumes: [...(parts.volumes ?? []), volume] };
  }
  if (spec.stack.length > 0) {
    const part = {
      stack: spec.stack,
      resources,
      ...(ports.length > 0 ? { ports } : {}),
      ...(spec.reservationId === undefined ? {} : { reservationId: spec.reservationId }),
    };
    return { ...parts, reserved: [...(parts.reserved ?? []), part] };
  }
  if (spec.needs !== 0) return { ...parts, revocable: resources };
  return { ...parts, resources, ...(ports.length > 0 ? { ports } : {}) };
}

function findHolder(core: Core, holder: Holder): Found | string {
  const agent = core.ledger.agents.find(holder.agent);
  if (agent === undefined) return `there is no agent ${holder.agent}`;
  const client = core.findClient(holder.framework, holder.role);
  if (client === undefined)
    return `framework ${holder.framework} has nothing in role ${holder.role}`;
  return { agent, client };
}

/** Fills `core.pieces` with what is meant, each piece within what is held; says what is missing otherwise. */
function fillPieces(
  core: Core,
  found: Found,
  holder: Holder,
  parts: Parts | undefined,
  from: 'offered' | 'any',
): string | undefined {
  if (parts === undefined) return fillOffered(core, found, holder);
  const problem = partsFault(parts) ?? core.readParts(found.agent, parts);
  if (problem !== undefined) return problem;
  const { ledger, pieces } = core;
  const { holdings, space } = ledger;
  const { stride } = space;
  for (let at = 0; at < pieces.count; at++) {
    const holding = ledger.findHolding(found.agent, found.client, pieces.pool[at] as number);
    const lacking: { [name: string]: number } = {};
    for (let k = 0; k < stride; k++) {
      const offered =
        holding === NONE ? 0 : (holdings.offered.data[holding * stride + k] as number);
      const used = holding === NONE ? 0 : (holdings.used.data[holding * stride + k] as number);
      const over =
        (pieces.amounts.data[at * stride + k] as number) - offered - (from === 'any' ? used : 0);
      if (over > 0) lacking[space.names[k] as string] = over;
    }
    const held = from === 'any' ? 'held' : 'offered';
    const where = `${held} by ${holder.framework} in ${holder.role} on ${holder.agent}`;
    if (Object.keys(lacking).length > 0) return `${describeAmounts(lacking)} more than is ${where}`;
    if (!hasPorts(core, holding, pieces.ports[at] ?? NO_PORTS, from))
      return `ports that are not ${where}`;
  }
  return undefined;
}

function hasPorts(
  core: Core,
  holding: number,
  ports: PortRanges,
  from: 'offered' | 'any',
): boolean {
  if (ports.length === 0) return true;
  if (holding === NONE) return false;
  const { offeredPorts, usedPorts } = core.ledger.holdings;
  const offered = offeredPorts[holding] ?? NO_PORTS;
  const all = from === 'any' ? union(offered, usedPorts[holding] ?? NO_PORTS) : offered;
  return containsPorts(all, ports);
}

function fillOffered(core: Core, found: Found, holder: Holder): string | undefined {
  const { agents, holdings, space } = core.ledger;
  const { pieces } = core;
  pieces.clear();
  for (let row = agents.firstHolding[found.agent] as number; row !== NONE; ) {
    if (holdings.client[row] === found.client && core.isOffered(row))
      pieces.addCopy(
        holdings.pool[row] as number,
        holdings.offered.data,
        row * space.stride,
        holdings.offeredPorts[row] ?? NO_PORTS,
      );
    row = holdings.next[row] as number;
  }
  if (pieces.count > 0) return undefined;
  return `nothing is offered to ${holder.framework} in ${holder.role} on ${holder.agent}`;
}

/** Returns everything that is offered to a client on an agent. */
function withdrawOffered(core: Core, found: Found): void {
  const { ledger } = core;
  const { agents, holdings, space } = ledger;
  for (let row = agents.firstHolding[found.agent] as number; row !== NONE; ) {
    const next = holdings.next[row] as number;
    if (holdings.client[row] === found.client && core.isOffered(row)) {
      const { data } = core.offeredPart;
      for (let k = 0; k < space.stride; k++)
        data[k] = holdings.offered.data[row * space.stride + k] as number;
      ledger.withdraw(row, data, 0, holdings.offeredPorts[row] ?? NO_PORTS);
      ledger.dropIfEmpty(found.agent, row);
    }
    row = next;
  }
}

/** Returns the pieces: offered amounts first, then used ones. True when something was offered. */
function withdrawPieces(core: Core, found: Found, of: Tier | undefined): boolean {
  const { ledger, pieces } = core;
  const { holdings, space } = ledger;
  const { stride } = space;
  const tier = of === undefined ? undefined : TIERS.indexOf(of);
  let wasOffered = false;
  for (let at = 0; at < pieces.count; at++) {
    const holding = ledger.findHolding(found.agent, found.client, pieces.pool[at] as number);
    if (holding === NONE) continue;
    wasOffered ||= core.isOffered(holding);
    const ports = pieces.ports[at] ?? NO_PORTS;
    const isAllOffered = splitPiece(core, holding, at * stride);
    if (isAllOffered) ledger.withdraw(holding, pieces.amounts.data, at * stride, ports);
    else {
      const offeredPorts = portsWithin(holdings.offeredPorts[holding] ?? NO_PORTS, ports);
      ledger.withdraw(holding, core.offeredPart.data, 0, offeredPorts);
      const usedPorts = ports === offeredPorts ? NO_PORTS : ports;
      ledger.vacate(holding, core.usedPart.data, 0, usedPorts, tier);
    }
    ledger.dropIfEmpty(found.agent, holding);
  }
  return wasOffered;
}

/** After a return: what was refused is remembered, and what is free again is looked at. */
function returned(
  core: Core,
  found: Found,
  how: { readonly wasOffered: boolean; readonly refuseMs: number },
): void {
  const { ledger, pieces } = core;
  ledger.settleOffers(found.agent);
  if (how.refuseMs > 0 && !pieces.isEmpty()) {
    const untilMs = core.nowMs + Math.max(how.refuseMs, core.options.allocationIntervalMs);
    ledger.filters.add(found.client, found.agent, pieces, untilMs, ledger.run);
  } else if (how.wasOffered && core.isMezzo) {
    core.cycle.returned.ensure(found.agent, ledger.clients.rowCount - 1);
    core.cycle.returned.set(found.agent, found.client);
  }
  core.maybeForget(found.client);
  core.freed(found.agent);
}

/** Ports of a return that are still offered; all or none, as an offer's ports are used or not as a whole. */
function portsWithin(offered: PortRanges, ports: PortRanges): PortRanges {
  return containsPorts(offered, ports) ? ports : NO_PORTS;
}

/** Splits a piece into its offered and its used part; true when all of it is offered. */
function splitPiece(core: Core, holding: number, base: number): boolean {
  const { holdings, space } = core.ledger;
  const amounts = core.pieces.amounts.data;
  const offered = core.offeredPart.data;
  const used = core.usedPart.data;
  let isAllOffered = true;
  for (let k = 0; k < space.stride; k++) {
    const amount = amounts[base + k] as number;
    const part = Math.min(amount, holdings.offered.data[holding * space.stride + k] as number);
    offered[k] = part;
    used[k] = amount - part;
    if (part < amount) isAllOffered = false;
  }
  return isAllOffered && (holdings.usedPorts[holding] ?? NO_PORTS).length === 0;
}

/** A framework that answers is no longer backed off. */
function answered(core: Core, client: number): void {
  const framework = core.ledger.clients.framework[client] as FrameworkRecord;
  framework.strikes = 0;
  if (core.cycle.hoarding[client] === 1 && core.isMezzo) core.dueAll();
}

function isHeld(core: Core, holding: number): boolean {
  const { holdings, space } = core.ledger;
  for (let at = holding * space.stride; at < (holding + 1) * space.stride; at++)
    if ((holdings.held.data[at] as number) > 0 || (holdings.fromHold.data[at] as number) > 0)
      return true;
  return false;
}

function partsFault(parts: Parts): string | undefined {
  let fault =
    amountsFault('resources', parts.resources) ?? amountsFault('revocable', parts.revocable);
  for (const part of parts.reserved ?? []) fault ??= amountsFault('reserved', part.resources);
  return fault;
}
