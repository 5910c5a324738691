import { isAllocatableTo } from '../../allocator/rolePaths.ts';
import {
  amountOf,
  equal,
  fits,
  isEmpty,
  max,
  min,
  type Resources,
  shortfall,
  subtract,
  sumOf,
} from '../../model/resources.ts';
import type { ReservationObject } from '../../schema/mezzoKinds.ts';
import { formatQuantity, parseResources } from '../../schema/quantity.ts';
import { isVolume, sourcesOf, type VolumeSource } from './volumeObjects.ts';

/** Why a reservation is not bound as it asks; `Bound` when it is. */
export type BindReason =
  | 'Bound'
  | 'Expired'
  | 'ParentMissing'
  | 'ParentNotAbove'
  | 'NoAgentMatches'
  | 'LargerThanAgents'
  | 'NotEnoughFree'
  | 'AgentAway';

/** Where one reservation lies, and why not more of it. */
export interface Binding {
  readonly agents: readonly string[];
  /** On each of those agents. */
  readonly resources: Resources;
  /** Of `agents` those that are gone; they are waited for. */
  readonly missing: readonly { readonly name: string; readonly sinceMs: number }[];
  readonly wanted: number;
  readonly reason: BindReason;
  readonly message: string;
}

export interface BindAgent {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly total: Resources;
  /** What is used there outside of reservations. */
  readonly taken: Resources;
  /** What tasks use inside reservations, by the role of the task. */
  readonly reservedUse?: readonly { readonly role: string; readonly resources: Resources }[];
}

export interface BindInput {
  readonly reservations: readonly ReservationObject[];
  readonly agents: readonly BindAgent[];
  readonly nowMs: number;
  readonly parseTime: (iso: string) => number;
}

/** An agent that went may come back: so long its place in a reservation is kept. */
const KEEP_MISSING_MS = 10 * 60_000;

/** What is open for reservations while they are bound one after the other. */
interface Board {
  readonly input: BindInput;
  readonly agents: ReadonlyMap<string, BindAgent>;
  /** Capacity of each agent that no reservation has. */
  readonly open: Map<string, Resources>;
  readonly bindings: Map<string, Binding>;
  /** By reservation and agent: what its refinements have left of it. */
  readonly unrefined: Map<string, Map<string, Resources>>;
  readonly byName: ReadonlyMap<string, ReservationObject>;
}

/**
 * Binds reservations to agents, oldest first. What is bound stays where it is while it fits the agent at all; new ones go
 * where unreserved capacity is free now, agents in order of name. A refinement takes its part out of its parent, on
 * agents its parent is bound on.
 * Guarantees: reservations together never exceed an agent's capacity, nor refinements their parent.
 */
export function bindReservations(input: BindInput): ReadonlyMap<string, Binding> {
  const board: Board = {
    input,
    agents: new Map(input.agents.map((agent) => [agent.name, agent])),
    open: new Map(input.agents.map((agent) => [agent.name, agent.total])),
    bindings: new Map(),
    unrefined: new Map(),
    byName: new Map(input.reservations.map((one) => [one.metadata.name, one])),
  };
  const depths = new Map(
    input.reservations.map((one) => [one.metadata.name, depthOf(board.byName, one)]),
  );
  const ordered = input.reservations.toSorted(
    (left, right) =>
      (depths.get(left.metadata.name) ?? 0) - (depths.get(right.metadata.name) ?? 0) ||
      byAge(left, right),
  );
  for (const reservation of ordered) {
    const binding = bindOne(board, reservation);
    const { name } = reservation.metadata;
    board.bindings.set(name, binding);
    take(board, reservation, binding);
  }
  return board.bindings;
}

function bindOne(board: Board, reservation: ReservationObject): Binding {
  const { spec, status } = reservation;
  const asked = parseResources(spec.resources);
  const wanted = spec.agent === undefined ? (spec.count ?? 1) : 1;
  const fault = faultOf(board, reservation);
  if (fault !== undefined) return { agents: [], missing: [], resources: asked, wanted, ...fault };
  const binding = tryBind(board, reservation, asked, wanted);
  const former = parseResources(status?.resources);
  if (isEmpty(former) || equal(former, asked)) return binding;
  // Amounts that were changed and do not fit leave the former ones where they are.
  const kept = tryBind(board, reservation, former, wanted);
  if (binding.agents.length >= Math.min(kept.agents.length, wanted)) return binding;
  return {
    ...kept,
    reason: binding.reason,
    message: `spec.resources cannot be taken, the former amounts stay: ${binding.message}`,
  };
}

