import type { Ledger } from './ledger.ts';
import { ROOT } from './roleTree.ts';

/**
 * What is still due to a client by its fair share of the cluster: its part of the role's part of its parent's part …,
 * by weight among those that may be offered something.
 */
export class FairShares {
  readonly #ledger: Ledger;
  /** By role, for one run: the part of the cluster each of its clients is entitled to. */
  readonly #fractions = new Map<number, number>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
  }

  clear(): void {
    this.#fractions.clear();
  }

  /** Writes the most the client may still be offered; false when nothing is due. */
  due(client: number, into: Float64Array): boolean {
    const { clients, totals, space } = this.#ledger;
    const role = clients.role[client] as number;
    const due = this.#fraction(role) - clients.shares.fraction(client);
    if (due <= 0) return false;
    for (let k = 0; k < space.stride; k++)
      into[k] = Math.ceil((totals.column.data[k] as number) * due);
    return true;
  }

  #fraction(role: number): number {
    const known = this.#fractions.get(role);
    if (known !== undefined) return known;
    const { roles } = this.#ledger;
    let fraction = 1 / Math.max(1, roles.eligible[role] as number);
    const leaf = roles.leaf[role] as number;
    for (let row = leaf < 0 ? role : leaf; row !== ROOT; row = roles.parent[row] as number)
      fraction *= this.#partAmongSiblings(row);
    this.#fractions.set(role, fraction);
    return fraction;
  }

  #partAmongSiblings(row: number): number {
    const { roles } = this.#ledger;
    const weights = roles.shares.weightMilli;
    const parent = roles.parent[row] as number;
    let sum = 0;
    for (const group of [roles.open[parent], roles.closed[parent]])
      for (let at = 0; at < (group?.size ?? 0); at++)
        sum += weights[group?.members[at] as number] as number;
    return sum === 0 ? 1 : (weights[row] as number) / sum;
  }
}
