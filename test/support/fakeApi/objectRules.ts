import type { DeleteOptions, KubeObject, ObjectMeta } from '../../../operator/src/ports/kubeApi.ts';
import type { Pod } from '../../../operator/src/schema/kubeObjects.ts';
import { kubeError } from './errors.ts';
import { equalJson, isMap } from './json.ts';
import type { KindOptions } from './kinds.ts';

/** Pure rules of the API server: from the stored object and a request to the next state, or a refusal. */

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_VALUE = /^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/;
const LABEL_KEY = /^([a-z0-9.-]{1,253}\/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** Kubernetes writes times with whole seconds. */
export function timestamp(nowMs: number): string {
  return `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
}

type Writable<T> = { -readonly [Field in keyof T]: T[Field] };

/** Drops what Kubernetes does not store: empty maps and lists, undefined fields. */
function tidyMetadata(metadata: ObjectMeta): ObjectMeta {
  const tidy: Writable<ObjectMeta> = { ...metadata };
  for (const name of ['labels', 'annotations', 'finalizers', 'ownerReferences'] as const) {
    const value = tidy[name];
    if (value !== undefined && Object.keys(value).length === 0) delete tidy[name];
  }
  return tidy;
}

export function checkMetadata(kind: string, metadata: ObjectMeta): void {
  const { name, labels, annotations } = metadata;
  if (typeof name !== 'string' || name === '') {
    throw kubeError(
      'invalid',
      `${kind}: metadata.name: Required value: name or generateName is required`,
    );
  }
  if (name.length > 253 || !NAME.test(name)) {
    throw kubeError(
      'invalid',
      `${kind} "${name}": metadata.name: Invalid value: not a DNS-1123 subdomain`,
    );
  }
  for (const [key, value] of Object.entries(labels ?? {})) {
    if (
      !LABEL_KEY.test(key) ||
      typeof value !== 'string' ||
      value.length > 63 ||
      !LABEL_VALUE.test(value)
    ) {
      throw kubeError(
        'invalid',
        `${kind} "${name}": metadata.labels: Invalid value: ${key}=${value}`,
      );
    }
  }
  for (const [key, value] of Object.entries(annotations ?? {})) {
    if (!LABEL_KEY.test(key) || typeof value !== 'string') {
      throw kubeError('invalid', `${kind} "${name}": metadata.annotations: Invalid value: ${key}`);
    }
  }
}

function checkValid(options: KindOptions, object: KubeObject, old: KubeObject | undefined): void {
  const fault = options.validate?.(object, old);
  if (fault !== undefined) {
    throw kubeError(
      'invalid',
      `${options.ref.kind} "${object.metadata.name}" is invalid: ${fault}`,
    );
  }
}

export function newObject(
  options: KindOptions,
  asked: KubeObject,
  system: { readonly uid: string; readonly nowMs: number },
): KubeObject {
  if (asked.metadata.resourceVersion !== undefined && asked.metadata.resourceVersion !== '') {
    throw kubeError('badRequest', 'resourceVersion should not be set on objects to be created');
  }
  const {
    deletionTimestamp: _at,
    deletionGracePeriodSeconds: _grace,
    generation: _gen,
    ...kept
  } = asked.metadata;
  const metadata: ObjectMeta = tidyMetadata({
    ...kept,
    uid: system.uid,
    creationTimestamp: timestamp(system.nowMs),
    ...(options.countsGenerations === true && { generation: 1 }),
  });
  const { status, ...rest } = asked as KubeObject & { status?: unknown };
  const keepsStatus = options.statusSubresource !== true || options.keepsStatusOnCreate === true;
  const object: KubeObject = {
    ...rest,
    ...apiTypeOf(options),
    metadata,
    ...(keepsStatus && status !== undefined && { status }),
  };
  const started = options.onCreate?.(object) ?? object;
  const filled = options.withDefaults?.(started) ?? started;
  checkValid(options, filled, undefined);
  return filled;
}

export function apiTypeOf({ ref }: KindOptions): { apiVersion: string; kind: string } {
  return {
    apiVersion: ref.group === '' ? ref.version : `${ref.group}/${ref.version}`,
    kind: ref.kind,
  };
}

/** The state after a write through the main resource or `/status`; the same object when nothing changes. */
export function writtenObject(
  options: KindOptions,
  old: KubeObject,
  asked: KubeObject,
  subresource: 'status' | 'resize' | undefined,
): KubeObject {
  if (
    asked.metadata.name !== old.metadata.name ||
    asked.metadata.namespace !== old.metadata.namespace
  ) {
    throw kubeError('badRequest', 'the name of the object does not match the name on the URL');
  }
  if (asked.metadata.uid !== undefined && asked.metadata.uid !== old.metadata.uid) {
    throw kubeError(
      'conflict',
      `Precondition failed: UID in precondition: ${asked.metadata.uid}, UID in object meta: ${old.metadata.uid}`,
    );
  }
  const complete = options.withDefaults?.(asked) ?? asked;
  const next =
    subresource === 'status'
      ? statusWrite(options, old, complete)
      : mainWrite(options, old, complete);
  if (equalJson(next, old)) return old;
  const held = new Set(old.metadata.finalizers ?? []);
  const added = (next.metadata.finalizers ?? []).filter((finalizer) => !held.has(finalizer));
  if (old.metadata.deletionTimestamp !== undefined && added.length > 0) {
    throw kubeError(
      'invalid',
      `metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted: ${added.join(', ')}`,
    );
  }
  checkValid(options, next, subresource === 'resize' ? resized(old, next) : old);
  return next;
}

/** The Pod as it was, with the new resources of its containers: a resize may change nothing else. */
function resized(old: KubeObject, next: KubeObject): KubeObject {
  const spec = (object: KubeObject) =>
    (object as { spec?: { containers?: readonly { name: string; resources?: unknown }[] } }).spec;
  const given = new Map(spec(next)?.containers?.map((one) => [one.name, one.resources]));
  const containers = spec(old)?.containers?.map((one) => ({
    ...one,
    resources: given.get(one.name),
  }));
  return { ...old, spec: { ...spec(old), containers } } as KubeObject;
}

function mainWrite(options: KindOptions, old: KubeObject, asked: KubeObject): KubeObject {
  const { status, ...rest } = asked as KubeObject & { status?: unknown };
  const kept = options.statusSubresource === true ? (old as { status?: unknown }).status : status;
  const next: KubeObject = {
    ...rest,
    ...apiTypeOf(options),
    metadata: tidyMetadata({ ...asked.metadata, ...systemFields(old.metadata) }),
    ...(kept !== undefined && { status: kept }),
  };
  const isNewSpec = options.countsGenerations === true && !equalJson(desired(next), desired(old));
  return isNewSpec ? withMetadata(next, { generation: (old.metadata.generation ?? 0) + 1 }) : next;
}

function statusWrite(options: KindOptions, old: KubeObject, asked: KubeObject): KubeObject {
  if (options.statusSubresource !== true) {
    throw kubeError(
      'notFound',
      `${options.ref.plural}/status: the server could not find the requested resource`,
    );
  }
  const { labels, annotations, finalizers } = asked.metadata;
  const metadata =
    options.metadataThroughStatus === true
      ? tidyMetadata({
          ...old.metadata,
          labels: labels ?? {},
          annotations: annotations ?? {},
          finalizers: finalizers ?? [],
        })
      : old.metadata;
  const { status: _old, ...rest } = old as KubeObject & { status?: unknown };
  const { status } = asked as { status?: unknown };
  return { ...rest, metadata, ...(status !== undefined && { status }) };
}

/** Everything a generation counts: all but metadata and status. */
function desired(object: KubeObject): unknown {
  const {
    metadata: _metadata,
    status: _status,
    ...rest
  } = object as KubeObject & { status?: unknown };
  return rest;
}

/** Metadata that only the server writes. Fields absent on the stored object become absent. */
function systemFields(metadata: ObjectMeta): ObjectMeta {
  const { name, namespace, uid, resourceVersion, generation, creationTimestamp } = metadata;
  const { deletionTimestamp, deletionGracePeriodSeconds } = metadata;
  return {
    name,
    namespace,
    uid,
    resourceVersion,
    generation,
    creationTimestamp,
    deletionTimestamp,
    deletionGracePeriodSeconds,
  } as ObjectMeta;
}

export function withMetadata(object: KubeObject, changes: Partial<ObjectMeta>): KubeObject {
  return { ...object, metadata: { ...object.metadata, ...changes } };
}

/** True when a written object has nothing left that keeps it: it is removed instead of stored. */
export function isFinished({ metadata }: KubeObject): boolean {
  return (
    metadata.deletionTimestamp !== undefined &&
    (metadata.deletionGracePeriodSeconds ?? 0) === 0 &&
    (metadata.finalizers ?? []).length === 0
  );
}

/** What a delete does: nothing, a marked object, or removal. */
export type Deletion =
  | { readonly kind: 'none' }
  | { readonly kind: 'marked'; readonly object: KubeObject }
  | { readonly kind: 'removed' };

export function deletion(
  options: KindOptions,
  stored: KubeObject,
  asked: DeleteOptions,
  nowMs: number,
): Deletion {
  const { metadata } = stored;
  if (asked.uid !== undefined && asked.uid !== metadata.uid) {
    throw kubeError(
      'conflict',
      `Precondition failed: UID in precondition: ${asked.uid}, UID in object meta: ${metadata.uid}`,
    );
  }
  if (asked.resourceVersion !== undefined && asked.resourceVersion !== metadata.resourceVersion) {
    throw kubeError(
      'conflict',
      `Precondition failed: ResourceVersion in precondition: ${asked.resourceVersion}, ResourceVersion in object meta: ${metadata.resourceVersion}`,
    );
  }
  const graceSeconds = options.graceful === true ? podGraceSeconds(stored as Pod, asked) : 0;
  const isHeld = (metadata.finalizers ?? []).length > 0;
  if (graceSeconds === 0 && !isHeld) return { kind: 'removed' };
  const marked = metadata.deletionTimestamp;
  if (marked === undefined) {
    const generation = metadata.generation;
    const object = withMetadata(stored, {
      deletionTimestamp: timestamp(nowMs + graceSeconds * 1000),
      deletionGracePeriodSeconds: graceSeconds,
      ...(generation !== undefined && { generation: generation + 1 }),
    });
    return { kind: 'marked', object };
  }
  const formerSeconds = metadata.deletionGracePeriodSeconds ?? 0;
  if (graceSeconds >= formerSeconds) return { kind: 'none' };
  // A shorter grace counts from the first request; no grace at all means now.
  const firstMs = Date.parse(marked) - formerSeconds * 1000;
  const endMs = graceSeconds === 0 ? nowMs : firstMs + graceSeconds * 1000;
  const shortened = withMetadata(stored, {
    deletionTimestamp: timestamp(endMs),
    deletionGracePeriodSeconds: graceSeconds,
  });
  return { kind: 'marked', object: shortened };
}

/** Source: Kubernetes `pkg/registry/core/pod/strategy.go`, CheckGracefulDelete. */
function podGraceSeconds(pod: Pod, asked: DeleteOptions): number {
  const seconds = asked.gracePeriodSeconds ?? pod.spec.terminationGracePeriodSeconds ?? 30;
  if (pod.spec.nodeName === undefined || pod.spec.nodeName === '') return 0;
  const phase = pod.status?.phase;
  if (phase === 'Succeeded' || phase === 'Failed') return 0;
  return seconds < 0 ? 1 : seconds;
}

export function isStale(asked: unknown, stored: KubeObject): boolean {
  const metadata = isMap(asked) && isMap(asked['metadata']) ? asked['metadata'] : {};
  const rv = metadata['resourceVersion'];
  return rv !== undefined && rv !== '' && rv !== null && rv !== stored.metadata.resourceVersion;
}
