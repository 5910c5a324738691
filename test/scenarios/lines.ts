import type { EngineOffer, PortRanges } from '../../operator/src/allocator/engine/types.ts';
import { add, type Resources } from '../../operator/src/model/resources.ts';
import {
  type Amounts,
  describeAmounts,
  joinedRanges,
  NO_AMOUNTS,
  type PortRange,
} from './amounts.ts';
import type { Held } from './steps.ts';

interface Line {
  readonly who: { readonly framework: string; readonly role: string; readonly agent: string };
  readonly unreserved: Amounts;
  readonly reserved: readonly { readonly roles: readonly string[]; readonly resources: Amounts }[];
  readonly revocable: Amounts;
  readonly volumes: Resources;
}

/** Allocations that came, in words: one line for all that one framework got in one role on one agent. */
export function linesOfOffers(offers: readonly EngineOffer[]): readonly string[] {
  return mergedLines(
    offers.map((offer) => ({
      who: offer,
      unreserved: amountsOf(offer.resources, offer.ports),
      reserved: offer.reserved.map((one) => ({
        roles: one.stack,
        resources: amountsOf(one.resources, one.ports ?? []),
      })),
      revocable: amountsOf(offer.revocable, []),
      volumes: Object.fromEntries(offer.volumes.map((volume) => [volume.id, volume.sizeBytes])),
    })),
  );
}

/** Allocations that are expected, in the same words. Volumes may be named in any of their parts. */
export function linesOfExpected(expected: readonly Held[]): readonly string[] {
  return mergedLines(
    expected.map((held) => ({
      who: held,
      unreserved: withoutVolumes(held.resources),
      reserved: held.reserved.map((one) => ({ ...one, resources: withoutVolumes(one.resources) })),
      revocable: held.revocable,
      volumes: {
        ...held.volumes,
        ...held.resources.volumes,
        ...(Object.assign({}, ...held.reserved.map((one) => one.resources.volumes)) as Resources),
      },
    })),
  );
}

function mergedLines(lines: readonly Line[]): readonly string[] {
  const byHolder = new Map<string, Line>();
  for (const line of lines) {
    const key = JSON.stringify([line.who.framework, line.who.role, line.who.agent]);
    const before = byHolder.get(key);
    byHolder.set(key, before === undefined ? line : mergedLine(before, line));
  }
  return [...byHolder.values()].map(lineOf);
}

function mergedLine(left: Line, right: Line): Line {
  return {
    who: left.who,
    unreserved: joined(left.unreserved, right.unreserved),
    reserved: [...left.reserved, ...right.reserved],
    revocable: joined(left.revocable, right.revocable),
    volumes: { ...left.volumes, ...right.volumes },
  };
}

function lineOf({ who, unreserved, reserved, revocable, volumes }: Line): string {
  const byStack = new Map<string, Amounts>();
  for (const { roles, resources } of reserved) {
    const stack = roles.join(' > ');
    byStack.set(stack, joined(byStack.get(stack) ?? NO_AMOUNTS, resources));
  }
  const parts = [
    describeAmounts(unreserved),
    ...[...byStack]
      .map(([stack, amounts]) => [stack, describeAmounts(amounts)] as const)
      .filter(([, amounts]) => amounts !== '')
      .map(([stack, amounts]) => `reserved to ${stack}: ${amounts}`)
      .toSorted(),
    prefixed('revocable: ', describeAmounts(revocable)),
    describeAmounts({ ...NO_AMOUNTS, volumes }),
  ];
  const amounts = parts.filter((part) => part !== '').join(', ');
  return `${who.framework} as ${who.role} on ${who.agent} {${amounts}}`;
}

/** `none`, or all of them in one order. */
export function sortedLines(lines: readonly string[]): string {
  return lines.length === 0 ? 'none' : lines.toSorted().join('; ');
}

function prefixed(prefix: string, text: string): string {
  return text === '' ? '' : `${prefix}${text}`;
}

function amountsOf(scalars: Resources, ports: PortRanges): Amounts {
  return {
    scalars,
    ports: ports.map(([begin, end]): PortRange => ({ begin, end })),
    volumes: {},
  };
}

function withoutVolumes(amounts: Amounts): Amounts {
  return { ...amounts, volumes: {} };
}

function joined(left: Amounts, right: Amounts): Amounts {
  return {
    scalars: add(left.scalars, right.scalars),
    ports: joinedRanges([...left.ports, ...right.ports]),
    volumes: { ...left.volumes, ...right.volumes },
  };
}
