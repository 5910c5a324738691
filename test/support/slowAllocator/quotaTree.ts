import {
  comparePaths,
  parentPath,
  pathAndAncestors,
} from '../../../operator/src/allocator/rolePaths.ts';
import type { RoleSpec } from '../../../operator/src/allocator/types.ts';
import { amountOf, type Resources } from '../../../operator/src/model/resources.ts';

/** Amounts where an absent name is unlimited and zero means none: what is left under a limit. */
export type Room = Readonly<Record<string, number>>;

type Amounts = Record<string, number>;

interface QuotaNode {
  readonly path: string;
  readonly parent: QuotaNode | undefined;
  readonly children: QuotaNode[];
  readonly guarantees: Resources;
  readonly limits: Room;
  readonly consumed: Amounts;
}

/**
 * Guarantees, limits and consumption of the role tree during one cycle.
 *
 * *Consumed* of a role = its reservations, used or not, and what it holds unreserved and non-revocable, sub-roles included.
 * *Unmet* of a role = what its own guarantee or those below it still lack, as far as its limit leaves room for it.
 * `mezzo`: limits and guarantees bind at every level, so a role never exceeds any ancestor's limit, and an unmet
 * guarantee keeps room for itself inside every limit above it. `mesos`: top-level roles only.
 * Source: Mesos `hierarchical.cpp` for the top level; the levels below are Mezzo's.
 */
export class QuotaTree {
  private readonly nodes = new Map<string, QuotaNode>();
  private readonly topLevel: QuotaNode[] = [];
  private readonly specs = new Map<string, RoleSpec>();
  private readonly mode: 'mezzo' | 'mesos';
  private readonly hasGuarantees: boolean;
  private unmetCache = new Map<QuotaNode, Resources>();

  constructor(specs: readonly RoleSpec[], mode: 'mezzo' | 'mesos') {
    this.mode = mode;
    const binding = specs.filter((spec) => mode === 'mezzo' || parentPath(spec.path) === undefined);
    for (const spec of binding) this.specs.set(spec.path, spec);
    for (const spec of binding) this.nodeOf(spec.path);
    this.hasGuarantees = binding.some((spec) => Object.keys(spec.guarantees).length > 0);
  }

  /** Charges a role and all above it. */
  consume(role: string, amounts: Resources): void {
    for (
      let node: QuotaNode | undefined = this.nodeOf(role);
      node !== undefined;
      node = node.parent
    )
      for (const name in amounts)
        node.consumed[name] = (node.consumed[name] ?? 0) + amountOf(amounts, name);
    if (this.hasGuarantees) this.unmetCache = new Map();
  }

  consumedOf(role: string): Resources {
    return { ...this.nodes.get(role)?.consumed };
  }

  /** Every role path seen, ancestors included, in order. */
  paths(): readonly string[] {
    return [...this.nodes.keys()].toSorted(comparePaths);
  }

  /** What the role may still take under its limit and those above it, guarantees of others not considered. */
  hardRoom(role: string): Room {
    const room: Amounts = {};
    for (const node of this.bindingChain(role))
      for (const name in node.limits) tighten(room, name, limitLeft(node, name));
    return room;
  }

  /** As `hardRoom`, less what guarantees of other roles under the same limits still lack. */
  roomBesideGuarantees(role: string): Room {
    const room: Amounts = {};
    const held: Amounts = {};
    let below: QuotaNode | undefined;
    for (const node of this.bindingChain(role)) {
      this.addUnmetOfChildren(held, node.children, below);
      for (const name in node.limits)
        tighten(room, name, Math.max(0, limitLeft(node, name) - (held[name] ?? 0)));
      below = node;
    }
    return room;
  }

