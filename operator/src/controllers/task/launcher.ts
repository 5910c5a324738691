import type { TaskId } from '../../model/ids.ts';
import { ANNOTATION, LABEL } from '../../model/labels.ts';
import { type Clock, sleep } from '../../ports/clock.ts';
import { isKubeError, type KubeApi } from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import { toOperatorError } from '../../runtime/errors.ts';
import { PODS } from '../../schema/kubeKinds.ts';
import type { Pod } from '../../schema/kubeObjects.ts';
import type { LaunchFailure } from '../scheduling/types.ts';

export interface Launch {
  readonly task: TaskId;
  /** Complete, `spec.nodeName` included. */
  readonly pod: Pod;
  readonly impersonate?: string | undefined;
  /** See `LaunchRequest.instead`. */
  readonly instead?: ((placed: Pod) => Promise<LaunchFailure | undefined>) | undefined;
}

export type LaunchResult =
  | { readonly kind: 'created'; readonly pod: Pod }
  | { readonly kind: 'failed'; readonly failure: LaunchFailure }
  /** This process may no longer write; whether the Pod exists is for the next leader to see. */
  | { readonly kind: 'stopped' };

export interface Launcher {
  launch(launch: Launch, done: (result: LaunchResult) => void): void;
  /** Pods whose creation is under way or whose outcome is unknown; the ledger counts them. */
  assumed(): readonly Pod[];
}

/** A launcher that lets only so many creations be under way. */
export interface LaunchQueue extends Launcher {
  /** Creations that wait for others to be over: whatever can wait had better let them pass. */
  waiting(): number;
}

export interface LauncherOptions {
  readonly kube: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly epoch: () => number;
  readonly signal: AbortSignal;
  /** Shows a Pod that was found instead of made to the cache: from then on that counts it, not `assumed`. */
  readonly observe: (pod: Pod) => void;
  /** The Pod of this name in the cache. */
  readonly cached: (pod: Pod) => Pod | undefined;
}

const RETRY_BASE_MS = 200;
const RETRY_MAX_MS = 5_000;
/**
 * Creations asked for at the same time, three quarters of what the transport sends at once; the others wait here. In the
 * transport they would stand in everybody's way, and their deadlines would run: thousands of launches at once would end as
 * failures.
 */
const CONCURRENT_CREATIONS = 24;
/** An API server that refuses to answer for this long costs the launch; its resources are offered again. */
const UNAVAILABLE_LIMIT_MS = 30_000;

/**
 * Creates task Pods. Each is created under a name that follows from the decision, so asking again after a lost reply
 * cannot make a second one: the outcome is always found out, never assumed.
 */
export function createLauncher(options: LauncherOptions): LaunchQueue {
  const assumed = new Map<string, Pod>();
  const places = new Places(CONCURRENT_CREATIONS);
  return {
    launch(launch, done) {
      const pod = stamped(launch.pod, options.epoch());
      const key = `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`;
      assumed.set(key, pod);
      const settle = (result: LaunchResult): void => {
        if (result.kind !== 'stopped') assumed.delete(key);
        done(result);
      };
      started(options, { ...launch, pod }, places).then(settle, (error: unknown) => {
        options.log.error('launch ended by a bug', { pod: key, error });
        settle({ kind: 'failed', failure: { reason: 'Unavailable', message: String(error) } });
      });
    },
    assumed: () => [...assumed.values()],
    waiting: () => places.waiting,
  };
}

function stamped(pod: Pod, epoch: number): Pod {
  const annotations = { ...pod.metadata.annotations, [ANNOTATION.epoch]: String(epoch) };
  return { ...pod, metadata: { ...pod.metadata, annotations } };
}

async function started(
  options: LauncherOptions,
  launch: Launch,
  places: Places,
): Promise<LaunchResult> {
  if (launch.instead === undefined) return await attempt(options, launch, places);
  const failure = await launch.instead(launch.pod);
  return failure === undefined ? { kind: 'created', pod: launch.pod } : { kind: 'failed', failure };
}

async function attempt(
  options: LauncherOptions,
  launch: Launch,
  places: Places,
): Promise<LaunchResult> {
  await places.take();
  const startedMs = options.clock.monotonicMs();
  let delayMs = RETRY_BASE_MS;
  let inDoubt = false;
  for (;;) {
    const outcome = await look(options, launch, inDoubt).finally(() => places.giveBack());
    if (outcome.kind !== 'again') return outcome;
    inDoubt ||= outcome.inDoubt;
    const waitedMs = options.clock.monotonicMs() - startedMs;
    if (!inDoubt && waitedMs > UNAVAILABLE_LIMIT_MS) {
      return { kind: 'failed', failure: { reason: 'Unavailable', message: outcome.message } };
    }
    try {
      await sleep(options.clock, delayMs, options.signal);
    } catch {
      return { kind: 'stopped' };
    }
    delayMs = Math.min(delayMs * 2, RETRY_MAX_MS);
    await places.take();
  }
}

