/**
 * The Kubernetes API as the operator uses it: one interface, met by the real HTTP transport
 * (`store/kube`) and by the fake API server of the simulation (`test/support`), both held to the
 * same contract suite (`test/contract`).
 */

/** Addresses one kind: `{group: 'mezzo.dev', version: 'v1alpha1', plural: 'servicejobs', namespaced: true}`; core group is `''`. */
export interface ResourceRef {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly deletionGracePeriodSeconds?: number;
  readonly labels?: { readonly [key: string]: string };
  readonly annotations?: { readonly [key: string]: string };
  readonly finalizers?: readonly string[];
  readonly ownerReferences?: readonly OwnerReference[];
}

/** Any object of the API. Objects that come out of the port are never mutated: they may be shared with the cache. */
export interface KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly metadata: ObjectMeta;
}

export interface ListOptions {
  readonly namespace?: string;
  readonly limit?: number;
  readonly continueToken?: string;
  /** Absent: the newest state (quorum read). `'0'`: whatever the server has cached, possibly old. */
  readonly resourceVersion?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface ListPage<T extends KubeObject> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
  readonly continueToken?: string;
}

export type WatchEvent<T extends KubeObject> =
  | { readonly kind: 'added' | 'modified' | 'deleted'; readonly object: T }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string };

export interface WatchOptions {
  readonly namespace?: string;
  readonly resourceVersion: string;
  /** The server ends the watch in order after this time; the caller starts the next one. */
  readonly timeoutSeconds: number;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /**
   * Whether this very version of an object is known already, from the reply to a write: then a bookmark of that version may
   * come in place of the event, which saves reading the object again.
   */
  readonly isHeld?: (key: ObjectKey, uid: string, resourceVersion: string) => boolean;
}

/** How a watch ended without an error: the server closed it in order (time-out reached). */
export type WatchEnd = { readonly kind: 'closed' };

export type PatchType = 'merge' | 'json' | 'apply';

export interface WriteOptions {
  /** Aborts the call. An aborted write may still have happened: its error has `outcome: 'unknown'`. */
  readonly signal?: AbortSignal;
  /**
   * Asked at the moment the request would leave, after any wait for a turn or a connection. False: it is not sent and
   * the call fails with `unavailable`. A check made earlier says nothing after a pause of the process.
   */
  readonly stillWanted?: () => boolean;
  readonly dryRun?: boolean;
  /** Acts as this user (the server checks the caller's right to impersonate). */
  readonly impersonate?: { readonly user: string; readonly groups?: readonly string[] };
}

export interface PatchOptions extends WriteOptions {
  readonly subresource?: 'status' | 'scale' | 'resize';
  /** For `apply`: who owns the fields. */
  readonly fieldManager?: string;
  readonly force?: boolean;
}

export interface DeleteOptions extends WriteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly gracePeriodSeconds?: number;
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
}

export interface BindOptions extends WriteOptions {
  readonly uid?: string;
  readonly resourceVersion?: string;
}

/**
 * All methods reject with `KubeApiError` only. Reads are retried by the caller; the transport retries nothing
 * but 429 with Retry-After of reads. Every call is bounded by a deadline of the transport.
 */
export interface KubeApi {
  get<T extends KubeObject>(ref: ResourceRef, key: ObjectKey, signal?: AbortSignal): Promise<T>;
  list<T extends KubeObject>(
    ref: ResourceRef,
    options: ListOptions,
    signal?: AbortSignal,
  ): Promise<ListPage<T>>;
  /**
   * Calls `onEvent` for each event in order until the watch ends. Resolves when the server closes it in order,
   * rejects on an error (code `gone` when the resource version is too old). Bookmarks are always asked for.
   */
  watch<T extends KubeObject>(
    ref: ResourceRef,
    options: WatchOptions,
    onEvent: (event: WatchEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<WatchEnd>;
  create<T extends KubeObject>(ref: ResourceRef, object: T, options?: WriteOptions): Promise<T>;
  /** Replaces the object; `metadata.resourceVersion` must be set, a stale one is `conflict`. */
  update<T extends KubeObject>(
    ref: ResourceRef,
    object: T,
    options?: WriteOptions & { readonly subresource?: 'status' },
  ): Promise<T>;
  /** A merge patch that names `metadata.resourceVersion` is refused with `conflict` when stale. */
  patch<T extends KubeObject>(
    ref: ResourceRef,
    key: ObjectKey,
    type: PatchType,
    body: unknown,
    options?: PatchOptions,
  ): Promise<T>;
  /** Resolves when the deletion is accepted; the object may remain while finalizers hold it. */
  delete(ref: ResourceRef, key: ObjectKey, options?: DeleteOptions): Promise<void>;
  /**
   * Deletes a Pod if its PodDisruptionBudget allows it, and marks it as disrupted.
   * Errors: `tooManyRequests` while a budget forbids it; `unavailable` when more than one budget covers the Pod.
   */
  evict(pod: ObjectKey, options?: DeleteOptions): Promise<void>;
  /** Places a Pod that has no node yet. Errors: `conflict` when it has one or is being deleted. */
  bind(pod: ObjectKey, nodeName: string, options?: BindOptions): Promise<void>;
}

export interface ObjectKey {
  readonly name: string;
  readonly namespace?: string;
}

/**
 * Closed set of failures, from HTTP status and `Status.reason`.
 * `unknownOutcome` for a write whose reply was lost (connection broke, deadline, abort): it may have happened.
 */
export type KubeErrorCode =
  | 'badRequest'
  | 'unauthorized'
  | 'forbidden'
  | 'notFound'
  | 'alreadyExists'
  | 'conflict'
  | 'gone'
  | 'invalid'
  | 'tooManyRequests'
  | 'unavailable'
  | 'unknownOutcome';

export class KubeApiError extends Error {
  readonly code: KubeErrorCode;
  readonly status: number;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: KubeErrorCode,
    message: string,
    details: { status?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'KubeApiError';
    this.code = code;
    this.status = details.status ?? 0;
    this.retryAfterMs = details.retryAfterMs;
  }
}

export function isKubeError(
  error: unknown,
  ...codes: readonly KubeErrorCode[]
): error is KubeApiError {
  return error instanceof KubeApiError && (codes.length === 0 || codes.includes(error.code));
}
