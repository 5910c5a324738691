import { type CancelTimer, type Clock, sleep } from '../ports/clock.ts';
import type { IdSource } from '../ports/idSource.ts';
import { isKubeError, type KubeApi } from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import { EVENTS } from '../schema/kubeKinds.ts';
import { EventBudget } from './eventBudget.ts';
import {
  type EventInput,
  eventName,
  eventObject,
  namespaceOfEvent,
  seriesKey,
  seriesPatch,
} from './eventSeries.ts';

export interface EventRecorderOptions {
  readonly api: Pick<KubeApi, 'create' | 'patch'>;
  readonly clock: Clock;
  readonly ids: IdSource;
  readonly log: Logger;
  /** `mezzo.dev/operator`: which program. */
  readonly controller: string;
  /** Which process of it. */
  readonly instance: string;
}

export interface EventRecorderStats {
  readonly queued: number;
  readonly series: number;
  readonly written: number;
  readonly dropped: number;
}

/** One event as stored, and how often it happened. */
interface Series {
  readonly key: string;
  readonly name: string;
  readonly input: EventInput;
  count: number;
  writtenCount: number;
  lastMs: number;
  lastMonotonicMs: number;
  stored: boolean;
  queued: boolean;
  nextWriteMonotonicMs: number;
}

const subjectKey = ({ regarding }: EventInput): string =>
  `${regarding.ref.kind}/${regarding.namespace ?? ''}/${regarding.name}`;

const MAX_QUEUED = 1_000;
const MAX_SERIES = 4_096;
/** A repeat within this time counts up the stored event; a later one is a new event. Source: client-go events v1. */
const SERIES_QUIET_MS = 6 * 60_000;
/** The count of a repeating event is written at most this often. */
const SERIES_WRITE_MS = 30_000;
const ATTEMPTS = 3;
const RETRY_MS = 1_000;

/**
 * Tells what happened as `events.k8s.io/v1` events. Best effort: it never throws, never waits, and drops events
 * (counted) rather than grow or slow the caller down.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #series = new Map<string, Series>();
  readonly #queue: Series[] = [];
  readonly #budget: EventBudget;
  readonly #timers = new Map<Series, CancelTimer>();
  readonly #stopping = new AbortController();
  #draining: Promise<void> | undefined;
  #written = 0;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#budget = new EventBudget(options.clock);
  }

  record(input: EventInput): void {
    if (this.#stopping.signal.aborted) return;
    const { clock } = this.#options;
    const monotonicMs = clock.monotonicMs();
    const series = this.#continued(input, monotonicMs) ?? this.#begin(input);
    if (series === undefined) {
      this.#dropped += 1;
      return;
    }
    series.count += 1;
    series.lastMs = clock.nowMs();
    series.lastMonotonicMs = monotonicMs;
    this.#enqueue(series, Math.max(0, series.nextWriteMonotonicMs - monotonicMs));
  }

  stats(): EventRecorderStats {
    return {
      queued: this.#queue.length,
      series: this.#series.size,
      written: this.#written,
      dropped: this.#dropped,
    };
  }

  /** Gives up what is still queued; resolves when the write under way has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort(new Error('the event recorder was stopped'));
    for (const cancel of this.#timers.values()) cancel();
    this.#dropped += this.#queue.length + this.#timers.size;
    this.#timers.clear();
    this.#queue.length = 0;
    await this.#draining;
  }

  #continued(input: EventInput, nowMs: number): Series | undefined {
    const key = seriesKey(input);
    const series = this.#series.get(key);
    if (series === undefined || nowMs - series.lastMonotonicMs > SERIES_QUIET_MS) return undefined;
    // Back to the end: the map drops the series longest without a repeat.
    this.#series.delete(key);
    this.#series.set(key, series);
    return series;
  }

  #begin(input: EventInput): Series | undefined {
    if (!this.#budget.spend(subjectKey(input))) return undefined;
    const key = seriesKey(input);
    const series: Series = {
      key,
      name: eventName(input.regarding.name, this.#options.ids.uuid()),
      input,
      count: 0,
      writtenCount: 0,
      lastMs: 0,
      lastMonotonicMs: 0,
      stored: false,
      queued: false,
      nextWriteMonotonicMs: 0,
    };
    this.#series.delete(key);
    this.#series.set(key, series);
    if (this.#series.size > MAX_SERIES) {
      const oldest = this.#series.keys().next();
      if (oldest.done !== true) this.#series.delete(oldest.value);
    }
    return series;
  }

  #enqueue(series: Series, delayMs: number): void {
    if (series.queued) return;
    if (this.#queue.length >= MAX_QUEUED) {
      this.#dropped += 1;
      return;
    }
    series.queued = true;
    if (delayMs > 0) {
      const cancel = this.#options.clock.setTimer(delayMs, () => {
        this.#timers.delete(series);
        this.#push(series);
      });
      this.#timers.set(series, cancel);
      return;
    }
    this.#push(series);
  }

  #push(series: Series): void {
    if (this.#stopping.signal.aborted) return;
    this.#queue.push(series);
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = undefined;
    });
  }

  async #drain(): Promise<void> {
    for (;;) {
      const series = this.#queue.shift();
      if (series === undefined) return;
      series.queued = false;
      series.nextWriteMonotonicMs = this.#options.clock.monotonicMs() + SERIES_WRITE_MS;
      await this.#write(series);
    }
  }

  async #write(series: Series): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#writeOnce(series);
        this.#written += 1;
        return;
      } catch (error) {
        const passing = isKubeError(error, 'unavailable', 'unknownOutcome', 'tooManyRequests');
        if (!passing || attempt >= ATTEMPTS || this.#stopping.signal.aborted) {
          this.#dropped += 1;
          this.#options.log.debug('event dropped', {
            reason: series.input.reason,
            regarding: series.input.regarding.name,
            error: error instanceof Error ? error.message : String(error),
          });
          return;
        }
        await sleep(this.#options.clock, RETRY_MS * attempt, this.#stopping.signal).catch(
          () => undefined,
        );
      }
    }
  }

  async #writeOnce(series: Series): Promise<void> {
    const { count } = series;
    if (!series.stored) await this.#create(series);
    if (count > 1 && count > series.writtenCount) await this.#count(series, count);
    series.writtenCount = count;
  }

  async #create(series: Series): Promise<void> {
    const { api, clock, controller, instance } = this.#options;
    const by = { controller, instance };
    const signal = this.#stopping.signal;
    const event = eventObject(series.input, by, series.name, clock.nowMs());
    try {
      await api.create(EVENTS, event, { signal });
    } catch (error) {
      // The name is unique: it exists because the reply to an earlier attempt was lost.
      if (!isKubeError(error, 'alreadyExists')) throw error;
    }
    series.stored = true;
  }

  async #count(series: Series, count: number): Promise<void> {
    const key = { name: series.name, namespace: namespaceOfEvent(series.input) };
    try {
      await this.#options.api.patch(EVENTS, key, 'merge', seriesPatch(count, series.lastMs), {
        signal: this.#stopping.signal,
      });
    } catch (error) {
      if (!isKubeError(error, 'notFound')) throw error;
      // Events are kept for about an hour: this one is gone, so the series starts again.
      series.stored = false;
      this.#series.delete(series.key);
    }
  }
}
