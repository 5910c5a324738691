import type { RolePath } from '../../model/ids.ts';
import { TIERS, type Tier } from '../../model/job.ts';
import type { Resources } from '../../model/resources.ts';
import type { TierAmounts } from '../types.ts';
import type { VectorColumn } from './columns.ts';
import type { Core } from './core.ts';
import { amountsFault, inUnits } from './describe.ts';
import { NONE } from './roleTree.ts';

/** Sets a role's tier limits; a tier or name that is left out is unlimited. */
export function setTierLimits(core: Core, role: number, limits: TierAmounts | undefined): void {
  const { space, tiers } = core.ledger;
  for (const tier of TIERS) space.admit(limits?.[tier]);
  tiers.set(
    role,
    TIERS.map((tier) => {
      const most = new Float64Array(space.stride);
      space.read(limits?.[tier], most, 0, Number.POSITIVE_INFINITY);
      return most;
    }),
  );
}

/** What is wrong with tier limits that are to be set. */
export function tierLimitsFault(
  core: Core,
  path: RolePath,
  limits: TierAmounts | undefined,
  isForced: boolean,
): string | undefined {
  const { roles, space, tiers } = core.ledger;
  const role = roles.find(path);
  for (const [position, tier] of TIERS.entries()) {
    const most: Resources = limits?.[tier] ?? {};
    const fault = amountsFault(`limit of tier ${tier} of ${path}`, most);
    if (fault !== undefined) return fault;
    if (role === undefined || isForced) continue;
    for (const name in most) {
      const limit = most[name] ?? 0;
      const at = role * space.stride + space.positionOf(name);
      const used = tiers.used[position]?.data[at] ?? 0;
      if (used > limit)
        return `limit ${name} ${inUnits(name, limit)} of tier ${tier} of role ${path} is below use: its tasks hold ${name} ${inUnits(name, used)}`;
    }
  }
  return undefined;
}

/** Why what is in `core.pieces` cannot become tasks of a tier. */
export function launchFault(core: Core, role: number, tier: number): string | undefined {
  const { tiers, space, roles } = core.ledger;
  if (tiers.limited.size === 0) return undefined;
  const { pieces } = core;
  const sum = new Float64Array(space.stride);
  for (let at = 0; at < pieces.count * space.stride; at++) {
    const k = at % space.stride;
    sum[k] = (sum[k] as number) + (pieces.amounts.data[at] as number);
  }
  const excess = tiers.excess(role, tier, sum);
  if (excess === undefined) return undefined;
  const at = excess.role * space.stride + excess.k;
  const name = space.names[excess.k] as string;
  const amount = (data: Float64Array | undefined, where: number): string =>
    `${name} ${inUnits(name, data?.[where] ?? 0)}`;
  return (
    `the quota of role ${roles.paths[excess.role]} limits tier ${TIERS[tier]} to ${amount(tiers.limit[tier]?.data, at)}: ` +
    `its tasks hold ${amount(tiers.used[tier]?.data, at)}, and these take ${amount(sum, excess.k)} more`
  );
}

/** Why the used part of what is in `core.pieces` cannot come back from tasks of one tier. */
export function returnFault(
  core: Core,
  found: { readonly agent: number; readonly client: number },
  of: Tier | undefined,
): string | undefined {
  if (of === undefined) return undefined;
  const { ledger, pieces } = core;
  const { holdings, space, tiers } = ledger;
  for (let at = 0; at < pieces.count; at++) {
    const holding = ledger.findHolding(found.agent, found.client, pieces.pool[at] as number);
    if (holding === NONE) continue;
    for (let k = 0; k < space.names.length; k++) {
      const amount = pieces.amounts.data[at * space.stride + k] as number;
      const used = amount - (holdings.offered.data[holding * space.stride + k] as number);
      const has = tiers.usedOf(holding, TIERS.indexOf(of), k);
      const name = space.names[k] as string;
      if (used > 0 && used > has)
        return `${name} ${inUnits(name, used)} is more than the ${inUnits(name, has)} that tasks of tier ${of} use there`;
    }
  }
  return undefined;
}

/** Where a role stands by tier. */
export function tierFigures(
  core: Core,
  role: number,
  finite: (from: VectorColumn, base: number) => Resources,
): readonly { readonly tier: Tier; readonly limits: Resources; readonly used: Resources }[] {
  const { tiers, space } = core.ledger;
  const base = role * space.stride;
  return TIERS.flatMap((tier, position) => {
    const limits = finite(tiers.limit[position] as VectorColumn, base);
    const used = space.write((tiers.used[position] as VectorColumn).data, base);
    return Object.keys({ ...limits, ...used }).length === 0 ? [] : [{ tier, limits, used }];
  });
}

/** By how much the tasks of each tier are above a role's limit. */
export function tierExcess(
  core: Core,
  role: number,
): readonly { readonly tier: Tier; readonly over: Resources }[] {
  const { tiers, space } = core.ledger;
  return TIERS.flatMap((tier, position) => {
    const over: { [name: string]: number } = {};
    for (let k = 0; k < space.names.length; k++) {
      const at = role * space.stride + k;
      const above =
        (tiers.used[position]?.data[at] as number) - (tiers.limit[position]?.data[at] as number);
      if (above > 0) over[space.names[k] as string] = above;
    }
    return Object.keys(over).length === 0 ? [] : [{ tier, over }];
  });
}
