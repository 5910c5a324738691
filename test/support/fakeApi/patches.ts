import { kubeError } from './errors.ts';
import { equalJson, isMap } from './json.ts';

/** Merge patch (RFC 7386): null removes, maps merge, everything else replaces. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isMap(patch)) return patch;
  const merged: { [name: string]: unknown } = isMap(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else if (value !== undefined) merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

interface JsonPatchOperation {
  readonly op: string;
  readonly path: string;
  readonly from?: string;
  readonly value?: unknown;
}

/** JSON patch (RFC 6902). Errors: `invalid` when a test fails or a path is missing, `badRequest` for a malformed patch. */
export function jsonPatch(target: unknown, patch: unknown): unknown {
  if (!Array.isArray(patch)) throw kubeError('badRequest', 'a JSON patch is a list of operations');
  return (patch as readonly JsonPatchOperation[]).reduce(applyOperation, target);
}

function applyOperation(document: unknown, operation: JsonPatchOperation): unknown {
  const path = pointer(operation.path);
  switch (operation.op) {
    case 'test':
      if (!equalJson(read(document, path), operation.value)) {
        throw kubeError('invalid', `testing path ${operation.path}: value differs`);
      }
      return document;
    case 'add':
      return write(document, path, operation.value, 'add');
    case 'replace':
      return write(document, path, operation.value, 'replace');
    case 'remove':
      return write(document, path, undefined, 'remove');
    case 'copy':
      return write(document, path, read(document, pointer(operation.from ?? '')), 'add');
    case 'move': {
      const from = pointer(operation.from ?? '');
      const value = read(document, from);
      return write(write(document, from, undefined, 'remove'), path, value, 'add');
    }
    default:
      throw kubeError('badRequest', `unexpected JSON patch operation ${operation.op}`);
  }
}

function pointer(path: string): readonly string[] {
  if (path === '') return [];
  if (!path.startsWith('/')) throw kubeError('badRequest', `JSON pointer ${path} has no leading /`);
  return path
    .slice(1)
    .split('/')
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));
}

const missing = (name: string): never => {
  throw kubeError('invalid', `the JSON patch names a missing path (at ${name})`);
};

function read(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const name of path) {
    if (Array.isArray(value) && Number(name) < value.length)
      value = (value as unknown[])[Number(name)];
    else if (isMap(value) && name in value) value = value[name];
    else missing(name);
  }
  return value;
}

/** Copies along the path and changes its end. */
function write(
  document: unknown,
  path: readonly string[],
  value: unknown,
  mode: 'add' | 'replace' | 'remove',
): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return value;
  if (Array.isArray(document))
    return writeInList(document as unknown[], [name, ...rest], value, mode);
  if (!isMap(document)) return missing(name);
  const copy: { [name: string]: unknown } = { ...document };
  if (rest.length > 0) {
    copy[name] = write(name in copy ? copy[name] : missing(name), rest, value, mode);
  } else if (mode === 'add') {
    copy[name] = value;
  } else {
    if (!(name in copy)) missing(name);
    if (mode === 'remove') delete copy[name];
    else copy[name] = value;
  }
  return copy;
}

function writeInList(
  list: readonly unknown[],
  [name = '', ...rest]: readonly string[],
  value: unknown,
  mode: 'add' | 'replace' | 'remove',
): unknown {
  const isAppend = name === '-' && mode === 'add' && rest.length === 0;
  const index = isAppend ? list.length : Number(name);
  const bound = mode === 'add' && rest.length === 0 ? list.length : list.length - 1;
  if (!Number.isInteger(index) || index < 0 || index > bound) missing(name);
  if (rest.length > 0) return list.with(index, write(list[index], rest, value, mode));
  if (mode === 'replace') return list.with(index, value);
  return mode === 'add' ? list.toSpliced(index, 0, value) : list.toSpliced(index, 1);
}
