import { ANNOTATION, TASK_FINALIZER } from '../../../model/labels.ts';
import type { CancelTimer, Clock } from '../../../ports/clock.ts';
import { isKubeError, type KubeApi, type ObjectKey } from '../../../ports/kubeApi.ts';
import type { Logger } from '../../../ports/logger.ts';
import type { Rng } from '../../../ports/rng.ts';
import type { CacheReader } from '../../../runtime/cache.ts';
import { OperatorError } from '../../../runtime/errors.ts';
import { PODS } from '../../../schema/kubeKinds.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { KeyedWorker } from '../keyedWorker.ts';
import { annotationOf, hasEnded, hasPodEnded } from './containerFacts.ts';
import { podTasks } from './podMetadata.ts';
import { stepRank, type UpdateStep } from './podUpdates.ts';

/** What shall become of one Pod; grows until it has come true, then is forgotten. */
export interface PodWish {
  readonly uid: string;
  /** By container: the step whose update has been acknowledged. */
  readonly acknowledged?: { readonly [container: string]: UpdateStep };
  /** By container: the verdict on its health that has been acknowledged. */
  readonly acknowledgedHealth?: { readonly [container: string]: string };
  readonly kill?: { readonly graceSeconds: number | undefined; readonly reason?: string };
  /** Nobody waits for this task any more: let go of the Pod and delete it. */
  readonly release?: true;
}

export type PodWrite =
  | { readonly kind: 'none' }
  | { readonly kind: 'patch'; readonly body: unknown }
  | { readonly kind: 'delete'; readonly graceSeconds: number | undefined };

/** The next write that brings the Pod nearer to the wish: what must be readable from it first, then its deletion. */
export function nextPodWrite(pod: Pod, wish: PodWish): PodWrite {
  const annotations = annotationsOwed(pod, wish);
  const letGo = wish.release === true && isHeld(pod);
  if (!letGo && Object.keys(annotations).length === 0) return deletionOf(pod, wish);
  const { uid, resourceVersion, finalizers = [] } = pod.metadata;
  const left = finalizers.filter((one) => one !== TASK_FINALIZER);
  const metadata = { uid, resourceVersion, annotations, ...(letGo ? { finalizers: left } : {}) };
  return { kind: 'patch', body: { metadata } };
}

const isHeld = (pod: Pod): boolean => pod.metadata.finalizers?.includes(TASK_FINALIZER) ?? false;
const isDeleting = (pod: Pod): boolean => pod.metadata.deletionTimestamp !== undefined;

function annotationsOwed(pod: Pod, wish: PodWish): { readonly [key: string]: string } {
  const owed: { [key: string]: string } = {};
  const stored = pod.metadata.annotations ?? {};
  for (const [container, step] of Object.entries(wish.acknowledged ?? {}))
    if (stepRank(step) > stepRank(stepIn(stored, container)))
      owed[annotationOf(ANNOTATION.acknowledged, container)] = step;
  for (const [container, verdict] of Object.entries(wish.acknowledgedHealth ?? {})) {
    const key = annotationOf(ANNOTATION.acknowledgedHealth, container);
    if (stored[key] !== verdict) owed[key] = verdict;
  }
  if (wish.kill === undefined || isDeleting(pod) || hasPodEnded(pod)) return owed;
  const { reason } = wish.kill;
  if (reason !== undefined && stored[ANNOTATION.killReason] === undefined)
    owed[ANNOTATION.killReason] = reason;
  // Names the version it was decided from, as every patch here does: these had not ended, whatever clocks say later.
  if (stored[ANNOTATION.killing] === undefined)
    owed[ANNOTATION.killing] = podTasks(pod)
      .map((one) => one.container)
      .filter((container) => !hasEnded(pod, container))
      .join(',');
  return owed;
}

function deletionOf(pod: Pod, wish: PodWish): PodWrite {
  const hasAllEnded = hasPodEnded(pod);
  // What has ended is not killed any more; its end waits for its acknowledgement.
  if (wish.release !== true && (wish.kill === undefined || hasAllEnded)) return { kind: 'none' };
  const graceSeconds = hasAllEnded ? 0 : wish.kill?.graceSeconds;
  if (!isDeleting(pod)) return { kind: 'delete', graceSeconds };
  // A later kill may shorten the grace of an earlier one; Kubernetes takes no longer one.
  const pendingSeconds = pod.metadata.deletionGracePeriodSeconds ?? 0;
  const shorter = graceSeconds !== undefined && graceSeconds < pendingSeconds;
  return shorter ? { kind: 'delete', graceSeconds } : { kind: 'none' };
}

export function stepIn(
  annotations: { readonly [key: string]: string },
  container: string,
): UpdateStep | undefined {
  const step = annotations[annotationOf(ANNOTATION.acknowledged, container)];
  return stepRank(step as UpdateStep) < 0 ? undefined : (step as UpdateStep);
}

export interface PodWriterOptions {
  readonly kube: KubeApi;
  readonly pods: CacheReader<Pod>;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly log: Logger;
  /** While true, acknowledgements alone are not written yet: launches wait for the API server. Absent: never. */
  readonly isBusy?: (() => boolean) | undefined;
}

