import { allocate } from '../../operator/src/allocator/allocate.ts';
import { consumptionOf } from '../../operator/src/allocator/quotaCheck.ts';
import type {
  Allocation,
  AllocationCount,
  AllocatorAgent,
  AllocatorFramework,
  AllocatorSnapshot,
  OfferFilter,
  PlannedOffer,
  RoleSpec,
} from '../../operator/src/allocator/types.ts';
import { type AgentId, agentId, frameworkId, rolePath } from '../../operator/src/model/ids.ts';
import {
  add,
  isEmpty,
  type Resources,
  resources,
  subtract,
  sumOf,
} from '../../operator/src/model/resources.ts';
import { toModel } from './amounts.ts';
import type { Action, Fields, ScenarioOptions } from './format.ts';
import {
  agentFrom,
  frameworkFrom,
  heldFrom,
  quotaFrom,
  refuseUnless,
  StepRefused,
} from './records.ts';

/** A filter lives until it is due and at least one run has seen it. */
interface LiveFilter extends OfferFilter {
  seen: boolean;
}

/**
 * A small cluster around the allocator: remembers what was allocated, and runs it when Mesos would.
 *
 * `mesos`: a run over everything on the timer and when a framework is added, activated or revived; over one agent when
 * that is added or changed; nothing else starts one. `mezzo`: every step starts a run over everything.
 */
export class Simulator {
  private readonly options: ScenarioOptions;
  private readonly agents = new Map<string, AllocatorAgent>();
  private readonly frameworks = new Map<string, AllocatorFramework>();
  private readonly roles = new Map<string, RoleSpec>();
  private allocations: readonly Allocation[] = [];
  private filters: readonly LiveFilter[] = [];
  private counts: readonly AllocationCount[] = [];
  private whitelist: ReadonlySet<string> | undefined;
  private nowMs = 0;
  private cycle = 0;
  private fresh: readonly PlannedOffer[] = [];

  constructor(options: ScenarioOptions) {
    this.options = options;
  }

  /** Carries out one step and returns what was newly allocated by it. */
  perform(action: Action): readonly PlannedOffer[] {
    this.fresh = [];
    const agents = this.apply(action);
    if (this.options.mode === 'mezzo' && action.name !== 'advance') this.run('all');
    else if (agents !== 'none') this.run(agents);
    return this.fresh;
  }

  /** Returns over which agents Mesos would start a run now. */
  private apply(action: Action): 'none' | 'all' | AgentId {
    switch (action.name) {
      case 'addAgent':
        return this.setAgent(action.fields, undefined);
      case 'updateAgent':
        return this.setAgent(action.fields, this.agentOf(action.fields.id));
      case 'removeAgent':
        return this.removeAgent(action.fields);
      case 'addFramework':
        return this.setFramework(action.fields, undefined);
      case 'updateFramework':
        this.setFramework(action.fields, this.frameworkOf(action.fields.id));
        return 'none';
      case 'removeFramework':
        return this.removeFramework(action.fields);
      case 'activate':
        this.patchFramework(action.fields, { active: true });
        return 'all';
      case 'deactivate':
        this.patchFramework(action.fields, { active: false });
        this.filters = this.filters.filter((filter) => filter.framework !== action.fields);
        return 'none';
      case 'setQuota':
        return this.setQuota(action.fields);
      case 'removeQuota':
        return this.patchRole(action.fields, { guarantees: {}, limits: {} });
      case 'setWeight': {
        const weightMilli = Math.round(action.fields.weight * 1000);
        return this.patchRole(action.fields.role, { weightMilli });
      }
      case 'reserve':
        return this.reserve(action.fields);
      case 'unreserve':
        return this.unreserve(action.fields);
      case 'recover':
        return this.recover(action.fields);
      case 'use':
        this.requireHeld(action.fields);
        return 'none';
      case 'suppress':
        return this.suppress(action.fields);
      case 'revive':
        return this.revive(action.fields);
      case 'whitelist':
        this.whitelist = new Set(action.fields);
        return 'none';
      case 'advance':
        return this.advance(action.fields.seconds);
    }
  }

  private run(agents: 'all' | AgentId): void {
    this.cycle++;
    const inRun = (id: string): boolean =>
      (agents === 'all' || agents === id) && (this.whitelist?.has(id) ?? true);
    this.filters = this.filters.filter((filter) => filter.untilMs > this.nowMs || !filter.seen);
    const plan = allocate(this.snapshot(inRun), {
      nowMs: this.nowMs,
      seed: this.options.seed + this.cycle,
      minAllocatable: this.options.minAllocatable.map(toModel),
      mode: this.options.mode,
      fairnessExclude: this.options.fairnessExclude,
    });
    this.filters = this.filters.map((filter) => ({
      ...filter,
      seen: filter.seen || inRun(filter.agent),
    }));
    this.counts = plan.counts;
    this.fresh = [...this.fresh, ...plan.offers];
    this.allocations = [
      ...this.allocations,
      ...plan.offers.map((offer): Allocation => ({ ...offer, kind: 'offer' })),
    ];
  }

