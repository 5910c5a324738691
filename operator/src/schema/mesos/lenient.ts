import { z } from 'zod';

/**
 * Wire values as zod building blocks. Messages come through `proto/readJson.ts` or `proto/decodeProto.ts` first, which
 * hold Mesos's rules for what is taken for what; 64-bit integers may still be text here.
 */

/** Drops every null, in objects and lists alike. The caller has bounded the depth. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.filter((one) => one !== null).map(withoutNulls);
  if (value === null || typeof value !== 'object') return value;
  const kept: { [key: string]: unknown } = {};
  for (const [key, one] of Object.entries(value)) {
    // An own `__proto__` would change the prototype of the copy; Mesos has no such field.
    if (one !== null && key !== '__proto__') kept[key] = withoutNulls(one);
  }
  return kept;
}

const NUMERIC = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const NAMED_NUMBERS: { readonly [name: string]: number } = {
  Infinity: Number.POSITIVE_INFINITY,
  '-Infinity': Number.NEGATIVE_INFINITY,
  NaN: Number.NaN,
};

function numberOf(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (Object.hasOwn(NAMED_NUMBERS, value)) return NAMED_NUMBERS[value];
  return NUMERIC.test(value) ? Number(value) : value;
}

const isNumber = (value: unknown): value is number => typeof value === 'number';

/** A proto `double`: a number, a numeric string, or `"Infinity"`, `"-Infinity"`, `"NaN"`. */
export const Double = z.preprocess(
  numberOf,
  z.custom<number>(isNumber, { error: 'expected a number' }),
);

/** A proto integer: a whole number or the text of one, within what a double holds exactly. */
export const Integer = z.preprocess(numberOf, z.int());

/** A proto `repeated` field: absent is empty, a lone value is a list of one. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.preprocess((value) => {
    if (value === undefined) return [];
    return Array.isArray(value) ? value : [value];
  }, z.array(item));
}

/** An optional proto enum: names this version does not know count as unset. */
export function optionalEnum<const Names extends readonly [string, ...string[]]>(names: Names) {
  const known = new Set<unknown>(names);
  return z.preprocess((value) => (known.has(value) ? value : undefined), z.enum(names).optional());
}

/** The `{value: "…"}` wrapper Mesos puts around every id. */
export const IdValue = z.object({ value: z.string() });

/** A proto `bytes` field in JSON: base64, standard alphabet. */
export const Base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/, { error: 'expected base64' });

/** The first fault of a refused value as `path: what was wrong`. */
export function faultOf(error: z.ZodError, root = ''): string {
  const issue = error.issues[0];
  if (issue === undefined) return `${root}: malformed`;
  let path = root;
  for (const step of issue.path) {
    if (typeof step === 'number') path += `[${step}]`;
    else path += path === '' ? String(step) : `.${String(step)}`;
  }
  return `${path}: ${issue.message}`;
}
