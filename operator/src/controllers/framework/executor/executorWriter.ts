import type { TaskId } from '../../../model/ids.ts';
import { type Clock, sleep } from '../../../ports/clock.ts';
import { isKubeError, type KubeApi, type ObjectKey } from '../../../ports/kubeApi.ts';
import type { Logger } from '../../../ports/logger.ts';
import type { CacheReader } from '../../../runtime/cache.ts';
import { REQUEUE_RULES, toOperatorError } from '../../../runtime/errors.ts';
import { compareVersions } from '../../../runtime/resourceVersion.ts';
import { PODS } from '../../../schema/kubeKinds.ts';
import type { Pod } from '../../../schema/kubeObjects.ts';
import { ledgerAnnotations, resizePatch } from './executorAmounts.ts';
import {
  annotationsFor,
  type ExecutorView,
  executorViewOf,
  MAX_RECORD_BYTES,
  recordBytes,
  type StoredTask,
} from './executorRecord.ts';

/** Changes the record in place; false when there is no room for that. Runs again on newer records, and says the same again. */
export type RecordEdit = (tasks: Map<TaskId, StoredTask>, view: ExecutorView) => boolean;

export type EditResult =
  /** It is on the Pod. */
  | 'written'
  /** There is no room for it now. */
  | 'full'
  /** The Pod is gone, or this process may not write any more. */
  | 'gone';

export interface ExecutorWriterOptions {
  readonly kube: KubeApi;
  readonly pods: CacheReader<Pod>;
  readonly clock: Clock;
  readonly log: Logger;
  /** The API server refuses to resize the Pod. */
  readonly onResizeRefused: (pod: Pod, message: string) => void;
}

interface Waiting {
  readonly edit: RecordEdit;
  readonly settle: (result: EditResult) => void;
}

interface Queue {
  readonly uid: string;
  readonly where: ObjectKey;
  waiting: Waiting[];
  /** What was last written or read; the cache may be behind. */
  latest: Pod;
  isRunning: boolean;
}

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 10_000;

/**
 * Writes the records of executors, one write at a time per Pod: what has come together meanwhile is one write. A change
 * is settled when the API server has it, through conflicts, lost replies and an API server that is away.
 */
export class ExecutorWriter {
  readonly #options: ExecutorWriterOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #stopped = new AbortController();

  constructor(options: ExecutorWriterOptions) {
    this.#options = options;
  }

  change(pod: Pod, edit: RecordEdit): Promise<EditResult> {
    return new Promise((settle) => {
      this.#queueOf(pod).waiting.push({ edit, settle });
      this.#start(pod);
    });
  }

  /** Sees to it that the Pod has the size its tasks need. */
  poke(pod: Pod): void {
    this.#queueOf(pod);
    this.#start(pod);
  }

  stop(): void {
    this.#stopped.abort(new Error('the master stops'));
  }

