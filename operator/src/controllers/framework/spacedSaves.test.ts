import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { SpacedSaves } from './spacedSaves.ts';

const INTERVAL_MS = 5_000;

function subject() {
  const clock = new FakeClock();
  const saved: { readonly id: number; readonly atMs: number }[] = [];
  const startMs = clock.monotonicMs();
  const saves = new SpacedSaves<number>({
    clock,
    intervalMs: INTERVAL_MS,
    save: (id) => saved.push({ id, atMs: clock.monotonicMs() - startMs }),
  });
  return { clock, saved, saves };
}

describe('SpacedSaves', () => {
  test('saves once for all changes of an interval', async () => {
    const { clock, saved, saves } = subject();
    saves.touch(1);
    await clock.advance(INTERVAL_MS - 1);
    saves.touch(1);
    expect(saved).toEqual([]);
    await clock.advance(10 * INTERVAL_MS);
    expect(saved).toEqual([{ id: 1, atMs: INTERVAL_MS }]);
  });

  test('does a large round in slices, each of them small, all within a second', async () => {
    const { clock, saved, saves } = subject();
    for (let id = 0; id < 1_000; id += 1) saves.touch(id);
    await clock.advance(INTERVAL_MS + 1_000);
    expect(new Set(saved.map((one) => one.id)).size).toBe(1_000);
    const atOnce = Map.groupBy(saved, (one) => one.atMs);
    expect(Math.max(...[...atOnce.values()].map((one) => one.length))).toBe(20);
  });

  test('what changes in every moment is saved once per interval, not once per slice', async () => {
    const { clock, saved, saves } = subject();
    for (let atMs = 0; atMs < 4 * INTERVAL_MS; atMs += 100) {
      for (let id = 0; id < 100; id += 1) saves.touch(id);
      await clock.advance(100);
    }
    const times = saved.filter((one) => one.id === 50).map((one) => one.atMs);
    expect(times.length).toBe(3);
    for (const [index, atMs] of times.entries())
      expect(atMs - (times[index - 1] ?? 0)).toBeGreaterThanOrEqual(INTERVAL_MS);
  });

  test('a change after a round is saved in the next round', async () => {
    const { clock, saved, saves } = subject();
    saves.touch(1);
    await clock.advance(INTERVAL_MS);
    saves.touch(2);
    await clock.advance(INTERVAL_MS);
    expect(saved.map((one) => one.id)).toEqual([1, 2]);
  });

  test('stops for good', async () => {
    const { clock, saved, saves } = subject();
    saves.touch(1);
    saves.stop();
    await clock.advance(10 * INTERVAL_MS);
    expect(saved).toEqual([]);
  });
});
