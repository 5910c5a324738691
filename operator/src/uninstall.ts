import { parseArgs } from 'node:util';
import { LABEL } from './model/labels.ts';
import { ok, type Result, refuse } from './model/result.ts';
import { type Clock, sleep } from './ports/clock.ts';
import {
  isKubeError,
  type KubeApi,
  type KubeObject,
  type ObjectKey,
  type ResourceRef,
} from './ports/kubeApi.ts';
import type { Logger } from './ports/logger.ts';
import { LEASES, NODES, PODS } from './schema/kubeKinds.ts';
import type { Node } from './schema/kubeObjects.ts';
import {
  ADHOC_JOBS,
  AGENTS,
  CRON_JOBS,
  FRAMEWORKS,
  GROUP,
  MAINTENANCE_WINDOWS,
  QUOTAS,
  RESERVATIONS,
  ROLES,
  SERVICE_JOBS,
} from './schema/mezzoKinds.ts';

/**
 * What the chart's pre-delete hook runs: afterwards nothing in the cluster waits for an operator that is gone.
 *
 * 1. `stop` only: deletes all jobs and frameworks while the operator still runs, and waits for their tasks.
 * 2. Scales the operator to zero and waits for its Pods: from here on nobody puts a finalizer back.
 * 3. `stop` only: deletes task Pods that are left.
 * 4. Takes Mezzo's finalizers off task Pods and Mezzo objects.
 * 5. Takes Mezzo's extended resources off the nodes, and deletes the operator's lease.
 *
 * Every step may be repeated, so a hook that was killed half-way is simply run again.
 */
export interface UninstallOptions {
  readonly namespace: string;
  /** Deployment of the operator. */
  readonly deployment: string;
  readonly lease: string;
  /** `keep`: tasks run on, with nobody to mind them, until Mezzo is installed again. */
  readonly tasks: 'stop' | 'keep';
  /** How long tasks may take to stop in order; then they are deleted without waiting. */
  readonly stopTimeoutMs: number;
}

export interface UninstallReport {
  readonly jobsDeleted: number;
  readonly tasksLeftAfterStop: number;
  readonly finalizersRemoved: number;
  readonly nodesCleaned: number;
}

export interface UninstallTools {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
}

const DEPLOYMENTS: ResourceRef = {
  group: 'apps',
  version: 'v1',
  plural: 'deployments',
  kind: 'Deployment',
  namespaced: true,
};

/** Cron jobs first: they make ad-hoc jobs. */
const STOPPED_KINDS = [CRON_JOBS, SERVICE_JOBS, ADHOC_JOBS, FRAMEWORKS] as const;
const ALL_KINDS = [
  ...STOPPED_KINDS,
  ROLES,
  QUOTAS,
  RESERVATIONS,
  AGENTS,
  MAINTENANCE_WINDOWS,
] as const;

const TASK_SELECTOR = LABEL.framework;
const FINALIZER_PREFIX = `${GROUP}/`;
const POLL_MS = 500;
const OPERATOR_STOP_TIMEOUT_MS = 90_000;
const PAGE_SIZE = 500;
const CONCURRENCY = 16;
/** Rounds over all objects: what changes between list and patch is met again in the next round. */
const MAX_ROUNDS = 10;

export async function uninstall(
  tools: UninstallTools,
  options: UninstallOptions,
): Promise<UninstallReport> {
  const stop = options.tasks === 'stop';
  const jobsDeleted = stop ? await deleteAll(tools, STOPPED_KINDS) : 0;
  if (stop) await waitForTasks(tools, options.stopTimeoutMs);
  await stopOperator(tools, options);
  const left = stop ? await deleteTasks(tools) : 0;
  const finalizersRemoved = await removeFinalizers(tools);
  const nodesCleaned = await cleanNodes(tools);
  await ignoreMissing(
    tools.api.delete(LEASES, { namespace: options.namespace, name: options.lease }),
  );
  return { jobsDeleted, tasksLeftAfterStop: left, finalizersRemoved, nodesCleaned };
}

async function deleteAll(
  { api, log }: UninstallTools,
  kinds: readonly ResourceRef[],
): Promise<number> {
  let deleted = 0;
  for (const ref of kinds) {
    const objects = await listAll(api, ref);
    await inParallel(objects, (object) =>
      ignoreMissing(api.delete(ref, keyOf(object), { propagationPolicy: 'Background' })),
    );
    deleted += objects.length;
    log.info('deleted objects', { kind: ref.kind, count: objects.length });
  }
  return deleted;
}