/** Writes to task Pods at the same time, at the most. */
const CONCURRENT_WRITES = 16;
/** Writes to one Pod in one go; more means that two writers fight over it, and both shall back off. */
const MAX_WRITES_PER_RUN = 6;

/**
 * How long an acknowledgement may wait for company: a task that starts, runs and ends in a moment costs one patch, not
 * three. Who dies meanwhile leaves an update to be told again, as may happen to any of them.
 */
const GATHER_MS = 250;
/** Acknowledgements are written after this time even while launches wait. */
const LONGEST_GATHER_MS = 30_000;

/** Carries wishes to Pods through lost replies, conflicts and an API server that is away. */
export class PodWriter {
  readonly #options: PodWriterOptions;
  readonly #wishes = new Map<string, PodWish>();
  readonly #worker: KeyedWorker;
  /** Pods of which nothing but acknowledgements is to be written, in the order of their time. */
  readonly #gathering = new Map<string, number>();
  #timer: CancelTimer | undefined;

  constructor(options: PodWriterOptions) {
    this.#options = options;
    this.#worker = new KeyedWorker({
      ...options,
      name: 'podWriter',
      concurrency: CONCURRENT_WRITES,
      work: (key) => this.#write(key),
    });
  }

  /** Adds to what is wished of the Pod; what is newer wins. */
  wish(pod: Pod, more: Omit<PodWish, 'uid'>): void {
    const uid = pod.metadata.uid ?? '';
    const key = `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`;
    const before = this.#wishes.get(key);
    const wish = merged(before?.uid === uid ? before : undefined, more, uid);
    this.#wishes.set(key, wish);
    if (wish.kill === undefined && wish.release === undefined) this.#gather(key);
    else {
      this.#gathering.delete(key);
      this.#worker.poke(key);
    }
  }

  /** Pods with a wish that has not come true yet. */
  get size(): number {
    return this.#wishes.size;
  }

  stop(): void {
    this.#gathering.clear();
    this.#timer?.();
    this.#worker.stop();
  }

  #gather(key: string): void {
    if (this.#gathering.has(key)) return;
    this.#gathering.set(key, this.#options.clock.monotonicMs() + GATHER_MS);
    this.#timer ??= this.#options.clock.setTimer(GATHER_MS, () => this.#writeGathered());
  }

  #writeGathered(): void {
    this.#timer = undefined;
    const { clock, isBusy } = this.#options;
    const nowMs = clock.monotonicMs();
    const patienceMs = isBusy?.() === true ? LONGEST_GATHER_MS - GATHER_MS : 0;
    for (const [key, dueMs] of this.#gathering) {
      if (dueMs + patienceMs > nowMs) {
        const waitMs = Math.max(dueMs - nowMs, GATHER_MS);
        this.#timer = clock.setTimer(waitMs, () => this.#writeGathered());
        return;
      }
      this.#gathering.delete(key);
      this.#worker.poke(key);
    }
  }

  async #write(key: string): Promise<void> {
    const { pods, kube } = this.#options;
    const [namespace = '', name = ''] = key.split('/');
    const where: ObjectKey = { namespace, name };
    let pod = pods.get(where);
    for (let writes = 0; writes < MAX_WRITES_PER_RUN; writes += 1) {
      const wish = this.#wishes.get(key);
      if (wish === undefined) return;
      if (pod === undefined || pod.metadata.uid !== wish.uid) pod = await this.#read(where);
      if (pod === undefined || pod.metadata.uid !== wish.uid) {
        this.#fulfil(key, wish);
        return;
      }
      const write = nextPodWrite(pod, wish);
      if (write.kind === 'none') {
        if (this.#fulfil(key, wish)) return;
        continue;
      }
      try {
        if (write.kind === 'delete') {
          await this.#delete(where, wish.uid, write.graceSeconds);
          if (this.#fulfil(key, wish)) return;
        } else pod = await kube.patch<Pod>(PODS, where, 'merge', write.body);
      } catch (error) {
        if (!isKubeError(error, 'conflict', 'notFound')) throw error;
        pod = await this.#read(where);
      }
    }
    // Somebody undoes what is written, or fights over it: not at once again.
    throw new OperatorError('conflict', `Pod ${key} does not keep what is written to it`);
  }

  /** Forgets the wish if nothing was added to it meanwhile. */
  #fulfil(key: string, wish: PodWish): boolean {
    if (this.#wishes.get(key) !== wish) return false;
    this.#wishes.delete(key);
    return true;
  }

  async #delete(where: ObjectKey, uid: string, graceSeconds: number | undefined): Promise<void> {
    await this.#options.kube.delete(PODS, where, {
      uid,
      ...(graceSeconds === undefined ? {} : { gracePeriodSeconds: graceSeconds }),
    });
  }

  async #read(where: ObjectKey): Promise<Pod | undefined> {
    try {
      return await this.#options.kube.get<Pod>(PODS, where);
    } catch (error) {
      if (isKubeError(error, 'notFound')) return undefined;
      throw error;
    }
  }
}

function merged(before: PodWish | undefined, more: Omit<PodWish, 'uid'>, uid: string): PodWish {
  return {
    ...before,
    ...more,
    acknowledged: { ...before?.acknowledged, ...more.acknowledged },
    acknowledgedHealth: { ...before?.acknowledgedHealth, ...more.acknowledgedHealth },
    uid,
  };
}