  /**
   * What the role may claim under a guarantee: its own, or an ancestor's as far as that is not due to the role's
   * siblings and the limits between them have room beside guarantees further down. Empty when nothing is unmet.
   */
  claim(role: string): Resources {
    if (!this.hasGuarantees) return {};
    const claim: Amounts = {};
    const held: Amounts = {};
    const room: Amounts = {};
    let below: QuotaNode | undefined;
    for (const node of this.bindingChain(role)) {
      this.addUnmetOfChildren(held, node.children, below);
      const taken = (name: string): number => (node.consumed[name] ?? 0) + (held[name] ?? 0);
      for (const name in node.guarantees) {
        const open = Math.min(
          amountOf(node.guarantees, name) - taken(name),
          room[name] ?? Number.POSITIVE_INFINITY,
        );
        if (open > (claim[name] ?? 0)) claim[name] = open;
      }
      for (const name in node.limits) tighten(room, name, (node.limits[name] ?? 0) - taken(name));
      below = node;
    }
    return claim;
  }

  /**
   * Cluster-wide amounts to keep free for unmet guarantees when the role is offered something beyond `granted`,
   * which it is being offered under a guarantee. Names without any are absent.
   */
  heldFrom(role: string, granted: Resources): Resources {
    const held: Amounts = {};
    if (!this.hasGuarantees) return held;
    if (this.mode === 'mesos') {
      this.addUnmetOfChildren(held, this.topLevel, undefined);
      for (const name in held)
        held[name] = Math.max(0, (held[name] ?? 0) - amountOf(granted, name));
      return held;
    }
    let below: QuotaNode | undefined;
    for (const node of this.bindingChain(role)) {
      this.addUnmetOfChildren(held, node.children, below);
      below = node;
    }
    this.addUnmetOfChildren(held, this.topLevel, below);
    return held;
  }

  /** The nodes whose quota binds the role, nearest first. */
  private bindingChain(role: string): readonly QuotaNode[] {
    const node = this.nodeOf(role);
    if (this.mode === 'mesos') return [node];
    return pathAndAncestors(role).map((path) => this.nodeOf(path));
  }

  private addUnmetOfChildren(
    held: Amounts,
    children: readonly QuotaNode[],
    except: QuotaNode | undefined,
  ): void {
    if (!this.hasGuarantees) return;
    for (const child of children) {
      if (child === except) continue;
      const unmet = this.unmetOf(child);
      for (const name in unmet) held[name] = (held[name] ?? 0) + amountOf(unmet, name);
    }
  }

  private unmetOf(node: QuotaNode): Resources {
    const cached = this.unmetCache.get(node);
    if (cached !== undefined) return cached;
    const unmet: Amounts = {};
    this.addUnmetOfChildren(unmet, node.children, undefined);
    for (const name in node.guarantees) {
      const own = amountOf(node.guarantees, name) - (node.consumed[name] ?? 0);
      if (own > (unmet[name] ?? 0)) unmet[name] = own;
    }
    for (const name in unmet)
      if (node.limits[name] !== undefined)
        unmet[name] = Math.min(unmet[name] ?? 0, limitLeft(node, name));
    this.unmetCache.set(node, unmet);
    return unmet;
  }

  private nodeOf(path: string): QuotaNode {
    const existing = this.nodes.get(path);
    if (existing !== undefined) return existing;
    const above = parentPath(path);
    const parent = above === undefined ? undefined : this.nodeOf(above);
    const spec = this.specs.get(path);
    const node: QuotaNode = {
      path,
      parent,
      children: [],
      guarantees: spec?.guarantees ?? {},
      limits: spec?.limits ?? {},
      consumed: {},
    };
    (parent?.children ?? this.topLevel).push(node);
    this.nodes.set(path, node);
    return node;
  }
}

function limitLeft(node: QuotaNode, name: string): number {
  return Math.max(0, (node.limits[name] ?? 0) - (node.consumed[name] ?? 0));
}

function tighten(room: Amounts, name: string, left: number): void {
  room[name] = Math.min(room[name] ?? left, left);
}

/** `room − taken`, keeping zeros, since an absent name would be unlimited. */
export function roomAfter(room: Room, taken: Resources): Room {
  const rest: Amounts = {};
  for (const name in room) rest[name] = Math.max(0, (room[name] ?? 0) - amountOf(taken, name));
  return rest;
}
