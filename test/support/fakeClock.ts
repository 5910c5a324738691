import type { CancelTimer, Clock } from '../../operator/src/ports/clock.ts';
import { type HeapTimer, TimerHeap } from './timerHeap.ts';

/** The real `setImmediate`, taken before any test could replace it. */
const realSetImmediate = globalThis.setImmediate;

/** One turn of the real event loop: every promise continuation that is ready has run when it resolves. */
const turn = (): Promise<void> => new Promise((resolve) => realSetImmediate(resolve));

/** Where simulated time starts unless told otherwise: 2026-01-01T00:00:00Z, a Thursday. */
export const SIMULATION_START_MS = Date.UTC(2026, 0, 1);

/** More timers than this in one instant are a loop that waits for nothing. */
const MOST_AT_ONCE = 100_000;

export interface FakeClockOptions {
  /** Wall clock at the start, ms since the epoch. */
  readonly startMs?: number;
}

export interface ProcessClockOptions {
  /** Local seconds per world second: 1.1 is a clock that runs 10 % fast. */
  readonly rate?: number;
  /** Added to the wall clock, ms. */
  readonly offsetMs?: number;
}

/**
 * Simulated time. Nothing moves until `advance` or `runUntil` is awaited; timers then fire one at a time in the
 * order (time, sequence), and all promise continuations of one settle before the next fires.
 * The clock itself is the world's view; `forProcess` gives each simulated process its own.
 */
export class FakeClock implements Clock {
  readonly #timers = new TimerHeap();
  readonly #startMs: number;
  #elapsedMs = 0;
  #wallStepMs = 0;
  #seq = 0;
  #fired = 0;
  #running = false;

  constructor(options: FakeClockOptions = {}) {
    this.#startMs = options.startMs ?? SIMULATION_START_MS;
  }

  nowMs(): number {
    return Math.floor(this.#startMs + this.#elapsedMs + this.#wallStepMs);
  }

  monotonicMs(): number {
    return this.#elapsedMs;
  }

  /** How many timers have fired since the start; for tests of speed and of idleness. */
  get firedCount(): number {
    return this.#fired;
  }

  setTimer(delayMs: number, fire: () => void): CancelTimer {
    const timer: HeapTimer = {
      atMs: this.#elapsedMs + Math.max(0, delayMs),
      seq: this.#seq++,
      fire,
      cancelled: false,
    };
    this.#timers.push(timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Moves the wall clock of every view without moving durations, as a time server's step does. */
  stepWall(byMs: number): void {
    this.#wallStepMs += byMs;
  }

  /** Lets `byMs` pass: fires everything due in order, then settles what is left. */
  async advance(byMs: number): Promise<void> {
    await this.#run(this.#elapsedMs + byMs, undefined);
  }

  /**
   * Runs until `predicate` holds (checked after each timer) or `limitMs` has passed; tells whether it held.
   * Without any timer left time jumps to the limit.
   */
  async runUntil(predicate: () => boolean, limitMs = 3_600_000): Promise<boolean> {
    return this.#run(this.#elapsedMs + limitMs, predicate);
  }

  /** Lets ready promise continuations run without moving time. */
  async settle(): Promise<void> {
    await turn();
  }

  async #run(untilMs: number, predicate: (() => boolean) | undefined): Promise<boolean> {
    if (this.#running)
      throw new Error('FakeClock: advance and runUntil cannot run inside each other');
    this.#running = true;
    let firedNow = 0;
    try {
      await turn();
      for (;;) {
        if (predicate?.()) return true;
        const next = this.#timers.peek();
        if (next === undefined || next.atMs > untilMs) break;
        this.#timers.pop();
        this.#fired += 1;
        if (next.atMs > this.#elapsedMs) {
          this.#elapsedMs = next.atMs;
          firedNow = 0;
        } else if (++firedNow > MOST_AT_ONCE) {
          throw new Error(
            `FakeClock: ${MOST_AT_ONCE} timers fired at ${next.atMs} ms; time stands still`,
          );
        }
        next.fire();
        await turn();
      }
      this.#elapsedMs = untilMs;
      return predicate?.() ?? false;
    } finally {
      this.#running = false;
    }
  }

  forProcess(options: ProcessClockOptions = {}): ProcessClock {
    return new ProcessClock(this, options);
  }
}

/**
 * One process's view of the world clock. Paused (SIGSTOP, a long collection), its timers wait and all due ones
 * fire in order after `resume`; killed, none ever fires again. Its clocks run on while it is paused.
 */
export class ProcessClock implements Clock {
  readonly #world: FakeClock;
  readonly #rate: number;
  readonly #offsetMs: number;
  readonly #bornMs: number;
  #held: (() => void)[] = [];
  #state: 'running' | 'paused' | 'killed' = 'running';

  constructor(world: FakeClock, options: ProcessClockOptions) {
    this.#world = world;
    this.#rate = options.rate ?? 1;
    this.#offsetMs = options.offsetMs ?? 0;
    this.#bornMs = world.monotonicMs();
  }

  get state(): 'running' | 'paused' | 'killed' {
    return this.#state;
  }

  nowMs(): number {
    const drift = (this.#world.monotonicMs() - this.#bornMs) * (this.#rate - 1);
    return Math.floor(this.#world.nowMs() + this.#offsetMs + drift);
  }

  monotonicMs(): number {
    return (this.#world.monotonicMs() - this.#bornMs) * this.#rate;
  }

  setTimer(delayMs: number, fire: () => void): CancelTimer {
    let done = false;
    const run = (): void => {
      if (done || this.#state === 'killed') return;
      if (this.#state === 'paused') {
        this.#held.push(run);
        return;
      }
      done = true;
      fire();
    };
    // Whole milliseconds and at least one, as Node's timers: a delay of less than rounding would never end.
    const cancel = this.#world.setTimer(Math.max(1, Math.ceil(delayMs / this.#rate)), run);
    return () => {
      done = true;
      cancel();
    };
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** Each held timer fires as an event of its own, in the order it came due. */
  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    const held = this.#held;
    this.#held = [];
    for (const run of held) this.#world.setTimer(0, run);
  }

  kill(): void {
    this.#state = 'killed';
    this.#held = [];
  }
}