async function waitForTasks(tools: UninstallTools, timeoutMs: number): Promise<void> {
  const { api, clock, log } = tools;
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  for (;;) {
    const tasks = await listAll(api, PODS, TASK_SELECTOR);
    if (tasks.length === 0) return;
    if (clock.monotonicMs() >= deadlineMs) {
      log.warn('tasks did not stop in time', { tasks: tasks.length, timeoutMs });
      return;
    }
    await sleep(clock, POLL_MS);
  }
}

interface Deployment extends KubeObject {
  readonly spec?: {
    readonly selector?: { readonly matchLabels?: { readonly [key: string]: string } };
  };
}

async function stopOperator(tools: UninstallTools, options: UninstallOptions): Promise<void> {
  const { api, clock, log } = tools;
  const key = { namespace: options.namespace, name: options.deployment };
  let deployment: Deployment;
  try {
    deployment = await api.get<Deployment>(DEPLOYMENTS, key);
    await api.patch(DEPLOYMENTS, key, 'merge', { spec: { replicas: 0 } }, { subresource: 'scale' });
  } catch (error) {
    if (!isKubeError(error, 'notFound')) throw error;
    log.warn('operator deployment not found', { deployment: options.deployment });
    return;
  }
  const selector = Object.entries(deployment.spec?.selector?.matchLabels ?? {})
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
  const deadlineMs = clock.monotonicMs() + OPERATOR_STOP_TIMEOUT_MS;
  for (;;) {
    const pods = await listAll(api, PODS, selector, options.namespace);
    if (pods.length === 0) break;
    if (clock.monotonicMs() >= deadlineMs)
      throw new Error(
        `the operator's Pods ${pods.map((pod) => pod.metadata.name).join(', ')} did not stop within ` +
          `${OPERATOR_STOP_TIMEOUT_MS} ms; nothing was released. Delete them by force if their node is gone, and uninstall again.`,
      );
    await sleep(clock, POLL_MS);
  }
  log.info('operator stopped', { deployment: options.deployment });
}

async function deleteTasks({ api, log }: UninstallTools): Promise<number> {
  const tasks = await listAll(api, PODS, TASK_SELECTOR);
  const alive = tasks.filter((task) => task.metadata.deletionTimestamp === undefined);
  await inParallel(alive, (task) =>
    ignoreMissing(
      api.delete(
        PODS,
        keyOf(task),
        task.metadata.uid === undefined ? {} : { uid: task.metadata.uid },
      ),
    ),
  );
  if (tasks.length > 0) log.info('deleted tasks that were left', { count: alive.length });
  return tasks.length;
}

async function removeFinalizers({ api, log }: UninstallTools): Promise<number> {
  let removed = 0;
  for (let round = 1; ; round++) {
    let met = 0;
    for (const ref of [PODS, ...ALL_KINDS]) {
      const objects = await listAll(api, ref, ref === PODS ? TASK_SELECTOR : undefined);
      const held = objects.filter((object) => object.metadata.finalizers?.some(isOurs));
      await inParallel(held, (object) => removeFinalizer(api, ref, object));
      met += held.length;
    }
    if (met === 0) break;
    removed += met;
    if (round === MAX_ROUNDS)
      throw new Error(`objects still carried ${FINALIZER_PREFIX} finalizers after ${round} rounds`);
  }
  log.info('finalizers removed', { count: removed });
  return removed;
}

async function removeFinalizer(api: KubeApi, ref: ResourceRef, object: KubeObject): Promise<void> {
  const { finalizers = [], resourceVersion } = object.metadata;
  const kept = finalizers.filter((finalizer) => !isOurs(finalizer));
  const body = { metadata: { finalizers: kept, resourceVersion } };
  try {
    await api.patch(ref, keyOf(object), 'merge', body);
  } catch (error) {
    // Changed or gone since it was listed: the next round sees.
    if (!isKubeError(error, 'notFound', 'conflict')) throw error;
  }
}

const isOurs = (name: string): boolean => name.startsWith(FINALIZER_PREFIX);

