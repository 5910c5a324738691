import type { CancelTimer, Clock } from '../../../ports/clock.ts';
import { stateOf } from '../pod/containerFacts.ts';
import { TASK_CONTAINER } from '../pod/podMetadata.ts';
import { type ExecutorEntry, isExecutorAlive } from './executorEntry.ts';
import type { ExecutorLinks } from './executorLinks.ts';
import { isUnheard } from './executorRecord.ts';

export interface ExecutorPresenceOptions {
  readonly clock: Clock;
  readonly links: Pick<ExecutorLinks, 'endpointOf' | 'sessionOf'>;
  /** It had its time. */
  readonly onMissing: (entry: ExecutorEntry, limitMs: number) => void;
}

/** Source: Mesos `src/slave/flags.cpp`, `executor_registration_timeout`. */
const FIRST_LIMIT_MS = 60_000;
/** What the executor was told it has, see `MESOS_RECOVERY_TIMEOUT`. */
const RETURN_LIMIT_MS = 15 * 60_000;

/** Waits for executors that run and do not subscribe, while there is an agent they could subscribe with. */
export class ExecutorPresence {
  readonly #options: ExecutorPresenceOptions;
  /** By uid of the Pod. */
  readonly #timers = new Map<string, CancelTimer>();

  constructor(options: ExecutorPresenceOptions) {
    this.#options = options;
  }

  observe(entry: ExecutorEntry): void {
    const uid = entry.pod.metadata.uid ?? '';
    if (!this.#isMissing(entry)) {
      this.#timers.get(uid)?.();
      this.#timers.delete(uid);
      return;
    }
    if (this.#timers.has(uid)) return;
    const isNew = [...entry.view.tasks.values()].every(isUnheard);
    const limitMs = isNew ? FIRST_LIMIT_MS : RETURN_LIMIT_MS;
    const look = (): void => {
      this.#timers.delete(uid);
      if (this.#isMissing(entry)) this.#options.onMissing(entry, limitMs);
    };
    this.#timers.set(uid, this.#options.clock.setTimer(limitMs, look));
  }

  stop(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
  }

  #isMissing(entry: ExecutorEntry): boolean {
    const { links } = this.#options;
    const { agent, pod } = entry;
    return (
      isExecutorAlive(entry) &&
      stateOf(pod, TASK_CONTAINER)?.running !== undefined &&
      links.endpointOf(agent) !== undefined &&
      links.sessionOf(agent, pod.metadata.uid ?? '') === undefined
    );
  }
}
