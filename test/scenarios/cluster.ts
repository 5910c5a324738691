import { createAllocatorEngine } from '../../operator/src/allocator/engine/allocatorEngine.ts';
import type {
  AllocatorEngine,
  AllocatorEvent,
  Applied,
  EngineOffer,
  OfferRef,
} from '../../operator/src/allocator/engine/types.ts';
import {
  type AgentId,
  agentId,
  frameworkId,
  type RolePath,
  rolePath,
} from '../../operator/src/model/ids.ts';
import {
  agentEventOf,
  frameworkEventOf,
  holderOf,
  nonZero,
  partsOrAll,
  portRangesOf,
  quotaEventOf,
  refuseMsOf,
  tierOf,
  unavailabilityOf,
  volumesOf,
} from './events.ts';
import type { ScenarioOptions } from './format.ts';
import type { Action, Fields } from './steps.ts';

/** What came out of one step. */
export interface StepResult {
  readonly offers: readonly EngineOffer[];
  readonly inverseOffers: readonly { readonly framework: string; readonly agent: string }[];
  readonly rescinds: readonly OfferRef[];
  /** Why the step was refused; undefined: it was not. */
  readonly refusal: string | undefined;
}

/** Agents with a region are remote to masters that have none (no agent can be in a region of this name). */
const NO_REGION = '';

/**
 * Drives the operator's allocator with a clock of its own.
 *
 * Events tell the engine what happened; it knows itself which of them call for a run (`isDue`), by its mode. The
 * periodic timer ticks at every multiple of the interval while time advances.
 */
export class ScenarioCluster {
  readonly engine: AllocatorEngine;
  private readonly options: ScenarioOptions;
  private readonly defaultCapabilities: readonly string[];
  /** Stacks of reservations by agent, so that a step may name one by its last role. */
  private readonly stacks = new Map<string, readonly RolePath[][]>();
  /** Of frameworks, as the steps gave them. */
  private readonly roles = new Map<string, readonly string[]>();
  private nowMs = 0;
  private runs = 0;
  private offers: EngineOffer[] = [];
  private inverseOffers: StepResult['inverseOffers'] = [];
  private rescinds: OfferRef[] = [];

  /** `defaultCapabilities`: of frameworks that list none. */
  constructor(options: ScenarioOptions, defaultCapabilities: readonly string[]) {
    this.options = options;
    this.defaultCapabilities = defaultCapabilities;
    this.engine = createAllocatorEngine({
      mode: options.mode,
      minAllocatable: options.minAllocatable.map((one) => one.scalars),
      fairnessExclude: options.fairnessExclude,
      sorter: options.sorter,
      offers: options.offers,
      agentOrder: options.agentOrder,
      allocationIntervalMs: Math.round(options.allocationIntervalSeconds * 1000),
      region: options.region ?? NO_REGION,
      ...(options.hoardAfterSeconds === undefined
        ? {}
        : { hoardAfterMs: Math.round(options.hoardAfterSeconds * 1000) }),
    });
  }

  /** Carries out one step. A refused one changes nothing. */
  perform(action: Action | undefined): StepResult {
    this.offers = [];
    this.inverseOffers = [];
    this.rescinds = [];
    const refusal = action === undefined ? undefined : this.carryOut(action);
    if (refusal === undefined) this.runIfDue();
    return {
      offers: this.offers,
      inverseOffers: this.inverseOffers,
      rescinds: this.rescinds,
      refusal,
    };
  }

