/** Values the fake has already copied and frozen to the last leaf: they are shared, never copied again. */
const frozen = new WeakSet<object>();

/** A deep-frozen copy as JSON would make it: `undefined` fields vanish. Parts that are frozen already are shared. */
export function frozenCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null || frozen.has(value)) return value;
  const copy = Array.isArray(value)
    ? value.map((item) => frozenCopy(item) ?? null)
    : copyFields(value);
  Object.freeze(copy);
  frozen.add(copy);
  return copy as T;
}

function copyFields(value: object): object {
  const copy: { [name: string]: unknown } = {};
  for (const name of Object.keys(value)) {
    const field = (value as { readonly [name: string]: unknown })[name];
    if (field !== undefined) copy[name] = frozenCopy(field);
  }
  return copy;
}

export function isMap(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Equality of JSON values; the order of fields does not count, an absent field equals an undefined one. */
export function equalJson(left: unknown, right: unknown): boolean {
  if (left === right) return true;
  if (Array.isArray(left)) {
    return (
      Array.isArray(right) &&
      left.length === right.length &&
      left.every((item, index) => equalJson(item, right[index]))
    );
  }
  if (!isMap(left) || !isMap(right)) return false;
  for (const name in left) if (!equalJson(left[name], right[name])) return false;
  for (const name in right) {
    if (right[name] !== undefined && left[name] === undefined) return false;
  }
  return true;
}

/** Value at a path of field names, undefined when any part is missing. */
export function valueAt(root: unknown, path: readonly string[]): unknown {
  let value = root;
  for (const name of path) {
    if (!isMap(value)) return undefined;
    value = value[name];
  }
  return value;
}
