import type { Tier } from '../model/job.ts';
import { add, amountOf, type Resources } from '../model/resources.ts';
import { comparePaths, pathAndAncestors } from './rolePaths.ts';
import type { RoleSpec, TierAmounts } from './types.ts';

/** What counts against the limits of a tier: everything a task holds, reserved and revocable amounts too. */
export interface TierTask {
  readonly role: string;
  readonly tier: Tier;
  readonly resources: Resources;
  readonly revocable: Resources;
}

/** What tasks of each tier hold, by role, sub-roles included. */
export type TierUse = ReadonlyMap<string, TierAmounts>;

export interface TierExcess {
  /** The role whose limit is hit: the task's own or one above it, nearest first. */
  readonly role: string;
  readonly tier: Tier;
  readonly resource: string;
  readonly limit: number;
  readonly consumed: number;
  readonly requested: number;
}

export const hasTierLimits = (roles: readonly RoleSpec[]): boolean =>
  roles.some((role) => role.tierLimits !== undefined);

export function tierUseOf(tasks: Iterable<TierTask>): TierUse {
  const use = new Map<string, { [One in Tier]?: Resources }>();
  for (const task of tasks) charge(use, task);
  return use;
}

function charge(use: Map<string, { [One in Tier]?: Resources }>, task: TierTask): void {
  for (const path of pathAndAncestors(task.role)) {
    const tiers = use.get(path) ?? {};
    use.set(path, tiers);
    tiers[task.tier] = add(tiers[task.tier] ?? {}, held(task));
  }
}

const held = (task: Pick<TierTask, 'resources' | 'revocable'>): Resources =>
  add(task.resources, task.revocable);

/** The first tier limit that one more task would break, or null when it may start. */
export function tierExcess(
  roles: readonly RoleSpec[],
  use: TierUse,
  task: TierTask,
): TierExcess | null {
  const specs = new Map<string, RoleSpec>(roles.map((spec) => [spec.path, spec]));
  const asked = held(task);
  for (const path of pathAndAncestors(task.role)) {
    const limits = specs.get(path)?.tierLimits?.[task.tier] ?? {};
    for (const resource of Object.keys(limits).toSorted(comparePaths)) {
      const limit = amountOf(limits, resource);
      const consumed = amountOf(use.get(path)?.[task.tier] ?? {}, resource);
      const requested = amountOf(asked, resource);
      if (requested > 0 && consumed + requested > limit)
        return { role: path, tier: task.tier, resource, limit, consumed, requested };
    }
  }
  return null;
}

/** Counts tasks that are about to start beside those that live, one after the other. */
export class TierMeter {
  readonly #roles: readonly RoleSpec[];
  readonly #use = new Map<string, { [One in Tier]?: Resources }>();

  constructor(roles: readonly RoleSpec[], live: Iterable<TierTask>) {
    this.#roles = roles.filter((role) => role.tierLimits !== undefined);
    for (const task of live) charge(this.#use, task);
  }

  excess(task: TierTask): TierExcess | null {
    return tierExcess(this.#roles, this.#use, task);
  }

  take(task: TierTask): void {
    charge(this.#use, task);
  }
}
