/** The path one level up: `eng` for `eng/web`, undefined for a top-level role. */
export function parentPath(path: string): string | undefined {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? undefined : path.slice(0, slash);
}

/** The path and all above it, nearest first: `a/b/c`, `a/b`, `a`. */
export function pathAndAncestors(path: string): readonly string[] {
  const chain: string[] = [];
  for (let at: string | undefined = path; at !== undefined; at = parentPath(at)) chain.push(at);
  return chain;
}

/**
 * True when resources reserved to `owner` may be offered to `role`: to the role itself and to its sub-roles.
 * Source: Mesos `docs/reservation.md`; a child's reservation is not for the parent.
 */
export function isAllocatableTo(owner: string, role: string): boolean {
  return owner === role || role.startsWith(`${owner}/`);
}

/** Order of paths and ids everywhere: by code unit, never by locale. */
export function comparePaths(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}
