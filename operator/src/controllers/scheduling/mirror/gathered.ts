import type { AllocatorAgent, AllocatorFramework, RoleSpec } from '../../../allocator/types.ts';
import type { AgentId } from '../../../model/ids.ts';
import type { Resources } from '../../../model/resources.ts';
import type { GatheredSnapshot } from '../snapshot.ts';
import type { AgentMirror } from './agentMirror.ts';

/** The whole of what the mirror has, put together again only after something changed. */
export class Gathered {
  readonly #mirror: AgentMirror;
  #known: { readonly version: number; readonly of: Omit<GatheredSnapshot, 'roles'> } | undefined;

  constructor(mirror: AgentMirror) {
    this.#mirror = mirror;
  }

  /** Without refusals and counts, which are the allocator's own. */
  now(roles: readonly RoleSpec[], frameworks: readonly AllocatorFramework[]): GatheredSnapshot {
    const mirror = this.#mirror;
    mirror.look();
    for (const _ of mirror.refresh());
    if (this.#known?.version !== mirror.version)
      this.#known = { version: mirror.version, of: putTogether(mirror) };
    const { ledger, snapshot } = this.#known.of;
    return { ledger, snapshot: { ...snapshot, roles, frameworks } };
  }
}

function putTogether(mirror: AgentMirror): GatheredSnapshot {
  const agents: AllocatorAgent[] = [];
  const records = [...mirror.records()];
  const foreign = new Map<AgentId, Resources>();
  const podCount = new Map<AgentId, number>();
  for (const { facts, ledger } of records) {
    if (facts.agent !== undefined) agents.push(facts.agent);
    for (const [agent, amounts] of ledger.foreign) foreign.set(agent, amounts);
    for (const [agent, count] of ledger.podCount) podCount.set(agent, count);
  }
  return {
    ledger: { tasks: records.flatMap((one) => one.ledger.tasks), foreign, podCount },
    snapshot: {
      agents,
      roles: [],
      frameworks: [],
      allocations: records.flatMap((one) => one.facts.allocations),
      filters: [],
    },
  };
}
