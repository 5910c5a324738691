import type { KubeObject } from '../../../operator/src/ports/kubeApi.ts';
import { kubeError } from './errors.ts';
import { equalJson, isMap } from './json.ts';

/**
 * Server-side apply, simplified: ownership per leaf, lists are atomic (Kubernetes merges some lists by key).
 * A path is the JSON of its field names.
 */
export type Owners = Map<string, Set<string>>;

/** Owner of whatever was in an object before its first apply. */
const BEFORE_FIRST_APPLY = 'before-first-apply';
const IDENTITY = new Set(['name', 'namespace', 'uid', 'resourceVersion']);

type Leaves = Map<string, unknown>;

function leavesOf(
  object: unknown,
  path: readonly string[] = [],
  found: Leaves = new Map(),
): Leaves {
  if (isMap(object) && Object.keys(object).length > 0) {
    for (const [name, value] of Object.entries(object)) leavesOf(value, [...path, name], found);
  } else if (object !== undefined) {
    found.set(JSON.stringify(path), object);
  }
  return found;
}

/** What an apply may own: everything but the object's type and identity. */
function ownable(object: unknown): Leaves {
  if (!isMap(object)) throw kubeError('badRequest', 'an apply patch is an object');
  const { apiVersion: _version, kind: _kind, metadata, ...rest } = object;
  const kept = Object.entries(isMap(metadata) ? metadata : {}).filter(
    ([name]) => !IDENTITY.has(name),
  );
  return leavesOf({ ...rest, ...(kept.length > 0 && { metadata: Object.fromEntries(kept) }) });
}

const pathOf = (key: string): readonly string[] => JSON.parse(key) as string[];

function setAt(root: unknown, [name, ...rest]: readonly string[], value: unknown): unknown {
  if (name === undefined) return value;
  const copy: { [name: string]: unknown } = isMap(root) ? { ...root } : {};
  const next = setAt(copy[name], rest, value);
  if (next === undefined) delete copy[name];
  else copy[name] = next;
  return copy;
}

export interface Applied {
  readonly object: KubeObject;
  readonly owners: Owners;
}

/**
 * Merges `body` into `old` as `manager`.
 * Errors: `conflict` when another manager owns a field whose value would change, unless forced.
 */
export function applyPatch(
  old: KubeObject,
  body: unknown,
  known: Owners | undefined,
  { manager, force }: { readonly manager: string; readonly force: boolean },
): Applied {
  const present = ownable(old);
  const owners: Owners =
    known ?? new Map([...present.keys()].map((key) => [key, new Set([BEFORE_FIRST_APPLY])]));
  const wanted = ownable(body);
  const next: Owners = new Map([...owners].map(([key, set]) => [key, new Set(set)]));
  let object: unknown = old;
  for (const [key, value] of wanted) {
    const holders = next.get(key) ?? new Set<string>();
    const isChange = !equalJson(present.get(key), value);
    const others = [...holders].filter((holder) => holder !== manager);
    if (isChange && others.length > 0 && !force) {
      throw kubeError(
        'conflict',
        `Apply failed with a conflict with "${others.join(', ')}": .${pathOf(key).join('.')}`,
      );
    }
    next.set(key, isChange ? new Set([manager]) : holders.add(manager));
    if (isChange) object = setAt(object, pathOf(key), value);
  }
  for (const [key, holders] of next) {
    if (wanted.has(key) || !holders.delete(manager) || holders.size > 0) continue;
    next.delete(key);
    object = setAt(object, pathOf(key), undefined);
  }
  return { object: object as KubeObject, owners: next };
}

/** After a plain write: whoever wrote owns what it changed. */
export function ownersAfterWrite(
  owners: Owners,
  old: KubeObject,
  written: KubeObject,
  writer: string,
): Owners {
  const before = ownable(old);
  const after = ownable(written);
  const next: Owners = new Map(owners);
  for (const [key, value] of after) {
    if (!equalJson(before.get(key), value)) next.set(key, new Set([writer]));
  }
  for (const key of before.keys()) if (!after.has(key)) next.delete(key);
  return next;
}
