/** Distinct keys in groups: first in, first out inside a group; groups that have keys take turns. */
export class FairKeys {
  readonly #groupOf: (key: string) => string;
  /** Insertion order is the order of turns: a group goes to the end after its turn. */
  readonly #groups = new Map<string, Map<string, number>>();
  #size = 0;

  constructor(groupOf: (key: string) => string) {
    this.#groupOf = groupOf;
  }

  get size(): number {
    return this.#size;
  }

  has(key: string): boolean {
    return this.#groups.get(this.#groupOf(key))?.has(key) ?? false;
  }

  /** A key that waits already keeps its place. */
  push(key: string, addedMs: number): void {
    const name = this.#groupOf(key);
    const group = this.#groups.get(name);
    if (group?.has(key)) return;
    if (group === undefined) this.#groups.set(name, new Map([[key, addedMs]]));
    else group.set(key, addedMs);
    this.#size += 1;
  }

  shift(): string | undefined {
    const first = this.#groups.entries().next();
    if (first.done === true) return undefined;
    const [name, group] = first.value;
    const next = group.keys().next();
    this.#groups.delete(name);
    if (next.done === true) return undefined;
    group.delete(next.value);
    if (group.size > 0) this.#groups.set(name, group);
    this.#size -= 1;
    return next.value;
  }

  oldestAddedMs(): number | undefined {
    let oldest: number | undefined;
    for (const group of this.#groups.values()) {
      const head = group.values().next();
      if (head.done !== true && (oldest === undefined || head.value < oldest)) oldest = head.value;
    }
    return oldest;
  }

  clear(): void {
    this.#groups.clear();
    this.#size = 0;
  }
}