/** One attempt, by one who has a place. */
async function look(options: LauncherOptions, launch: Launch, inDoubt: boolean): Promise<Attempt> {
  // A launch in doubt is over once its Pod was seen: it may end and go while we still ask, and its name be free again.
  const seen = options.cached(launch.pod);
  if (seen !== undefined && isSameSlot(seen, launch.pod)) return { kind: 'created', pod: seen };
  const tried = await tryOnce(options, launch);
  // A refusal after a lost reply does not say that the first attempt failed too (a quota refuses before it looks).
  return tried.kind === 'failed' && inDoubt ? await findOut(options, launch, tried) : tried;
}

/** So many at once; who comes first goes first. Nobody leaves the queue: at the end of the process each turn is over at once. */
class Places {
  readonly #queue: (() => void)[] = [];
  #free: number;

  constructor(count: number) {
    this.#free = count;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  async take(): Promise<void> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  giveBack(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}

type Attempt =
  | LaunchResult
  | { readonly kind: 'again'; readonly inDoubt: boolean; readonly message: string };

async function tryOnce(options: LauncherOptions, launch: Launch): Promise<Attempt> {
  const { kube, signal } = options;
  if (signal.aborted) return { kind: 'stopped' };
  try {
    const impersonate =
      launch.impersonate === undefined ? {} : { impersonate: { user: launch.impersonate } };
    return { kind: 'created', pod: await kube.create(PODS, launch.pod, impersonate) };
  } catch (error) {
    if (isKubeError(error, 'alreadyExists')) return await adopt(options, launch);
    return verdictOf(error);
  }
}

/** The name is taken. By the same slot: it is ours (a lost reply, or a former leader). By anything else: a refusal. */
async function adopt(options: LauncherOptions, launch: Launch): Promise<Attempt> {
  try {
    const found = await find(options, launch);
    if (found !== undefined) return { kind: 'created', pod: found };
    const { namespace, name } = launch.pod.metadata;
    const message = `a Pod named ${name} exists in namespace ${namespace} and is not this task's; delete or rename it`;
    return { kind: 'failed', failure: { reason: 'AlreadyExists', message } };
  } catch (error) {
    if (isKubeError(error, 'notFound'))
      return { kind: 'again', inDoubt: true, message: error.message };
    return verdictOf(error);
  }
}

/** Whether the Pod of a launch in doubt is there although its last attempt was refused. */
async function findOut(
  options: LauncherOptions,
  launch: Launch,
  refused: LaunchResult,
): Promise<Attempt> {
  try {
    const found = await find(options, launch);
    return found === undefined ? refused : { kind: 'created', pod: found };
  } catch (error) {
    if (isKubeError(error, 'notFound')) return refused;
    const verdict = verdictOf(error);
    return verdict.kind === 'failed' ? refused : verdict;
  }
}

/** The Pod of this very slot; undefined when the name is another's. Errors: those of the port. */
async function find({ kube, observe }: LauncherOptions, launch: Launch): Promise<Pod | undefined> {
  const { namespace, name } = launch.pod.metadata;
  const key = { name, ...(namespace === undefined ? {} : { namespace }) };
  const found = await kube.get<Pod>(PODS, key);
  if (!isSameSlot(found, launch.pod)) return undefined;
  observe(found);
  return found;
}

function isSameSlot(found: Pod, wanted: Pod): boolean {
  const of = (pod: Pod): string =>
    [LABEL.framework, LABEL.jobUid, LABEL.instance, LABEL.generation]
      .map((label) => pod.metadata.labels?.[label] ?? '')
      .concat(pod.metadata.annotations?.[ANNOTATION.taskId] ?? '')
      .join('|');
  return of(found) === of(wanted);
}

function verdictOf(error: unknown): Attempt {
  const known = toOperatorError(error);
  if (known.code === 'notLeader') return { kind: 'stopped' };
  if (!isKubeError(error)) {
    return { kind: 'failed', failure: { reason: 'Unavailable', message: known.message } };
  }
  switch (error.code) {
    case 'forbidden':
    case 'unauthorized':
      return { kind: 'failed', failure: { reason: 'Forbidden', message: error.message } };
    case 'invalid':
    case 'badRequest':
    case 'notFound':
      return { kind: 'failed', failure: { reason: 'Invalid', message: error.message } };
    case 'unknownOutcome':
      return { kind: 'again', inDoubt: true, message: error.message };
    default:
      return { kind: 'again', inDoubt: false, message: error.message };
  }
}
