import type { AgentId, FrameworkId, RolePath } from '../model/ids.ts';
import type { Resources } from '../model/resources.ts';
import { invariant } from '../model/result.ts';
import { faultOnAgent, faultsOfClients } from './auditFacts.ts';
import { countsOf, plannedOffer, reasonsOf, sharesOf } from './describePlan.ts';
import { removeAgent } from './engine/agentEvents.ts';
import { Core } from './engine/core.ts';
import { admitAgent, chargeElsewhere, putAgent } from './engine/enterAgent.ts';
import { admitRole, dropFramework, dropRole, putFramework, putRole } from './engine/enterPolicy.ts';
import { engineOptionsOf, enterFilter } from './engine/loadSnapshot.ts';
import { Run } from './engine/run.ts';
import type { EngineOffer } from './engine/types.ts';
import type {
  AgentFacts,
  AllocateOptions,
  AllocationPlan,
  AllocatorFramework,
  OfferFilter,
  PlannedOffer,
  RoleSpec,
} from './types.ts';

/** How far a role is above one of its limits. */
export interface OverLimit {
  readonly path: RolePath;
  readonly over: Resources;
}

export interface DrivenRun {
  /** Works on about `steps` agents or offers; true when the run is complete. */
  step(steps: number): boolean;
  /** The offers decided since this was called last. */
  take(): readonly PlannedOffer[];
}

/** New agents are sorted in as soon as there are so many. */
const MOST_UNPLACED = 2_000;
const NOTHING: AgentFacts = { agent: undefined, allocations: [] };

/**
 * The allocator as it is kept between cycles: told of what changed, it plans as `allocate` does for the whole.
 *
 * A run looks at the agents that may have something to offer: those that changed, or all of them when a framework, a
 * role or a refusal did, and while there are quotas, whose room is everybody's.
 * Guarantees: after a run nothing is left that a run over a snapshot of the same facts would offer; the same facts in
 * the same order and the same seeds give the same plans.
 * Assumes: offers of a run stand until `setAgent` says otherwise; nothing is changed while a run is in progress.
 */
export class DrivenAllocator {
  readonly #core: Core;
  readonly #agents = new Map<AgentId, AgentFacts>();
  readonly #roles = new Map<RolePath, string>();
  #specs: readonly RoleSpec[] | undefined;
  readonly #frameworks = new Map<FrameworkId, AllocatorFramework>();
  #running: Run | undefined;
  #plan: AllocationPlan | undefined;
  #revision = 0;

  constructor(options: Omit<AllocateOptions, 'nowMs' | 'seed'>) {
    this.#core = new Core(engineOptionsOf(options));
  }

  /** What is on an agent now; replaces what was said before. */
  setAgent(id: AgentId, facts: AgentFacts): void {
    this.#mustRest();
    this.#revision += 1;
    const core = this.#core;
    const { agent, allocations } = facts;
    const before = this.#agents.get(id) ?? NOTHING;
    admitAgent(core, agent, allocations);
    if (before.agent === undefined)
      for (const one of before.allocations) chargeElsewhere(core, one, -1);
    if (agent === undefined) {
      if (before.agent !== undefined) removeAgent(core, { kind: 'removeAgent', id });
      for (const one of allocations) chargeElsewhere(core, one, 1);
    } else core.due(putAgent(core, agent, allocations, before.agent));
    if (agent === undefined && allocations.length === 0) this.#agents.delete(id);
    else this.#agents.set(id, facts);
    // Not all at the start of a run, when a cluster is first told of.
    if (core.ledger.agents.unplaced > MOST_UNPLACED) core.ledger.agents.inOrder();
  }

  /** The offers of a run stand on the agent as the run left it: nothing is to be loaded for them. */
  noteOffers(id: AgentId, facts: AgentFacts): void {
    this.#agents.set(id, facts);
  }

  factsOf(id: AgentId): AgentFacts | undefined {
    return this.#agents.get(id);
  }

  agentIds(): Iterable<AgentId> {
    return this.#agents.keys();
  }

  /** True between the begin of a run and its end. */
  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Changes with whatever is told and with every run. */
  get revision(): number {
    return this.#revision;
  }

