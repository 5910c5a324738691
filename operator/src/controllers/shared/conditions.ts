/** A condition as Kubernetes objects carry it. */
export interface ConditionValue {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

export interface StoredCondition extends ConditionValue {
  readonly observedGeneration?: number | undefined;
  readonly lastTransitionTime: string;
}

/**
 * The conditions after `next` has been set: others stay, and `lastTransitionTime` moves only when the status does.
 * Source: Kubernetes API conventions, "Typical status properties".
 */
export function withCondition(
  conditions: readonly StoredCondition[] | undefined,
  next: ConditionValue,
  observedGeneration: number,
  nowIso: string,
): StoredCondition[] {
  const previous = conditions?.find((one) => one.type === next.type);
  const lastTransitionTime =
    previous !== undefined && previous.status === next.status
      ? previous.lastTransitionTime
      : nowIso;
  const others = (conditions ?? []).filter((one) => one.type !== next.type);
  return [...others, { ...next, observedGeneration, lastTransitionTime }].toSorted((left, right) =>
    left.type < right.type ? -1 : 1,
  );
}

export const isoTime = (ms: number): string =>
  `${new Date(ms).toISOString().slice(0, -'.000Z'.length)}Z`;