  private carryOut(action: Action): string | undefined {
    switch (action.name) {
      case 'addAgent':
      case 'updateAgent':
        return this.setAgent(action.name, action.fields);
      case 'removeAgent':
        return this.apply({ kind: 'removeAgent', id: agentId(action.fields) });
      case 'addFramework':
      case 'updateFramework':
        return this.setFramework(action.name, action.fields);
      case 'removeFramework':
      case 'activate':
      case 'deactivate':
        return this.apply({ kind: action.name, id: frameworkId(action.fields) });
      case 'setQuota':
        return this.apply(quotaEventOf(action.fields));
      case 'removeQuota':
        return this.apply({ kind: 'removeQuota', role: rolePath(action.fields) });
      case 'setWeight': {
        const weightMilli = Math.round(action.fields.weight * 1000);
        return this.apply({ kind: 'setWeight', role: rolePath(action.fields.role), weightMilli });
      }
      case 'setSorter': {
        const { role, sorter } = action.fields;
        return this.apply({ kind: 'setSorter', role: rolePath(role), sorter });
      }
      case 'reserve':
      case 'unreserve':
        return this.changeReservation(action.name, action.fields);
      case 'createVolume':
        return this.createVolume(action.fields);
      case 'destroyVolume':
        return this.destroyVolume(action.fields);
      case 'recover':
        return this.apply({
          kind: 'recover',
          ...holderOf(action.fields),
          ...partsOrAll(action.fields),
          ...tierOf(action.fields),
          refuseMs: refuseMsOf(action.fields.refuseSeconds),
        });
      case 'use':
        return this.apply({
          kind: 'use',
          ...holderOf(action.fields),
          ...partsOrAll(action.fields),
          ...tierOf(action.fields),
        });
      case 'suppress':
      case 'revive': {
        const { framework, roles } = action.fields;
        return this.apply({
          kind: action.name,
          framework: frameworkId(framework),
          ...(roles === undefined ? {} : { roles: roles.map(rolePath) }),
        });
      }
      case 'setUnavailability': {
        const { agent, ...window } = action.fields;
        const isSet = window.startSeconds !== undefined || window.durationSeconds !== undefined;
        return this.apply({
          kind: 'setUnavailability',
          agent: agentId(agent),
          ...(isSet ? { unavailability: unavailabilityOf(window, this.nowMs) } : {}),
        });
      }
      case 'whitelist':
        return this.apply({ kind: 'whitelist', agents: action.fields.map(agentId) });
      case 'advance':
        return this.advance(action.fields.seconds);
    }
  }

  /** Enters an event; the text of a refusal. */
  private apply(event: AllocatorEvent): string | undefined {
    const applied: Applied = this.engine.apply(event, this.nowMs);
    if (applied.kind === 'refused') return applied.message;
    this.rescinds.push(...applied.rescinds);
    return undefined;
  }

  private runIfDue(): void {
    if (this.engine.isDue()) this.run();
  }

  private run(): void {
    this.runs++;
    const plan = this.engine.allocate({
      nowMs: this.nowMs,
      seed: this.options.seed + this.runs,
    });
    this.offers.push(...plan.offers);
    this.inverseOffers = [...this.inverseOffers, ...plan.inverseOffers];
  }

  /** Steps from tick to tick, and in `mezzo` mode in between to whatever ends by itself (a filter, a back-off). */
  private advance(seconds: number): undefined {
    const intervalMs = Math.round(this.options.allocationIntervalSeconds * 1000);
    const endMs = this.nowMs + Math.round(seconds * 1000);
    for (;;) {
      const tickMs = (Math.floor(this.nowMs / intervalMs) + 1) * intervalMs;
      const expiryMs = this.options.mode === 'mezzo' ? this.engine.nextExpiryMs() : undefined;
      const isBefore = expiryMs !== undefined && expiryMs > this.nowMs && expiryMs < tickMs;
      const nextMs = isBefore ? expiryMs : tickMs;
      if (nextMs > endMs) break;
      this.nowMs = nextMs;
      if (!isBefore) this.engine.tick();
      this.run();
    }
    this.nowMs = endMs;
    return undefined;
  }

  private setAgent(
    kind: 'addAgent' | 'updateAgent',
    fields: Fields<'addAgent'>,
  ): string | undefined {
    const volumes = volumesOf(fields);
    const isSplit = volumes.length > 0 && fields.used !== undefined;
    const { used, ...withoutUse } = fields;
    const refusal = this.apply(agentEventOf(kind, isSplit ? withoutUse : fields, this.nowMs));
    if (refusal !== undefined) return refusal;
    for (const one of fields.reserved ?? []) this.remember(fields.id, one.roles.map(rolePath));
    for (const volume of volumes) {
      const fault = this.apply(volume);
      if (fault !== undefined) return fault;
    }
    if (isSplit)
      return this.apply(agentEventOf('updateAgent', { id: fields.id, used }, this.nowMs));
    if (kind === 'updateAgent' && fields.unavailability !== undefined)
      return this.apply({
        kind: 'setUnavailability',
        agent: agentId(fields.id),
        unavailability: unavailabilityOf(fields.unavailability, this.nowMs),
      });
    return undefined;
  }

