import type { FrameworkId, RolePath } from '../model/ids.ts';
import { add, type Resources, sumOf } from '../model/resources.ts';
import type { Core } from './engine/core.ts';
import { rolesOf } from './engine/figures.ts';
import type { EngineOffer } from './engine/types.ts';
import { whyNot } from './engine/why.ts';
import { comparePaths, pathAndAncestors } from './rolePaths.ts';
import {
  type Allocation,
  type AllocationCount,
  type AllocatorFramework,
  type HeldBack,
  HOLD_BACK_CHECKS,
  type PlannedOffer,
  type RoleShare,
} from './types.ts';

/** What the engine decided and where everything stands, in the words of a plan. */

export function plannedOffer(offer: EngineOffer): PlannedOffer {
  const reserved = sumOf(offer.reserved.map((part) => part.resources));
  return {
    framework: offer.framework,
    role: offer.role,
    agent: offer.agent,
    resources: add(offer.resources, reserved),
    revocable: offer.revocable,
    reserved,
    reservedBy: [
      ...offer.reserved.map((part) => ({
        role: part.stack.at(-1) as RolePath,
        resources: part.resources,
        reservationId: part.reservationId ?? '',
      })),
      ...offer.volumes.map(({ id, sizeBytes }) => ({
        role: offer.role,
        resources: { disk: sizeBytes },
        reservationId: id,
        volume: { shared: true },
      })),
    ],
    fromHold: offer.fromHold,
  };
}

/** By framework, role and order of the checks. */
export function reasonsOf(
  core: Core,
  frameworks: readonly AllocatorFramework[],
): readonly HeldBack[] {
  const pairs = frameworks
    .flatMap((framework) => framework.roles.map((role) => ({ framework: framework.id, role })))
    .toSorted(
      (left, right) =>
        comparePaths(left.framework, right.framework) || comparePaths(left.role, right.role),
    );
  return pairs.flatMap(({ framework, role }) =>
    whyNot(core, framework, role).flatMap((held): readonly HeldBack[] => {
      const check = HOLD_BACK_CHECKS.find((one) => one === held.check);
      // A whole snapshot is run, so nothing can have been left out; what came too early waits for the next cycle.
      return [{ ...held, framework, role, check: check ?? 'HeldForGuarantees' }];
    }),
  );
}

/** `elsewhere`: what is allocated on agents that are not there. */
export function sharesOf(core: Core, elsewhere: readonly Allocation[]): readonly RoleShare[] {
  const moreBy = new Map<
    string,
    { allocated: Resources; offered: Resources; revocable: Resources }
  >();
  for (const one of elsewhere) {
    for (const path of pathAndAncestors(one.role)) {
      const before = moreBy.get(path) ?? { allocated: {}, offered: {}, revocable: {} };
      moreBy.set(path, {
        allocated: add(before.allocated, one.resources),
        offered: one.kind === 'offer' ? add(before.offered, one.resources) : before.offered,
        revocable: add(before.revocable, one.revocable),
      });
    }
  }
  return rolesOf(core).map((role) => {
    const more = moreBy.get(role.role);
    return {
      role: role.role,
      dominantSharePpm: role.dominantSharePpm,
      weightMilli: role.weightMilli,
      allocated: add(role.allocated, more?.allocated ?? {}),
      offered: add(role.offered, more?.offered ?? {}),
      revocable: add(role.revocable, more?.revocable ?? {}),
      reserved: role.reserved,
      consumed: role.consumed,
    };
  });
}

export function countsOf(
  core: Core,
  frameworks: readonly AllocatorFramework[],
): readonly AllocationCount[] {
  const { shares } = core.ledger.clients;
  const pairs: { readonly framework: FrameworkId; readonly role: RolePath }[] = frameworks.flatMap(
    (framework) => framework.roles.map((role) => ({ framework: framework.id, role })),
  );
  return pairs.flatMap((pair) => {
    const client = core.findClient(pair.framework, pair.role);
    const count = client === undefined ? 0 : (shares.count[client] as number);
    return count === 0 ? [] : [{ ...pair, count }];
  });
}