  #queueOf(pod: Pod): Queue {
    const uid = pod.metadata.uid ?? '';
    const { name, namespace } = pod.metadata;
    const where = { name, ...(namespace === undefined ? {} : { namespace }) };
    const queue = this.#queues.get(uid) ?? {
      uid,
      where,
      waiting: [],
      latest: pod,
      isRunning: false,
    };
    this.#queues.set(uid, queue);
    queue.latest = newer(queue.latest, pod);
    return queue;
  }

  #start(pod: Pod): void {
    const queue = this.#queueOf(pod);
    if (queue.isRunning) return;
    queue.isRunning = true;
    this.#run(queue).catch((error: unknown) => {
      this.#options.log.error('executor record not written because of a bug', {
        pod: queue.where.name,
        error,
      });
      this.#end(queue);
    });
  }

  async #run(queue: Queue): Promise<void> {
    let delayMs = FIRST_RETRY_MS;
    for (;;) {
      const cached = this.#options.pods.get(queue.where);
      if (cached?.metadata.uid === queue.uid) queue.latest = newer(queue.latest, cached);
      try {
        if (!(await this.#writeOnce(queue)) && queue.waiting.length === 0) break;
        delayMs = FIRST_RETRY_MS;
      } catch (error) {
        if (!(await this.#mayTryAgain(queue, error, delayMs))) {
          this.#end(queue);
          return;
        }
        delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS);
      }
    }
    queue.isRunning = false;
    this.#queues.delete(queue.uid);
  }

  /** Nothing of this Pod can be written any more. */
  #end(queue: Queue): void {
    queue.isRunning = false;
    this.#queues.delete(queue.uid);
    for (const one of queue.waiting.splice(0)) one.settle('gone');
  }

  /** True when it wrote something or settled somebody: there may be more. */
  async #writeOnce(queue: Queue): Promise<boolean> {
    const pod = queue.latest;
    const view = executorViewOf(pod);
    if (view === undefined) {
      const hadWaiting = queue.waiting.length > 0;
      for (const one of queue.waiting.splice(0)) one.settle('gone');
      return hadWaiting;
    }
    const taken = queue.waiting.splice(0);
    const { tasks, done, full } = applied(view, taken);
    for (const one of full) one.settle('full');
    try {
      const annotations = {
        ...annotationsFor(view.framework, view.tasks, tasks),
        ...ledgerAnnotations(pod, { info: view.info, tasks }),
      };
      if (Object.keys(annotations).length > 0) {
        const { uid, resourceVersion } = pod.metadata;
        const body = { metadata: { uid, resourceVersion, annotations } };
        queue.latest = await this.#options.kube.patch<Pod>(PODS, queue.where, 'merge', body);
      }
      const isResized = await this.#resize(queue);
      for (const one of done) one.settle('written');
      return taken.length > 0 || isResized;
    } catch (error) {
      // Edits say the same again on the newer record.
      queue.waiting.unshift(...done);
      throw error;
    }
  }

  async #resize(queue: Queue): Promise<boolean> {
    const pod = queue.latest;
    const view = executorViewOf(pod);
    const { phase } = pod.status ?? {};
    if (view === undefined || pod.metadata.deletionTimestamp !== undefined) return false;
    if (phase === 'Succeeded' || phase === 'Failed') return false;
    const patch = resizePatch(pod, view);
    if (patch === undefined) return false;
    try {
      queue.latest = await this.#options.kube.patch<Pod>(PODS, queue.where, 'json', patch, {
        subresource: 'resize',
      });
      return true;
    } catch (error) {
      if (!isKubeError(error, 'invalid', 'forbidden', 'badRequest')) throw error;
      this.#options.log.warn('an executor cannot be resized', { pod: queue.where.name, error });
      this.#options.onResizeRefused(pod, error.message);
      return false;
    }
  }

  async #mayTryAgain(queue: Queue, error: unknown, delayMs: number): Promise<boolean> {
    if (isKubeError(error, 'notFound')) return false;
    const known = toOperatorError(error);
    if (REQUEUE_RULES[known.code].kind === 'drop') return false;
    try {
      if (!isKubeError(error, 'conflict', 'unknownOutcome')) {
        this.#options.log.warn('executor record not written, will be tried again', {
          pod: queue.where.name,
          delayMs,
          error,
        });
        await sleep(this.#options.clock, delayMs, this.#stopped.signal);
      }
      const read = await this.#options.kube.get<Pod>(PODS, queue.where);
      if (read.metadata.uid !== queue.uid) return false;
      queue.latest = read;
      return true;
    } catch (readError) {
      if (this.#stopped.signal.aborted || isKubeError(readError, 'notFound')) return false;
      await sleep(this.#options.clock, delayMs, this.#stopped.signal).catch(() => undefined);
      return !this.#stopped.signal.aborted;
    }
  }
}

function applied(
  view: ExecutorView,
  taken: readonly Waiting[],
): {
  readonly tasks: ReadonlyMap<TaskId, StoredTask>;
  readonly done: readonly Waiting[];
  readonly full: readonly Waiting[];
} {
  let tasks = new Map(view.tasks);
  const done: Waiting[] = [];
  const full: Waiting[] = [];
  for (const one of taken) {
    const next = new Map(tasks);
    const fits = one.edit(next, view) && hasRoom(view, tasks, next);
    (fits ? done : full).push(one);
    if (fits) tasks = next;
  }
  return { tasks, done, full };
}

/** What makes the record no longer always fits. */
function hasRoom(
  { info }: ExecutorView,
  before: ReadonlyMap<TaskId, StoredTask>,
  after: ReadonlyMap<TaskId, StoredTask>,
): boolean {
  const bytes = recordBytes(info, after.values());
  return bytes <= MAX_RECORD_BYTES || bytes <= recordBytes(info, before.values());
}

const newer = (left: Pod, right: Pod): Pod =>
  compareVersions(left.metadata.resourceVersion ?? '', right.metadata.resourceVersion ?? '') >= 0
    ? left
    : right;
