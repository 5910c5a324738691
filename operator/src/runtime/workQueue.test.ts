import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { createSeededRng } from '../model/seededRng.ts';
import { KubeApiError } from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import { OperatorError } from './errors.ts';
import { keyBackOffMs, WorkQueue, type WorkQueueOptions, type WorkResult } from './workQueue.ts';

const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** Work that takes `workMs` of simulated time; `outcome` decides how each run ends. */
class Bench {
  readonly clock = new FakeClock();
  readonly queue: WorkQueue;
  readonly started: string[] = [];
  readonly startedAtMs: number[] = [];
  readonly #running = new Map<string, number>();
  mostAtOnce = 0;
  overlap = false;

  constructor(
    options: Partial<WorkQueueOptions> & {
      readonly workMs?: number;
      readonly outcome?: (key: string, run: number) => WorkResult;
    } = {},
  ) {
    const { workMs = 10, outcome = () => ({ kind: 'awaitChange' }), ...rest } = options;
    this.queue = new WorkQueue({
      name: 'test',
      clock: this.clock,
      rng: createSeededRng('queue'),
      log: silentLog,
      concurrency: 1,
      work: async (key) => {
        if (this.#running.has(key)) this.overlap = true;
        this.#running.set(key, 1);
        this.mostAtOnce = Math.max(this.mostAtOnce, this.#running.size);
        this.started.push(key);
        this.startedAtMs.push(this.clock.monotonicMs());
        const run = this.started.filter((one) => one === key).length;
        await new Promise<void>((resolve) => this.clock.setTimer(workMs, resolve));
        this.#running.delete(key);
        return outcome(key, run);
      },
      ...rest,
    });
  }
}

describe('add', () => {
  test('works on a key once however often it was added while it waited', async () => {
    const { queue, clock, started } = new Bench();
    for (let index = 0; index < 5; index += 1) queue.add('ns/a');
    queue.add('ns/b');
    expect(queue.stats().ready).toBe(2);
    queue.start();
    await clock.advance(1_000);
    expect(started).toEqual(['ns/a', 'ns/b']);
  });

  test('a key added while it runs is worked on once more afterwards, never at the same time', async () => {
    const bench = new Bench({ concurrency: 4 });
    bench.queue.start();
    bench.queue.add('ns/a');
    await bench.clock.advance(5);
    bench.queue.add('ns/a');
    bench.queue.add('ns/a');
    await bench.clock.advance(1_000);
    expect(bench.started).toEqual(['ns/a', 'ns/a']);
    expect(bench.overlap).toBe(false);
  });

  test('works on as many keys at once as allowed', async () => {
    const bench = new Bench({ concurrency: 3 });
    for (let index = 0; index < 10; index += 1) bench.queue.add(`ns/${index}`);
    bench.queue.start();
    await bench.clock.advance(5);
    expect(bench.queue.stats()).toMatchObject({ running: 3, ready: 7, oldestReadyMs: 5 });
    await bench.clock.advance(1_000);
    expect(bench.mostAtOnce).toBe(3);
    expect(bench.queue.stats()).toMatchObject({ running: 0, ready: 0, processed: 10 });
  });

  test('namespaces take turns: a busy one does not starve another', async () => {
    const { queue, clock, started } = new Bench();
    for (let index = 0; index < 100; index += 1) queue.add(`busy/${index}`);
    queue.add('calm/a');
    queue.add('calm/b');
    queue.start();
    await clock.advance(40);
    expect(started).toEqual(['busy/0', 'calm/a', 'busy/1', 'calm/b', 'busy/2']);
  });
});

describe('addAfter', () => {
  test('of several the earliest counts, and an add now takes their place', async () => {
    const { queue, clock, startedAtMs } = new Bench();
    queue.start();
    queue.addAfter('ns/a', 500);
    queue.addAfter('ns/a', 100);
    queue.addAfter('ns/a', 900);
    await clock.advance(5_000);
    expect(startedAtMs).toEqual([100]);
    queue.addAfter('ns/a', 700);
    queue.add('ns/a');
    await clock.advance(5_000);
    expect(startedAtMs).toEqual([100, 5_000]);
  });

  test('the result of the work can ask for another time', async () => {
    const { queue, clock, startedAtMs } = new Bench({
      outcome: (_key, run) =>
        run < 3 ? { kind: 'requeueAfter', delayMs: 1_000 } : { kind: 'awaitChange' },
    });
    queue.start();
    queue.add('ns/a');
    await clock.advance(60_000);
    expect(startedAtMs).toEqual([0, 1_010, 2_020]);
  });
});

describe('failures', () => {
  const failing = (error: () => Error, times: number): Bench =>
    new Bench({
      workMs: 0,
      outcome: (_key, run) => {
        if (run <= times) throw error();
        return { kind: 'awaitChange' };
      },
    });
  const gaps = (atMs: readonly number[]): number[] =>
    atMs.slice(1).map((ms, index) => ms - (atMs[index] ?? 0));

  test('back off exponentially with jitter, and success forgets them', async () => {
    const { queue, clock, startedAtMs } = failing(() => new KubeApiError('unavailable', 'down'), 9);
    queue.start();
    queue.add('ns/a');
    await clock.advance(60_000);
    const waits = gaps(startedAtMs);
    expect(waits).toHaveLength(9);
    for (const [index, waitMs] of waits.entries()) {
      expect(waitMs).toBeLessThanOrEqual(5 * 2 ** index);
      expect(waitMs).toBeGreaterThanOrEqual(0.75 * 5 * 2 ** index);
    }
    expect(queue.stats()).toMatchObject({ failing: 0, failed: 9, processed: 10 });
  });

  test('a conflict is tried again at once, then backs off', async () => {
    const { queue, clock, startedAtMs } = failing(() => new KubeApiError('conflict', 'stale'), 6);
    queue.start();
    queue.add('ns/a');
    await clock.advance(60_000);
    const waits = gaps(startedAtMs);
    expect(waits.slice(0, 3)).toEqual([5, 5, 5]);
    expect(waits[3]).toBeGreaterThanOrEqual(30);
  });

  test('Retry-After is kept', async () => {
    const { queue, clock, startedAtMs } = failing(
      () => new KubeApiError('tooManyRequests', 'slow down', { retryAfterMs: 4_000 }),
      1,
    );
    queue.start();
    queue.add('ns/a');
    await clock.advance(60_000);
    expect(gaps(startedAtMs)).toEqual([4_000]);
  });

  test('a refusal only a person can mend is looked at rarely; not leading drops the key', async () => {
    const invalid = failing(() => new KubeApiError('invalid', 'spec.instances'), 99);
    invalid.queue.start();
    invalid.queue.add('ns/a');
    await invalid.clock.advance(11 * 60_000);
    expect(invalid.started).toHaveLength(3);
    const lost = failing(() => new OperatorError('notLeader', 'gone'), 99);
    lost.queue.start();
    lost.queue.add('ns/a');
    await lost.clock.advance(11 * 60_000);
    expect(lost.started).toHaveLength(1);
    expect(lost.queue.stats()).toMatchObject({ failing: 0, delayed: 0 });
  });

  test('a policy of the caller is asked instead', async () => {
    const seen: string[] = [];
    const bench = new Bench({
      workMs: 0,
      outcome: () => {
        throw new TypeError('bug');
      },
      onFailure: (error, failures) => {
        seen.push(`${error.code} ${failures}`);
        return failures < 2 ? { kind: 'after', delayMs: 100 } : { kind: 'drop' };
      },
    });
    bench.queue.start();
    bench.queue.add('ns/a');
    await bench.clock.advance(10_000);
    expect(seen).toEqual(['bug 1', 'bug 2']);
    expect(gaps(bench.startedAtMs)).toEqual([100]);
  });
});

describe('stop', () => {
  test('waits for the work under way, starts nothing more, and leaves no timer', async () => {
    const { queue, clock, started } = new Bench();
    queue.start();
    queue.add('ns/a');
    queue.add('ns/b');
    queue.addAfter('ns/c', 20);
    await clock.settle();
    let stopped = false;
    const stopping = queue.stop().then(() => (stopped = true));
    await clock.settle();
    expect(stopped).toBe(false);
    queue.add('ns/d');
    await clock.advance(1_000);
    await stopping;
    expect(started).toEqual(['ns/a']);
    expect(queue.stats()).toMatchObject({ ready: 0, delayed: 0, running: 0 });
  });

  test('stuck work shows in the figures', async () => {
    const { queue, clock } = new Bench({ workMs: 600_000 });
    queue.start();
    queue.add('ns/a');
    await clock.advance(90_000);
    expect(queue.stats().longestRunningMs).toBe(90_000);
  });
});

test('the back-off of a key goes from 5 ms to 5 minutes and no further', () => {
  expect(keyBackOffMs(1, 0)).toBe(5);
  expect(keyBackOffMs(2, 0)).toBe(10);
  expect(keyBackOffMs(1_000, 0)).toBe(300_000);
  expect(keyBackOffMs(1_000, 0.999)).toBeGreaterThanOrEqual(225_000);
});
