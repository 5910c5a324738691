import type { Clock } from '../../ports/clock.ts';
import {
  type DeleteOptions,
  type KubeApi,
  KubeApiError,
  type KubeObject,
  type ListOptions,
  type ListPage,
  type ObjectKey,
  type PatchOptions,
  type PatchType,
  type ResourceRef,
  type WatchEnd,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import { type Call, Caller, type KubeApiMetrics } from './caller.ts';
import { Connections } from './connections.ts';
import { Credentials, type KubeConfigSource, loadKubeConfig } from './credentials.ts';
import { apiVersionOf, deleteBody, namespaceOf, pageOf, prepare } from './objects.ts';
import { collectionPath, objectPath, withQuery } from './paths.ts';
import { WatchStream } from './watchStream.ts';

export interface KubeApiOptions {
  readonly source: KubeConfigSource;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics?: KubeApiMetrics;
  readonly userAgent?: string;
  /** For each call but a watch, waiting for its turn included. */
  readonly deadlineMs?: number;
  /** Calls per second on average, watches and leases not counted. */
  readonly qps?: number;
  readonly burst?: number;
  readonly concurrentWrites?: number;
  readonly maxReplyBytes?: number;
}

/** The port, and what only the process that made it may do. */
export interface KubeApiClient extends KubeApi {
  /** Address of the API server, for logs. */
  readonly server: string;
  /** Breaks all connections; calls under way fail. */
  close(): Promise<void>;
}

const DEADLINE_MS = 30_000;
/** Far beyond what two cores of API server take, and a bound on a loop gone wild; priority and fairness is the server's part. */
const QPS = 400;
const BURST = 800;
const CONCURRENT_WRITES = 32;
const MAX_REPLY_BYTES = 64 * 1024 * 1024;
/** Lease writes take no place among the concurrent writes; they find a free connection all the same. */
const LEASE_CONNECTIONS = 2;
/** A watch that outlives its own time-out by this much is stuck. */
const WATCH_GRACE_MS = 30_000;

const PATCH_CONTENT_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const satisfies Record<PatchType, string>;

/**
 * The Kubernetes API over HTTP.
 *
 * Guarantees: few long-lived connections; a deadline on every call; `managedFields` never reaches the caller;
 * `apiVersion` and `kind` are filled in on list items.
 * Errors: `KubeApiError` from every call; throws at once when the kubeconfig cannot be used.
 */
export function createKubeApi(options: KubeApiOptions): KubeApiClient {
  const { clock, log } = options;
  const credentials = new Credentials(loadKubeConfig(options.source), clock);
  const concurrentWrites = options.concurrentWrites ?? CONCURRENT_WRITES;
  const connections = new Connections(concurrentWrites + LEASE_CONNECTIONS);
  const caller = new Caller({
    clock,
    credentials,
    connections,
    metrics: options.metrics,
    userAgent: options.userAgent ?? 'mezzo',
    deadlineMs: options.deadlineMs ?? DEADLINE_MS,
    qps: options.qps ?? QPS,
    burst: options.burst ?? BURST,
    concurrentWrites,
    maxReplyBytes: options.maxReplyBytes ?? MAX_REPLY_BYTES,
  });
  log.debug('kubernetes API client created', { server: credentials.server });
  return {
    server: credentials.server,
    close: () => connections.destroy(),
    ...reads(caller),
    watch: (ref, watchOptions, onEvent, signal) =>
      watch({ caller, clock }, ref, watchOptions, onEvent, signal),
    ...writes(caller),
    ...podActions(caller),
  };
}

function reads(caller: Caller): Pick<KubeApi, 'get' | 'list'> {
  return {
    async get<T extends KubeObject>(
      ref: ResourceRef,
      key: ObjectKey,
      signal?: AbortSignal,
    ): Promise<T> {
      const path = objectPath(ref, keyOf(ref, key));
      return prepare<T>(ref, await caller.json({ ...callOf('get', 'GET', ref, path), signal }));
    },
    async list<T extends KubeObject>(
      ref: ResourceRef,
      options: ListOptions,
      signal?: AbortSignal,
    ): Promise<ListPage<T>> {
      const path = withQuery(collectionPath(ref, options.namespace), {
        limit: options.limit,
        continue: options.continueToken,
        // A continued list takes its version from the token; the server refuses to be told again.
        resourceVersion: options.continueToken === undefined ? options.resourceVersion : undefined,
        labelSelector: options.labelSelector,
        fieldSelector: options.fieldSelector,
      });
      return pageOf<T>(ref, await caller.json({ ...callOf('list', 'GET', ref, path), signal }));
    },
  };
}

async function watch<T extends KubeObject>(
  tools: { readonly caller: Caller; readonly clock: Clock },
  ref: ResourceRef,
  options: WatchOptions,
  onEvent: (event: WatchEvent<T>) => void,
  signal: AbortSignal,
): Promise<WatchEnd> {
  const path = withQuery(collectionPath(ref, options.namespace), {
    watch: true,
    allowWatchBookmarks: true,
    resourceVersion: options.resourceVersion,
    timeoutSeconds: options.timeoutSeconds,
    labelSelector: options.labelSelector,
    fieldSelector: options.fieldSelector,
  });
  const stuck = new AbortController();
  const limitMs = options.timeoutSeconds * 1000 + WATCH_GRACE_MS;
  const cancel = tools.clock.setTimer(limitMs, () =>
    stuck.abort(new Error(`the watch did not end within ${limitMs} ms`)),
  );
  const stream = new WatchStream<T>(`watch ${path}`, ref, options.isHeld, onEvent);
  try {
    await tools.caller.stream(
      { ...callOf('watch', 'GET', ref, path), signal: AbortSignal.any([signal, stuck.signal]) },
      (chunk) => stream.push(chunk),
    );
    stream.end();
  } finally {
    cancel();
  }
  return { kind: 'closed' };
}

/** What is made of a Pod through its subresources; the server replies with a Status. */
function podActions(caller: Caller): Pick<KubeApi, 'evict' | 'bind'> {
  const post = async (
    pod: ObjectKey,
    subresource: 'eviction' | 'binding',
    body: object,
    options: WriteOptions,
  ): Promise<void> => {
    const path = objectPath(PODS, keyOf(PODS, pod), subresource);
    const call = writeCall('create', 'POST', PODS, { path, options });
    await caller.json({ ...call, body });
  };
  return {
    async evict(pod, options = {}) {
      const metadata = keyOf(PODS, pod);
      const body = { apiVersion: 'policy/v1', kind: 'Eviction', metadata };
      await post(pod, 'eviction', { ...body, deleteOptions: deleteBody(options) }, options);
    },
    async bind(pod, nodeName, options = {}) {
      const { uid, resourceVersion } = options;
      const metadata = {
        ...keyOf(PODS, pod),
        ...(uid !== undefined && { uid }),
        ...(resourceVersion !== undefined && { resourceVersion }),
      };
      const target = { apiVersion: 'v1', kind: 'Node', name: nodeName };
      await post(pod, 'binding', { apiVersion: 'v1', kind: 'Binding', metadata, target }, options);
    },
  };
}

function writes(caller: Caller): Pick<KubeApi, 'create' | 'update' | 'patch' | 'delete'> {
  return {
    async create<T extends KubeObject>(ref: ResourceRef, object: T, options: WriteOptions = {}) {
      // The server answers this slip with 500, which would read as "it may have happened".
      if (object.metadata.resourceVersion !== undefined)
        throw new KubeApiError(
          'badRequest',
          `create of ${ref.kind} "${object.metadata.name}" must not name metadata.resourceVersion`,
        );
      const path = collectionPath(ref, namespaceOf(ref, object.metadata));
      const call = writeCall('create', 'POST', ref, { path, options });
      return prepare<T>(ref, await caller.json({ ...call, body: typed(ref, object) }));
    },
    async update<T extends KubeObject>(
      ref: ResourceRef,
      object: T,
      options: WriteOptions & { readonly subresource?: 'status' } = {},
    ) {
      if (object.metadata.resourceVersion === undefined)
        throw new KubeApiError(
          'badRequest',
          `update of ${ref.kind} "${object.metadata.name}" needs metadata.resourceVersion`,
        );
      const path = objectPath(ref, keyOf(ref, object.metadata), options.subresource);
      const call = writeCall('update', 'PUT', ref, { path, options });
      return prepare<T>(ref, await caller.json({ ...call, body: typed(ref, object) }));
    },
    async patch<T extends KubeObject>(
      ref: ResourceRef,
      key: ObjectKey,
      type: PatchType,
      body: unknown,
      options: PatchOptions = {},
    ) {
      const path = objectPath(ref, keyOf(ref, key), options.subresource);
      const { fieldManager, force } = options;
      const call = writeCall('patch', 'PATCH', ref, { path, options, fieldManager, force });
      const contentType = PATCH_CONTENT_TYPES[type];
      return prepare<T>(ref, await caller.json({ ...call, contentType, body }));
    },
    async delete(ref: ResourceRef, key: ObjectKey, options: DeleteOptions = {}) {
      const path = objectPath(ref, keyOf(ref, key));
      const call = writeCall('delete', 'DELETE', ref, { path, options });
      await caller.json({ ...call, body: deleteBody(options) });
    },
  };
}

const typed = (ref: ResourceRef, object: KubeObject): unknown => ({
  ...object,
  apiVersion: apiVersionOf(ref),
  kind: ref.kind,
});

const keyOf = (ref: ResourceRef, key: ObjectKey): ObjectKey => {
  const namespace = namespaceOf(ref, key);
  return { name: key.name, ...(namespace !== undefined && { namespace }) };
};

function callOf(
  verb: Call['verb'],
  method: Call['method'],
  ref: ResourceRef,
  path: string,
): Pick<Call, 'verb' | 'method' | 'group' | 'plural' | 'path'> {
  return { verb, method, group: ref.group, plural: ref.plural, path };
}

function writeCall(
  verb: Call['verb'],
  method: Call['method'],
  ref: ResourceRef,
  details: {
    readonly path: string;
    readonly options: WriteOptions;
    readonly fieldManager?: string | undefined;
    readonly force?: boolean | undefined;
  },
): Call {
  const { options, fieldManager, force } = details;
  const path = withQuery(details.path, {
    dryRun: options.dryRun === true ? 'All' : undefined,
    fieldManager,
    force: force === true ? true : undefined,
  });
  const actAs = options.impersonate;
  return {
    ...callOf(verb, method, ref, path),
    signal: options.signal,
    stillWanted: options.stillWanted,
    ...(actAs !== undefined && {
      headers: {
        'impersonate-user': actAs.user,
        ...(actAs.groups !== undefined &&
          actAs.groups.length > 0 && { 'impersonate-group': [...actAs.groups] }),
      },
    }),
  };
}