/** What keeps a reservation from being bound anywhere. */
function faultOf(
  board: Board,
  reservation: ReservationObject,
): { readonly reason: BindReason; readonly message: string } | undefined {
  const { spec } = reservation;
  if (isExpired(board.input, reservation))
    return { reason: 'Expired', message: 'its time to live (spec.ttlSeconds) is over' };
  if (spec.parent === undefined || isVolume(reservation)) return undefined;
  const parent = board.byName.get(spec.parent);
  if (parent === undefined || !board.bindings.has(spec.parent))
    return {
      reason: 'ParentMissing',
      message: `spec.parent ${spec.parent} is not a reservation that could be refined; make it first, or leave spec.parent out`,
    };
  if (parent.spec.role === spec.role || !isAllocatableTo(parent.spec.role, spec.role))
    return {
      reason: 'ParentNotAbove',
      message: `spec.role ${spec.role} is not below ${parent.spec.role}, the role of spec.parent ${spec.parent}; a refinement is for a role below`,
    };
  return undefined;
}

function tryBind(
  board: Board,
  reservation: ReservationObject,
  needed: Resources,
  wanted: number,
): Binding {
  const former = formerAgents(board, reservation);
  const missing = former.missing.slice(0, wanted);
  const matching = matchingAgents(board, reservation);
  const ordered = matching.toSorted(
    (left, right) =>
      Number(former.present.has(right.name)) - Number(former.present.has(left.name)) ||
      (left.name < right.name ? -1 : 1),
  );
  const agents = missing.map((one) => one.name);
  let nearest: Nearest | undefined;
  for (const agent of ordered) {
    if (agents.length === wanted) break;
    const available = availableOn(board, reservation, agent, former.present.has(agent.name));
    if (fits(needed, available)) agents.push(agent.name);
    else
      nearest = nearer(nearest, { agent, available, lack: shortfall(needed, available) }, needed);
  }
  const base = { agents: agents.toSorted(), missing, resources: needed, wanted };
  if (agents.length === wanted)
    return missing.length === 0
      ? { ...base, reason: 'Bound', message: `bound on ${base.agents.join(', ')}` }
      : { ...base, ...awayMessage(missing) };
  return { ...base, ...shortMessage(reservation, base, matching, needed, nearest) };
}

interface Nearest {
  readonly agent: BindAgent;
  readonly available: Resources;
  readonly lack: Resources;
}

function nearer(best: Nearest | undefined, next: Nearest, needed: Resources): Nearest {
  const lacking = ({ lack }: Nearest): number =>
    Object.keys(lack).reduce((sum, name) => sum + amountOf(lack, name) / amountOf(needed, name), 0);
  return best === undefined || lacking(next) < lacking(best) ? next : best;
}

function awayMessage(missing: Binding['missing']): { reason: BindReason; message: string } {
  const names = missing.map((one) => one.name).join(', ');
  return {
    reason: 'AgentAway',
    message: `agent ${names} is gone; its place is kept for ${KEEP_MISSING_MS / 60_000} minutes, then another is chosen`,
  };
}

function shortMessage(
  { spec }: ReservationObject,
  { agents, wanted }: { readonly agents: readonly string[]; readonly wanted: number },
  matching: readonly BindAgent[],
  needed: Resources,
  nearest: Nearest | undefined,
): { reason: BindReason; message: string } {
  const within = spec.parent === undefined ? '' : ` on which spec.parent ${spec.parent} is bound`;
  if (matching.length === 0) {
    const what =
      spec.agent === undefined
        ? `spec.selector matches no agent${within}`
        : `spec.agent ${spec.agent} is not an agent of this cluster${within}`;
    return { reason: 'NoAgentMatches', message: what };
  }
  const soFar = `bound on ${agents.length} of ${wanted} agents; ${matching.length} match`;
  if (nearest === undefined)
    return {
      reason: 'NoAgentMatches',
      message: `${soFar}; label more agents, or lower spec.count`,
    };
  const { agent, available, lack } = nearest;
  const isTooLarge = !matching.some((one) => fits(needed, one.total));
  const gap = Object.keys(lack)
    .toSorted()
    .map(
      (name) =>
        `${formatQuantity(name, amountOf(lack, name))} ${name} (has ${formatQuantity(name, amountOf(available, name))} free and unreserved of ${formatQuantity(name, amountOf(agent.total, name))})`,
    )
    .join(', ');
  return {
    reason: isTooLarge ? 'LargerThanAgents' : 'NotEnoughFree',
    message: `${soFar}; the nearest of the others, ${agent.name}, lacks ${gap}`,
  };
}