  private setFramework(
    kind: 'addFramework' | 'updateFramework',
    fields: Fields<'addFramework'>,
  ): string | undefined {
    const refusal = this.apply(frameworkEventOf(kind, fields, this.defaultCapabilities));
    if (refusal === undefined && fields.roles !== undefined)
      this.roles.set(fields.id, fields.roles);
    if (refusal !== undefined || kind === 'addFramework' || fields.active === undefined)
      return refusal;
    return this.apply({
      kind: fields.active ? 'activate' : 'deactivate',
      id: frameworkId(fields.id),
    });
  }

  private changeReservation(
    kind: 'reserve' | 'unreserve',
    fields: Fields<'reserve'>,
  ): string | undefined {
    const role = fields.role ?? fields.roles?.at(-1) ?? '';
    const stacks =
      fields.roles === undefined
        ? [[rolePath(role)], ...(kind === 'reserve' ? [] : this.stacksOf(fields.agent, role))]
        : [fields.roles.map(rolePath)];
    return firstThatWorks(stacks, (stack) => {
      const refusal = this.apply({
        kind,
        stack,
        resources: nonZero(fields.resources.scalars),
        ports: portRangesOf(fields.resources),
        ...onAgent({ ...fields, role }),
      });
      if (refusal === undefined && kind === 'reserve') this.remember(fields.agent, stack);
      return refusal;
    });
  }

  /** The disk is taken from a reservation of the role when there is one, else from what nobody reserved. */
  private createVolume(fields: Fields<'createVolume'>): string | undefined {
    const stacks = [...this.stacksOf(fields.agent, fields.role), []];
    const holders = this.holderRoles(fields);
    const attempts = holders.flatMap((role) => stacks.map((stack) => ({ role, stack })));
    return firstThatWorks(attempts, ({ role, stack }) =>
      this.apply({
        kind: 'createVolume',
        id: fields.id,
        sizeBytes: fields.size,
        shared: fields.shared,
        stack,
        ...onAgent({ ...fields, role }),
      }),
    );
  }

  private destroyVolume(fields: Fields<'destroyVolume'>): string | undefined {
    return firstThatWorks(this.holderRoles(fields), (role) =>
      this.apply({ kind: 'destroyVolume', id: fields.id, ...onAgent({ ...fields, role }) }),
    );
  }

  /** The role of a volume need not be the one its holder holds it in (`*`): the holder's own come next. */
  private holderRoles(fields: {
    readonly framework?: string | undefined;
    readonly role?: string | undefined;
  }): readonly (string | undefined)[] {
    return [fields.role, ...(this.roles.get(fields.framework ?? '') ?? [])];
  }

  private stacksOf(agent: string, role: string): readonly (readonly RolePath[])[] {
    return (this.stacks.get(agent) ?? []).filter((stack) => stack.at(-1) === role);
  }

  private remember(agent: string, stack: readonly RolePath[]): void {
    this.stacks.set(agent, [...(this.stacks.get(agent) ?? []), [...stack]]);
  }
}

/** Refusals change nothing, so alternatives can be tried; the first one's refusal is told. */
function firstThatWorks<Alternative>(
  alternatives: readonly Alternative[],
  attempt: (alternative: Alternative) => string | undefined,
): string | undefined {
  let first: string | undefined;
  for (const alternative of alternatives) {
    const refusal = attempt(alternative);
    if (refusal === undefined) return undefined;
    first ??= refusal;
  }
  return first;
}

function onAgent(fields: {
  readonly agent: string;
  readonly framework?: string | undefined;
  readonly role?: string | undefined;
}): {
  readonly agent: AgentId;
  readonly framework?: ReturnType<typeof frameworkId>;
  readonly role?: RolePath;
} {
  return {
    agent: agentId(fields.agent),
    ...(fields.framework === undefined ? {} : { framework: frameworkId(fields.framework) }),
    ...(fields.role === undefined ? {} : { role: rolePath(fields.role) }),
  };
}