  private snapshot(inRun: (agent: string) => boolean): AllocatorSnapshot {
    return {
      agents: [...this.agents.values()].map((agent) => ({
        ...agent,
        schedulable: inRun(agent.id),
      })),
      roles: [...this.roles.values()],
      frameworks: [...this.frameworks.values()],
      allocations: this.allocations,
      // A filter no run has seen yet holds for one more run, whatever its time.
      filters: this.filters.map((filter) => ({
        ...filter,
        untilMs: filter.seen ? filter.untilMs : Math.max(filter.untilMs, this.nowMs + 1),
      })),
      counts: this.counts,
    };
  }

  private advance(seconds: number): 'none' {
    const intervalMs = Math.round(this.options.allocationIntervalSeconds * 1000);
    const endMs = this.nowMs + Math.round(seconds * 1000);
    let tickMs = (Math.floor(this.nowMs / intervalMs) + 1) * intervalMs;
    for (; tickMs <= endMs; tickMs += intervalMs) {
      this.nowMs = tickMs;
      this.run('all');
    }
    this.nowMs = endMs;
    return 'none';
  }

  private setAgent(fields: Fields<'addAgent'>, before: AllocatorAgent | undefined): AgentId {
    this.agents.set(fields.id, agentFrom(fields, before));
    if (fields.attributes !== undefined)
      this.filters = this.filters.filter((filter) => filter.agent !== fields.id);
    const used = (fields.used ?? []).map((one) => heldFrom({ ...one, agent: fields.id }, 'task'));
    this.allocations = [...this.allocations, ...used];
    return agentId(fields.id);
  }

  private removeAgent(id: string): 'none' {
    this.agents.delete(this.agentOf(id).id);
    this.allocations = this.allocations.filter((one) => one.agent !== id);
    this.filters = this.filters.filter((one) => one.agent !== id);
    return 'none';
  }

  private setFramework(
    fields: Fields<'addFramework'>,
    before: AllocatorFramework | undefined,
  ): 'none' | 'all' {
    this.frameworks.set(fields.id, frameworkFrom(fields, before));
    return this.frameworkOf(fields.id).active ? 'all' : 'none';
  }

  private removeFramework(id: string): 'none' {
    this.frameworks.delete(this.frameworkOf(id).id);
    this.allocations = this.allocations.filter((one) => one.framework !== id);
    this.filters = this.filters.filter((one) => one.framework !== id);
    return 'none';
  }

  private patchFramework(id: string, patch: Partial<AllocatorFramework>): void {
    this.frameworks.set(id, { ...this.frameworkOf(id), ...patch });
  }

  private patchRole(role: string, patch: Partial<RoleSpec>): 'none' {
    const before = this.roles.get(role) ?? {
      path: rolePath(role),
      weightMilli: 1000,
      guarantees: {},
      limits: {},
    };
    this.roles.set(role, { ...before, ...patch });
    return 'none';
  }

  private setQuota(fields: Fields<'setQuota'>): 'none' {
    const consumed = consumptionOf(this.snapshot(() => true)).consumed.get(fields.role) ?? {};
    return this.patchRole(fields.role, quotaFrom(fields, consumed, this.options.mode));
  }

  private reserve(fields: Fields<'reserve'>): 'none' {
    const agent = this.agentOf(fields.agent);
    const wanted = resources(toModel(fields.resources));
    const here = this.allocations.filter((one) => one.agent === agent.id);
    if (fields.framework === undefined) {
      const unreservedTotal = subtract(
        agent.total,
        sumOf(agent.reservations.map((one) => one.resources)),
      );
      const used = sumOf(here.map((one) => subtract(one.resources, one.reserved ?? {})));
      refuseUnless(wanted, subtract(unreservedTotal, used), `free and unreserved on ${agent.id}`);
    } else {
      const held = sumOf(
        here
          .filter((one) => one.framework === fields.framework && one.role === fields.role)
          .map((one) => subtract(one.resources, one.reserved ?? {})),
      );
      refuseUnless(wanted, held, `unreserved and held by ${fields.framework} on ${agent.id}`);
      this.exchange(fields.framework, fields.role, fields.agent, {
        reserved: wanted,
        unreserved: {},
      });
    }
    const own = agent.reservations.find((one) => one.role === fields.role);
    const others = agent.reservations.filter((one) => one !== own);
    const reservation = {
      role: rolePath(fields.role),
      resources: add(own?.resources ?? {}, wanted),
      reservationId: own?.reservationId ?? `${fields.agent}#${fields.role}`,
    };
    this.agents.set(fields.agent, { ...agent, reservations: [...others, reservation] });
    return 'none';
  }