/** Where the reservation was bound, split in agents that are there and agents that may come back. */
function formerAgents(
  { input, agents }: Board,
  { status }: ReservationObject,
): { readonly present: ReadonlySet<string>; readonly missing: Binding['missing'] } {
  const present = new Set<string>();
  const missing: Binding['missing'][number][] = [];
  for (const name of status?.agents ?? []) {
    if (agents.has(name)) {
      present.add(name);
      continue;
    }
    const since = status?.missing?.find((one) => one.name === name)?.since;
    const sinceMs = since === undefined ? input.nowMs : input.parseTime(since);
    if (input.nowMs - sinceMs < KEEP_MISSING_MS) missing.push({ name, sinceMs });
  }
  return { present, missing };
}

function matchingAgents(
  { input, bindings }: Board,
  { spec }: ReservationObject,
): readonly BindAgent[] {
  const parent =
    spec.parent === undefined || spec.volume !== undefined ? undefined : bindings.get(spec.parent);
  return input.agents.filter((agent) => {
    if (parent !== undefined && !parent.agents.includes(agent.name)) return false;
    if (spec.agent !== undefined) return spec.agent === agent.name;
    return Object.entries(spec.selector ?? {}).every(([key, value]) => agent.labels[key] === value);
  });
}

/**
 * What a reservation may have of an agent. Tasks may run on what it had before; what it gets in addition must be capacity
 * that nobody uses.
 */
function availableOn(
  board: Board,
  { spec, status }: ReservationObject,
  agent: BindAgent,
  wasHere: boolean,
): Resources {
  if (spec.volume !== undefined) return volumeRoom(board, { spec }, agent.name);
  const open =
    spec.parent === undefined
      ? board.open.get(agent.name)
      : board.unrefined.get(spec.parent)?.get(agent.name);
  const taken = spec.parent === undefined ? agent.taken : usedOfParent(board, spec.parent, agent);
  const unused = subtract(open ?? {}, taken);
  if (!wasHere) return unused;
  return max(min(parseResources(status?.resources ?? spec.resources), open ?? {}), unused);
}

/** Where the disk of one source of a volume comes from: its reservation, or the agent once that is gone. */
const openOf = (board: Board, source: VolumeSource, agent: string): Map<string, Resources> => {
  const own = board.unrefined.get(source.reservation);
  return own?.has(agent) === true ? own : board.open;
};

/** What a volume's sources have for it; it was made of disk that its framework held. */
function volumeRoom(
  board: Board,
  volume: Pick<ReservationObject, 'spec'>,
  agent: string,
): Resources {
  let disk = 0;
  for (const source of sourcesOf(volume)) {
    const open = amountOf(openOf(board, source, agent).get(agent) ?? {}, 'disk');
    disk += Math.min(source.bytes, open);
  }
  return { disk };
}

/** What tasks use of reservations that the refined one's role may use; all of it is taken for the refined one's. */
function usedOfParent({ byName }: Board, parent: string, agent: BindAgent): Resources {
  const owner = byName.get(parent)?.spec.role ?? '';
  return sumOf(
    (agent.reservedUse ?? [])
      .filter((one) => isAllocatableTo(owner, one.role))
      .map((one) => one.resources),
  );
}

function take(board: Board, reservation: ReservationObject, binding: Binding): void {
  const { metadata, spec } = reservation;
  if (isVolume(reservation)) {
    for (const agent of binding.agents)
      for (const source of sourcesOf(reservation)) {
        const open = openOf(board, source, agent);
        open.set(agent, subtract(open.get(agent) ?? {}, { disk: source.bytes }));
      }
    return;
  }
  const from = spec.parent === undefined ? board.open : board.unrefined.get(spec.parent);
  const own = new Map<string, Resources>();
  for (const agent of binding.agents) {
    from?.set(agent, subtract(from.get(agent) ?? {}, binding.resources));
    own.set(agent, binding.resources);
  }
  board.unrefined.set(metadata.name, own);
}

/** How many reservations lie under this one; endless circles count as very deep, and find no parent. */
function depthOf(byName: ReadonlyMap<string, ReservationObject>, one: ReservationObject): number {
  const { parent, volume } = one.spec;
  // A volume stays though its reservation went: before anybody else is given its disk.
  if (volume !== undefined && !byName.has(parent ?? '')) return -1;
  let depth = 0;
  let at: ReservationObject | undefined = one;
  while (at?.spec.parent !== undefined && depth <= byName.size) {
    depth += 1;
    at = byName.get(at.spec.parent);
  }
  return depth;
}

function isExpired(input: BindInput, reservation: ReservationObject): boolean {
  const { ttlSeconds } = reservation.spec;
  if (ttlSeconds === undefined) return false;
  return (
    input.nowMs >= input.parseTime(reservation.metadata.creationTimestamp ?? '') + ttlSeconds * 1000
  );
}

function byAge(left: ReservationObject, right: ReservationObject): number {
  const of = (one: ReservationObject): string =>
    `${one.metadata.creationTimestamp ?? ''} ${one.metadata.name}`;
  return of(left) < of(right) ? -1 : 1;
}
