/** RFC 3339 with microseconds, the form of `metav1.MicroTime` in Lease and Event. */
export const microTime = (nowMs: number): string =>
  new Date(nowMs).toISOString().replace('Z', '000Z');
