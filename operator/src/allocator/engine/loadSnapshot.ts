import { comparePaths } from '../rolePaths.ts';
import type { AllocateOptions, AllocatorSnapshot, OfferFilter } from '../types.ts';
import { Core } from './core.ts';
import { admitAgent, chargeElsewhere, putAgent } from './enterAgent.ts';
import { admitRole, putFramework, putRole } from './enterPolicy.ts';
import { ANY_POOL, ANY_REVOCABLE } from './pieces.ts';
import type { EngineOptions } from './types.ts';

/**
 * A ledger that stands where a snapshot does, whatever the order of the snapshot's lists.
 *
 * Takes the snapshot as it is: amounts above an agent's total, guarantees above limits and allocations on agents that are
 * gone are facts here, not faults.
 */
export function loadSnapshot(
  snapshot: AllocatorSnapshot,
  options: Omit<AllocateOptions, 'seed'>,
): Core {
  const core = new Core(engineOptionsOf(options));
  core.nowMs = options.nowMs;
  admitNames(core, snapshot);
  for (const role of snapshot.roles.toSorted((left, right) => comparePaths(left.path, right.path)))
    putRole(core, role, true);
  for (const framework of byId(snapshot.frameworks)) putFramework(core, framework);
  const onAgent = Map.groupBy(snapshot.allocations, (one) => one.agent);
  for (const agent of byId(snapshot.agents)) putAgent(core, agent, onAgent.get(agent.id) ?? []);
  for (const [agent, allocations] of onAgent)
    if (core.ledger.agents.find(agent) === undefined)
      for (const one of allocations) chargeElsewhere(core, one, 1);
  for (const one of snapshot.filters) if (one.untilMs > options.nowMs) enterFilter(core, one);
  for (const { framework, role, count } of snapshot.counts ?? []) {
    const client = core.findClient(framework, role);
    const isCurrent = core.ledger.frameworks.get(framework)?.roles.includes(role) === true;
    if (client !== undefined && isCurrent) core.ledger.addCount(client, count);
  }
  core.dueAll();
  return core;
}

/** How the engine is set up for plans of whole snapshots, and for those of a ledger that changes kept up to date. */
export function engineOptionsOf(options: Omit<AllocateOptions, 'nowMs' | 'seed'>): EngineOptions {
  return {
    mode: options.mode,
    minAllocatable: options.minAllocatable,
    fairnessExclude: options.fairnessExclude,
    sorter: 'drf',
    offers: 'coarse',
    agentOrder: 'random',
    allocationIntervalMs: 0,
  };
}

function byId<Item extends { readonly id: string }>(items: readonly Item[]): readonly Item[] {
  return items.toSorted((left, right) => comparePaths(left.id, right.id));
}

/** Every name is made room for first: columns must not be widened while rows are being written. */
function admitNames(core: Core, snapshot: AllocatorSnapshot): void {
  for (const agent of snapshot.agents) admitAgent(core, agent, []);
  for (const role of snapshot.roles) admitRole(core, role);
  admitAgent(core, undefined, snapshot.allocations);
  for (const one of snapshot.filters) admitFilter(core, one);
}

function admitFilter(core: Core, filter: OfferFilter): void {
  core.ledger.space.admit(filter.refused);
  core.ledger.space.admit(filter.refusedRevocable);
}

/** Remembers a refusal. Of an agent or a framework that is not there it says nothing. */
export function enterFilter(core: Core, filter: OfferFilter): void {
  const { agents, space, filters } = core.ledger;
  admitFilter(core, filter);
  const agent = agents.find(filter.agent);
  const client = core.findClient(filter.framework, filter.role);
  if (agent === undefined || client === undefined) return;
  const { pieces } = core;
  pieces.clear();
  // Adding may make the column grow, so its data is fetched afterwards.
  const first = pieces.add(ANY_POOL);
  space.read(filter.refused, pieces.amounts.data, first);
  const second = pieces.add(ANY_REVOCABLE);
  space.read(filter.refusedRevocable, pieces.amounts.data, second);
  filters.add(client, agent, pieces, filter.untilMs, core.ledger.run);
}
