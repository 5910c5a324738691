import { type Clock, sleep } from '../../../operator/src/ports/clock.ts';
import type { Logger } from '../../../operator/src/ports/logger.ts';
import type { RelayedCall, RelayReply } from '../../../operator/src/schema/http/executorRelay.ts';
import type { OperatorLink } from '../ports/operatorLink.ts';

export interface UpdateQueueOptions {
  /** Uid of the executor's Pod. */
  readonly pod: string;
  readonly link: Pick<OperatorLink, 'call'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onEvents: (events: RelayReply['events']) => void;
  /** The executor has its stream still. */
  readonly isConnected: () => boolean;
  readonly onEmpty: () => void;
}

/** Updates of one executor that wait for the operator; one that sends more is told to wait. */
const MAX_WAITING = 1_000;
const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 2_000;
/** Refusals that will be the same another time. */
const FINAL: ReadonlySet<number> = new Set([400, 401]);

/** Brings the updates of one executor to the operator: in their order, each until the operator has taken it. */
export class UpdateQueue {
  readonly pod: string;
  readonly #options: UpdateQueueOptions;
  readonly #waiting: RelayedCall[] = [];
  readonly #stopped = new AbortController();
  #isRunning = false;

  constructor(options: UpdateQueueOptions) {
    this.#options = options;
    this.pod = options.pod;
  }

  /** False when it is full. */
  push(update: RelayedCall): boolean {
    if (this.#waiting.length >= MAX_WAITING) return false;
    this.#waiting.push(update);
    if (!this.#isRunning) void this.#run();
    return true;
  }

  stop(): void {
    this.#stopped.abort(new Error('the queue is stopped'));
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    const { clock, link, log, onEvents } = this.#options;
    let delayMs = FIRST_RETRY_MS;
    for (;;) {
      const [update] = this.#waiting;
      if (update === undefined || this.#stopped.signal.aborted) break;
      const answer = await link.call(update);
      if (answer?.status === 202) {
        this.#waiting.shift();
        delayMs = FIRST_RETRY_MS;
        onEvents(answer.events);
      } else if (answer !== undefined && this.#isFinal(answer)) {
        this.#waiting.shift();
        log.warn('update of an executor refused', { pod: this.pod, reason: answer.message });
      } else {
        await sleep(clock, delayMs, this.#stopped.signal).catch(() => undefined);
        delayMs = Math.min(delayMs * 2, LONGEST_RETRY_MS);
      }
    }
    this.#isRunning = false;
    this.#options.onEmpty();
  }

  /** "Not subscribed" is over as soon as the operator has heard of this agent's executors again. */
  #isFinal({ status }: RelayReply): boolean {
    return FINAL.has(status) || (status === 403 && !this.#options.isConnected());
  }
}
