import type { KubeObject, ObjectKey } from '../ports/kubeApi.ts';

/** The values under which an object is found in one index; none leaves it out. */
export type Indexer<T> = (object: T) => readonly string[];

export const cacheKey = (key: ObjectKey): string =>
  key.namespace === undefined ? key.name : `${key.namespace}/${key.name}`;

/** Objects by key and by any number of named indexes. */
export class ObjectIndex<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #indexers: { readonly [name: string]: Indexer<T> };
  readonly #indexes = new Map<string, Map<string, Map<string, T>>>();

  constructor(indexers: { readonly [name: string]: Indexer<T> }) {
    this.#indexers = indexers;
    for (const name of Object.keys(indexers)) this.#indexes.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  entries(): IterableIterator<[string, T]> {
    return this.#objects.entries();
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  set(key: string, object: T): void {
    const former = this.#objects.get(key);
    this.#objects.set(key, object);
    for (const name in this.#indexers) {
      const index = this.#indexes.get(name);
      const indexer = this.#indexers[name];
      if (index === undefined || indexer === undefined) continue;
      const values = indexer(object);
      // Most changes of an object leave it where it is found.
      if (former !== undefined)
        for (const value of indexer(former))
          if (!values.includes(value)) removeFrom(index, value, key);
      for (const value of values) {
        const bucket = index.get(value);
        if (bucket === undefined) index.set(value, new Map([[key, object]]));
        else bucket.set(key, object);
      }
    }
  }

  delete(key: string): void {
    const former = this.#objects.get(key);
    if (former === undefined) return;
    this.#objects.delete(key);
    for (const [name, indexer] of Object.entries(this.#indexers)) {
      const index = this.#indexes.get(name);
      if (index !== undefined) for (const value of indexer(former)) removeFrom(index, value, key);
    }
  }

  /** Errors: throws for an index nobody declared, which is a bug. */
  byIndex(name: string, value: string): readonly T[] {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`the cache has no index "${name}"`);
    return [...(index.get(value)?.values() ?? [])];
  }
}

function removeFrom<T>(index: Map<string, Map<string, T>>, value: string, key: string): void {
  const bucket = index.get(value);
  bucket?.delete(key);
  if (bucket?.size === 0) index.delete(value);
}
