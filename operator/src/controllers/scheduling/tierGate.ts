import { pathAndAncestors } from '../../allocator/rolePaths.ts';
import { type TierExcess, TierMeter } from '../../allocator/tierCheck.ts';
import type { RoleSpec } from '../../allocator/types.ts';
import { rolePath } from '../../model/ids.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import { formatQuantity } from '../../schema/quantity.ts';
import { roleTableOf } from '../role/roleTable.ts';
import { taskViewOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { ledgerOf } from './ledger.ts';

interface TierGateOptions {
  readonly world: Pick<World, 'pods' | 'roles' | 'quotas'>;
  readonly assumed: () => readonly Pod[];
}

/**
 * Tier limits at the moment of a launch: the engine's offers have no tier, the Pods have.
 * Cost: one look at every Pod per accepted call in a role with such a limit, its own or above it; nothing in others.
 */
export class TierGate {
  readonly #options: TierGateOptions;

  constructor(options: TierGateOptions) {
    this.#options = options;
  }

  /** Counts what lives and is being launched now; undefined while nothing is limited that concerns the role. */
  meter(role?: string): TierMeter | undefined {
    const { world, assumed } = this.#options;
    const { specs } = this.#table();
    const limited = limitedRoles(specs);
    if (limited.size === 0) return undefined;
    if (role !== undefined && pathAndAncestors(role).every((path) => !limited.has(path)))
      return undefined;
    return new TierMeter(specs, ledgerOf(world.pods.list(), assumed()).tasks);
  }

  /** Why the Pod may not start; it is counted when it may. */
  admit(meter: TierMeter | undefined, pod: Pod): string | undefined {
    if (meter === undefined) return undefined;
    const task = taskViewOf(pod);
    const excess = meter.excess(task);
    if (excess === null) meter.take(task);
    else {
      const quota = this.#table().quotaOf.get(rolePath(excess.role));
      return tierExcessSentence(excess, quota?.metadata.name);
    }
    return undefined;
  }

  #table() {
    const { roles, quotas } = this.#options.world;
    return roleTableOf(roles.list(), quotas.list());
  }
}

/** Asked with every call; the table is the same until a Role or Quota changes. */
const knownLimited = new WeakMap<readonly RoleSpec[], ReadonlySet<string>>();
function limitedRoles(specs: readonly RoleSpec[]): ReadonlySet<string> {
  const paths =
    knownLimited.get(specs) ??
    new Set(specs.filter((one) => one.tierLimits !== undefined).map((one) => one.path));
  knownLimited.set(specs, paths);
  return paths;
}

/** `Quota q limits tier preemptible of role eng to cpus 2: its tasks hold 1500m and one more needs 1`. */
export function tierExcessSentence(excess: TierExcess, quota?: string): string {
  const { role, tier, resource, limit, consumed, requested } = excess;
  const text = (amount: number): string => formatQuantity(resource, amount);
  const who = quota === undefined ? `the quota of role ${role}` : `Quota ${quota}`;
  return `${who} limits tier ${tier} of role ${role} to ${resource} ${text(limit)}: its tasks hold ${text(consumed)} and one more needs ${text(requested)}; raise spec.tierLimits or stop other tasks of the tier`;
}
