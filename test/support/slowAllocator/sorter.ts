import { comparePaths, parentPath } from '../../../operator/src/allocator/rolePaths.ts';
import type { Resources } from '../../../operator/src/model/resources.ts';

interface SorterNode {
  readonly path: string;
  readonly name: string;
  readonly parent: SorterNode | undefined;
  readonly children: SorterNode[];
  /** Of this node and all below it. */
  readonly allocated: Map<string, number>;
  count: number;
  /** A client: a leaf, or the virtual leaf `.` below an internal node. */
  client: boolean;
  active: boolean;
  share: number;
}

/**
 * Orders clients by weighted dominant resource fairness, as a tree of paths.
 *
 * A client that also has children becomes a virtual leaf `.` below its node, always of weight 1.
 * Children are ordered by share (largest fraction of any resource, divided by the node's weight), then by how often
 * they were allocated something, then by path; the result is the pre-order walk of the active leaves.
 * Does not: lower the allocation count when something is given back (neither does Mesos).
 * Source: Mesos `sorter/drf/sorter.cpp`.
 */
export class DrfSorter {
  private readonly root: SorterNode = newNode('', '', undefined);
  private readonly nodes = new Map<string, SorterNode>();
  private readonly totals: ReadonlyMap<string, number>;
  private readonly weights: ReadonlyMap<string, number>;
  private readonly hierarchical: boolean;
  private sorted: readonly string[] | undefined;

  /** `totals`: cluster amounts that count for fairness. `weightsMilli`: by path; absent means 1000. */
  constructor(options: {
    readonly totals: ReadonlyMap<string, number>;
    readonly weightsMilli: ReadonlyMap<string, number>;
    readonly hierarchical: boolean;
  }) {
    this.totals = options.totals;
    this.weights = options.weightsMilli;
    this.hierarchical = options.hierarchical;
  }

  /** Adds a client; adding it again only makes it active when `active` is true. */
  addClient(path: string, active: boolean): void {
    const node = this.clientNode(path) ?? this.insert(path);
    node.client = true;
    node.active ||= active;
    this.sorted = undefined;
  }

  /** Charges amounts to a client (which must have been added) and to every node above it. */
  charge(path: string, amounts: readonly Resources[], count: number): void {
    for (let node = this.clientNode(path); node !== undefined; node = node.parent) {
      for (const amount of amounts)
        for (const name in amount)
          node.allocated.set(name, (node.allocated.get(name) ?? 0) + (amount[name] ?? 0));
      node.count += count;
      node.share = this.shareOf(node);
    }
    this.sorted = undefined;
  }

  /** Active clients, the one furthest below its fair share first. */
  sort(): readonly string[] {
    if (this.sorted === undefined) {
      const order: string[] = [];
      collectLeaves(this.root, order);
      this.sorted = order;
    }
    return this.sorted;
  }

  /** Largest fraction of the cluster the path and all below it hold, in [0, 1] unless over-allocated; unweighted. */
  dominantShare(path: string): number {
    const node = this.nodes.get(path);
    return node === undefined ? 0 : this.fractionOf(node);
  }

  private clientNode(path: string): SorterNode | undefined {
    const node = this.nodes.get(path);
    if (node === undefined || node.children.length === 0) return node;
    return node.children.find((child) => child.name === '.');
  }

  /** Makes the node (and its ancestors); gives it a virtual leaf when it already has children. */
  private insert(path: string): SorterNode {
    const existing = this.nodes.get(path);
    if (existing !== undefined) return attach(newNode('.', path, existing));
    const above = this.hierarchical ? parentPath(path) : undefined;
    const parent = above === undefined ? this.root : this.internalNode(above);
    const node = attach(
      newNode(path.slice(above === undefined ? 0 : above.length + 1), path, parent),
    );
    this.nodes.set(path, node);
    return node;
  }

  private internalNode(path: string): SorterNode {
    const node = this.nodes.get(path) ?? this.insert(path);
    if (node.client) {
      const leaf = splitOffVirtualLeaf(node);
      leaf.share = this.shareOf(leaf);
    }
    return node;
  }

  private shareOf(node: SorterNode): number {
    if (node.parent === undefined) return 0;
    const weightMilli = node.name === '.' ? 1000 : (this.weights.get(node.path) ?? 1000);
    return (this.fractionOf(node) * 1000) / Math.max(1, weightMilli);
  }

  private fractionOf(node: SorterNode): number {
    let dominant = 0;
    for (const [name, amount] of node.allocated) {
      const total = this.totals.get(name) ?? 0;
      if (total > 0) dominant = Math.max(dominant, amount / total);
    }
    return dominant;
  }
}

function newNode(name: string, path: string, parent: SorterNode | undefined): SorterNode {
  return {
    path,
    name,
    parent,
    children: [],
    allocated: new Map(),
    count: 0,
    client: false,
    active: false,
    share: 0,
  };
}

function attach(node: SorterNode): SorterNode {
  node.parent?.children.push(node);
  return node;
}

/** A leaf gets its first child: what it holds itself moves to the leaf `.`, the node keeps the sum. */
function splitOffVirtualLeaf(node: SorterNode): SorterNode {
  const leaf = attach(newNode('.', node.path, node));
  for (const [name, amount] of node.allocated) leaf.allocated.set(name, amount);
  leaf.count = node.count;
  leaf.client = true;
  leaf.active = node.active;
  node.client = false;
  node.active = false;
  return leaf;
}

function collectLeaves(node: SorterNode, into: string[]): void {
  if (node.client) {
    if (node.active) into.push(node.path);
    return;
  }
  for (const child of node.children.toSorted(compareNodes)) collectLeaves(child, into);
}

function compareNodes(left: SorterNode, right: SorterNode): number {
  return (
    left.share - right.share || left.count - right.count || comparePaths(left.name, right.name)
  );
}