  /** What the ledger has wrong of one agent; undefined when it is as was told. */
  faultOn(id: AgentId): string | undefined {
    return faultOnAgent(this.#core, this.#agents.get(id) ?? NOTHING);
  }

  /** What the ledger has wrong of frameworks; looks at everything that was told. */
  faultsOfFrameworks(): readonly string[] {
    return faultsOfClients(this.#core, this.#agents.values());
  }

  /** The policies of all roles that have one. True when any of them changed. */
  setRoles(specs: readonly RoleSpec[]): boolean {
    if (specs === this.#specs) return false;
    this.#mustRest();
    this.#specs = specs;
    const core = this.#core;
    let isChanged = false;
    const named = new Set<RolePath>();
    for (const spec of specs) {
      named.add(spec.path);
      const words = JSON.stringify(spec);
      const known = this.#roles.get(spec.path);
      if (known === words) continue;
      isChanged = true;
      admitRole(core, spec);
      putRole(core, spec, known === undefined);
      this.#roles.set(spec.path, words);
    }
    for (const path of this.#roles.keys()) {
      if (named.has(path)) continue;
      isChanged = true;
      dropRole(core, path);
      this.#roles.delete(path);
    }
    if (isChanged) core.dueAll();
    return isChanged;
  }

  setFramework(framework: AllocatorFramework): void {
    this.#mustRest();
    const before = this.#frameworks.get(framework.id);
    this.#frameworks.set(framework.id, framework);
    putFramework(this.#core, framework);
    if (maySeeMore(before, framework)) this.#core.dueAll();
  }

  removeFramework(id: FrameworkId): void {
    this.#mustRest();
    this.#frameworks.delete(id);
    dropFramework(this.#core, id);
  }

  /** Remembers a refusal until its time is over, and at least for one run that looks at the agent. */
  refuse(filter: OfferFilter): void {
    this.#mustRest();
    enterFilter(this.#core, filter);
  }

  /** Forgets what a framework refused; of some roles, or of all. */
  clearRefusals(id: FrameworkId, roles?: ReadonlySet<RolePath>): void {
    this.#mustRest();
    const { filters, frameworks, clients } = this.#core.ledger;
    for (const [role, client] of frameworks.get(id)?.clients ?? []) {
      if (roles !== undefined && !(roles as ReadonlySet<string>).has(role)) continue;
      if ((clients.filters[client] as number) === 0) continue;
      filters.removeOfClient(client);
      this.#core.dueAll();
    }
  }

  /** All that frameworks refuse at present. */
  refusals(): readonly OfferFilter[] {
    const { agents, clients, roles, filters } = this.#core.ledger;
    return [...filters.entries()].map(({ client, agent, untilMs, ...amounts }) => ({
      framework: clients.framework[client]?.id as FrameworkId,
      role: roles.paths[clients.role[client] as number] as RolePath,
      agent: agents.ids[agent] as AgentId,
      ...amounts,
      untilMs,
    }));
  }

  /** When the next refusal ends, wall clock; undefined: none is waiting. */
  nextExpiryMs(): number | undefined {
    return this.#core.ledger.filters.nextEndMs();
  }

  /** The next run looks at every agent, whatever changed. */
  lookAtAll(): void {
    this.#core.dueAll();
  }

  /** Roles above their limits, offers included. */
  overLimits(): readonly OverLimit[] {
    const { quota, roles, space } = this.#core.ledger;
    const found: OverLimit[] = [];
    for (const role of quota.limited) {
      const over: { [name: string]: number } = {};
      for (let k = 0; k < space.names.length; k++) {
        const at = role * space.stride + k;
        const above = (quota.consumed.data[at] as number) - (quota.limit.data[at] as number);
        if (above > 0) over[space.names[k] as string] = above;
      }
      if (Object.keys(over).length > 0) found.push({ path: roles.paths[role] as RolePath, over });
    }
    return found;
  }

  /** Starts a run over what is due; nothing may be changed until it is complete. */
  begin(options: Pick<AllocateOptions, 'nowMs' | 'seed'>): DrivenRun {
    this.#mustRest();
    this.#revision += 1;
    const core = this.#core;
    const { quota, tiers } = core.ledger;
    if (quota.limited.size + quota.guaranteed.size + tiers.limited.size > 0) core.dueAll();
    const fresh: EngineOffer[] = [];
    const all: PlannedOffer[] = [];
    const run = new Run(core, options, (offer) => fresh.push(offer));
    this.#running = run;
    return {
      step: (steps) => {
        const isDone = run.step(steps);
        if (!isDone || this.#running !== run) return isDone;
        this.#running = undefined;
        return true;
      },
      take: () => {
        const offers = fresh.splice(0).map(plannedOffer);
        for (const offer of offers) all.push(offer);
        this.#plan = this.#planOf(all);
        return offers;
      },
    };
  }

  /** What the last run decided, and where everything stands since. Worked out when it is read. */
  plan(): AllocationPlan | undefined {
    return this.#plan;
  }

  #planOf(offers: readonly PlannedOffer[]): AllocationPlan {
    const core = this.#core;
    const frameworks = () => [...this.#frameworks.values()];
    const elsewhere = () =>
      [...this.#agents.values()].flatMap((one) => (one.agent === undefined ? one.allocations : []));
    const shares = onceRead(() => sharesOf(core, elsewhere()));
    const reasons = onceRead(() => reasonsOf(core, frameworks()));
    return {
      offers,
      get reasons() {
        return reasons();
      },
      get shares() {
        return shares();
      },
      get counts() {
        return countsOf(core, frameworks());
      },
    };
  }

  #mustRest(): void {
    invariant(this.#running === undefined, 'nothing changes while a run is in progress');
  }
}

function onceRead<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

/** False when a framework only wants less than before. */
function maySeeMore(before: AllocatorFramework | undefined, now: AllocatorFramework): boolean {
  if (!now.active) return false;
  if (before === undefined || !before.active) return true;
  const wanted = (one: AllocatorFramework): readonly RolePath[] =>
    one.roles.filter((role) => !one.suppressedRoles.includes(role));
  const known = new Set(wanted(before));
  if (wanted(now).some((role) => !known.has(role))) return true;
  const rest = (one: AllocatorFramework): string =>
    JSON.stringify({ ...one, roles: [], suppressedRoles: [] });
  return rest(before) !== rest(now);
}