async function cleanNodes({ api, log }: UninstallTools): Promise<number> {
  const nodes = (await listAll<Node>(api, NODES)).filter((node) =>
    Object.keys({ ...node.status?.capacity, ...node.status?.allocatable }).some(isOurs),
  );
  await inParallel(nodes, (node) =>
    ignoreMissing(
      api.patch(
        NODES,
        keyOf(node),
        'merge',
        {
          status: {
            capacity: nullsFor(node.status?.capacity),
            allocatable: nullsFor(node.status?.allocatable),
          },
        },
        { subresource: 'status' },
      ),
    ),
  );
  log.info('extended resources removed', { nodes: nodes.length });
  return nodes.length;
}

/** A merge patch removes a key by null. */
function nullsFor(amounts: { readonly [name: string]: string } = {}): Record<string, null> {
  return Object.fromEntries(
    Object.keys(amounts)
      .filter(isOurs)
      .map((name) => [name, null]),
  );
}

/** An empty list when the kind is not installed: then nothing of it can be in the way. */
async function listAll<T extends KubeObject>(
  api: KubeApi,
  ref: ResourceRef,
  labelSelector?: string,
  namespace?: string,
): Promise<readonly T[]> {
  const items: T[] = [];
  let continueToken: string | undefined;
  try {
    do {
      const page = await api.list<T>(ref, {
        limit: PAGE_SIZE,
        ...(labelSelector === undefined ? {} : { labelSelector }),
        ...(namespace === undefined ? {} : { namespace }),
        ...(continueToken === undefined ? {} : { continueToken }),
      });
      items.push(...page.items);
      continueToken = page.continueToken;
    } while (continueToken !== undefined);
  } catch (error) {
    if (isKubeError(error, 'notFound')) return [];
    throw error;
  }
  return items;
}

function keyOf(object: KubeObject): ObjectKey {
  const { name, namespace } = object.metadata;
  return namespace === undefined ? { name } : { name, namespace };
}

async function ignoreMissing(call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!isKubeError(error, 'notFound', 'conflict')) throw error;
  }
}

async function inParallel<T>(
  items: readonly T[],
  act: (item: T) => Promise<unknown>,
): Promise<void> {
  for (let start = 0; start < items.length; start += CONCURRENCY)
    await Promise.all(items.slice(start, start + CONCURRENCY).map(act));
}

export const UNINSTALL_USAGE = `usage: operator uninstall --namespace NAME --deployment NAME [flags]

  --tasks stop|keep             stop: delete jobs and frameworks and wait for their tasks; keep: tasks run on (default keep)
  --stop-timeout-seconds N      how long tasks may take to stop (default 120)
  --lease NAME                  lease of the operator (default mezzo-operator)
`;

/** The subcommand `uninstall`. Exit codes: 0 done, 1 fault (run it again), 2 wrong flags. */
export async function uninstallCommand(
  args: readonly string[],
  tools: UninstallTools,
): Promise<number> {
  const options = parseUninstallFlags(args);
  if (!options.ok) {
    process.stderr.write(`${options.refusal}\n\n${UNINSTALL_USAGE}`);
    return 2;
  }
  try {
    const report = await uninstall(tools, options.value);
    tools.log.info('uninstall prepared', { ...report });
    return 0;
  } catch (error) {
    tools.log.error('uninstall failed', { error });
    return 1;
  }
}

export function parseUninstallFlags(args: readonly string[]): Result<UninstallOptions, string> {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(args);
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error));
  }
  const { namespace, deployment, lease, tasks } = values;
  if (namespace === undefined || deployment === undefined)
    return refuse('--namespace and --deployment must say which operator is to go');
  if (tasks !== 'stop' && tasks !== 'keep')
    return refuse(`--tasks must be stop or keep, not "${tasks}"`);
  const seconds = Number(values['stop-timeout-seconds']);
  if (!Number.isInteger(seconds) || seconds < 0)
    return refuse('--stop-timeout-seconds must be a whole number of seconds, at least 0');
  return ok({ namespace, deployment, lease, tasks, stopTimeoutMs: seconds * 1000 });
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      namespace: { type: 'string' },
      deployment: { type: 'string' },
      lease: { type: 'string', default: 'mezzo-operator' },
      tasks: { type: 'string', default: 'keep' },
      'stop-timeout-seconds': { type: 'string', default: '120' },
    },
  }).values;
}
