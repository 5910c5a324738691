import { Backoff, type ClientClock, pause } from './clientClock.ts';
import { SchedulerError } from './schedulerError.ts';
import type { TaskRef, TaskStatus } from './wire.ts';

/** First and longest wait between two questions about the same tasks. Source: Mesos `docs/reconciliation.md`. */
const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;

interface Question {
  readonly pending: Map<string, TaskRef>;
  readonly answered: Map<string, TaskStatus>;
  readonly settled: AbortController;
}

/** Questions about tasks, asked again with growing pauses until each has an answer: the master may stay silent about some. */
export class Reconciliation {
  readonly #clock: ClientClock;
  readonly #random: () => number;
  readonly #ask: (tasks: readonly TaskRef[]) => Promise<void>;
  readonly #questions = new Set<Question>();

  constructor(options: {
    readonly clock: ClientClock;
    readonly random: () => number;
    readonly ask: (tasks: readonly TaskRef[]) => Promise<void>;
  }) {
    this.#clock = options.clock;
    this.#random = options.random;
    this.#ask = options.ask;
  }

  /** Any update of a task answers the question about it. */
  onStatus(status: TaskStatus): void {
    for (const { pending, answered, settled } of this.#questions) {
      if (!pending.delete(status.task_id.value)) continue;
      answered.set(status.task_id.value, status);
      if (pending.size === 0) settled.abort();
    }
  }

  /** Resolves with the answers, by task id; without the missing ones once `signal` aborts. */
  async untilAnswered(
    tasks: Iterable<TaskRef>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, TaskStatus>> {
    const pending = new Map<string, TaskRef>();
    for (const task of tasks) pending.set(task.task_id.value, task);
    const question: Question = { pending, answered: new Map(), settled: new AbortController() };
    const over = AbortSignal.any([signal, question.settled.signal]);
    const backoff = new Backoff(FIRST_MS, LONGEST_MS, this.#random);
    this.#questions.add(question);
    try {
      while (pending.size > 0 && !over.aborted) {
        await this.#askOnce([...pending.values()]);
        if (pending.size > 0) await pause(this.#clock, backoff.nextMs(), over);
      }
    } finally {
      this.#questions.delete(question);
    }
    return question.answered;
  }

  /** A lost connection is no reason to give up: the next round asks on the new one. */
  async #askOnce(tasks: readonly TaskRef[]): Promise<void> {
    try {
      await this.#ask(tasks);
    } catch (error) {
      if (!(error instanceof SchedulerError && error.retryable)) throw error;
    }
  }
}