  private unreserve(fields: Fields<'unreserve'>): 'none' {
    const agent = this.agentOf(fields.agent);
    const wanted = resources(toModel(fields.resources));
    const reserved = sumOf(
      agent.reservations.filter((one) => one.role === fields.role).map((one) => one.resources),
    );
    refuseUnless(wanted, reserved, `reserved to ${fields.role} on ${agent.id}`);
    if (fields.framework !== undefined)
      this.exchange(fields.framework, fields.role, fields.agent, {
        reserved: {},
        unreserved: wanted,
      });
    const reservations = agent.reservations
      .map((one) =>
        one.role === fields.role ? { ...one, resources: subtract(one.resources, wanted) } : one,
      )
      .filter((one) => !isEmpty(one.resources));
    this.agents.set(fields.agent, { ...agent, reservations });
    return 'none';
  }

  /** Turns held amounts from unreserved to reserved or back. */
  private exchange(
    framework: string,
    role: string,
    agent: string,
    becomes: { readonly reserved: Resources; readonly unreserved: Resources },
  ): void {
    const held = this.heldBy(framework, role, agent);
    this.replaceHeld({
      ...held,
      reserved: subtract(add(held.reserved ?? {}, becomes.reserved), becomes.unreserved),
    });
  }

  private recover(fields: Fields<'recover'>): 'none' {
    const { held, reserved, total, revocable } = this.requireHeld(fields);
    this.replaceHeld({
      ...held,
      resources: subtract(held.resources, total),
      revocable: subtract(held.revocable, revocable),
      reserved: subtract(held.reserved ?? {}, reserved),
    });
    const refuseMs = Math.round((fields.refuseSeconds ?? 0) * 1000);
    if (refuseMs > 0)
      this.filters = [
        ...this.filters,
        {
          framework: held.framework,
          role: held.role,
          agent: held.agent,
          refused: total,
          refusedRevocable: revocable,
          untilMs:
            this.nowMs +
            Math.max(refuseMs, Math.round(this.options.allocationIntervalSeconds * 1000)),
          seen: false,
        },
      ];
    return 'none';
  }

  /** What a step names must be held; a scenario that forgets to allocate first is wrong. */
  private requireHeld(fields: Fields<'use'>): {
    readonly held: Allocation;
    readonly reserved: Resources;
    readonly total: Resources;
    readonly revocable: Resources;
  } {
    const held = this.heldBy(fields.framework, fields.role, fields.agent);
    const reserved = resources(sumOf((fields.reserved ?? []).map((one) => toModel(one.resources))));
    const total = add(resources(toModel(fields.resources)), reserved);
    const revocable = resources(toModel(fields.revocable));
    refuseUnless(total, held.resources, `held by ${fields.framework} on ${fields.agent}`);
    refuseUnless(
      reserved,
      held.reserved ?? {},
      `held reserved by ${fields.framework} on ${fields.agent}`,
    );
    refuseUnless(
      revocable,
      held.revocable,
      `held revocable by ${fields.framework} on ${fields.agent}`,
    );
    return { held, reserved, total, revocable };
  }

  private heldBy(framework: string, role: string, agent: string): Allocation {
    const mine = this.allocations.filter(
      (one) => one.framework === framework && one.role === role && one.agent === agent,
    );
    return {
      framework: frameworkId(framework),
      role: rolePath(role),
      agent: agentId(agent),
      resources: sumOf(mine.map((one) => one.resources)),
      revocable: sumOf(mine.map((one) => one.revocable)),
      reserved: sumOf(mine.map((one) => one.reserved ?? {})),
      kind: 'offer',
    };
  }

  private replaceHeld(held: Allocation): void {
    const others = this.allocations.filter(
      (one) =>
        one.framework !== held.framework || one.role !== held.role || one.agent !== held.agent,
    );
    const isGone = isEmpty(held.resources) && isEmpty(held.revocable);
    this.allocations = isGone ? others : [...others, held];
  }

  private suppress(fields: Fields<'suppress'>): 'none' {
    const framework = this.frameworkOf(fields.framework);
    const roles = fields.roles?.map(rolePath) ?? framework.roles;
    const suppressedRoles = [...new Set([...framework.suppressedRoles, ...roles])];
    this.patchFramework(fields.framework, { suppressedRoles });
    return 'none';
  }

  private revive(fields: Fields<'revive'>): 'all' {
    const framework = this.frameworkOf(fields.framework);
    const roles = new Set(fields.roles?.map(rolePath) ?? framework.roles);
    const suppressedRoles = framework.suppressedRoles.filter((role) => !roles.has(role));
    this.patchFramework(fields.framework, { suppressedRoles });
    this.filters = this.filters.filter(
      (one) => one.framework !== fields.framework || !roles.has(one.role),
    );
    return 'all';
  }

  private agentOf(id: string): AllocatorAgent {
    const agent = this.agents.get(id);
    if (agent === undefined) throw new StepRefused(`there is no agent ${id}`);
    return agent;
  }

  private frameworkOf(id: string): AllocatorFramework {
    const framework = this.frameworks.get(id);
    if (framework === undefined) throw new StepRefused(`there is no framework ${id}`);
    return framework;
  }
}
