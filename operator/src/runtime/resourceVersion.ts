/**
 * Orders two resource versions of one kind: negative when `left` is older. They are decimal integers that may pass
 * 2^53, so they are compared as text: the longer one is newer, of equal length the later in order.
 * Source: Kubernetes KEP-5504 (comparable resource versions).
 */
export function compareVersions(left: string, right: string): number {
  if (left.length !== right.length) return left.length - right.length;
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

export const newestVersion = (left: string, right: string): string =>
  compareVersions(left, right) >= 0 ? left : right;
