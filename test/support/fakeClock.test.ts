import { describe, expect, test } from '@jest/globals';
import { sleep } from '../../operator/src/ports/clock.ts';
import { FakeClock } from './fakeClock.ts';

describe('FakeClock', () => {
  test('fires timers by time, then in the order they were set', async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    clock.setTimer(20, () => seen.push('b'));
    clock.setTimer(10, () => seen.push('a1'));
    clock.setTimer(10, () => seen.push('a2'));
    clock.setTimer(30, () => seen.push('c'));
    await clock.advance(20);
    expect(seen).toEqual(['a1', 'a2', 'b']);
    expect(clock.monotonicMs()).toBe(20);
  });

  test('keeps (time, sequence) order over many timers with ties and skips cancelled ones', async () => {
    const clock = new FakeClock();
    const seen: { at: number; seq: number }[] = [];
    const expected: { at: number; seq: number }[] = [];
    let x = 7;
    for (let seq = 0; seq < 500; seq += 1) {
      x = (x * 1103515245 + 12345) % 2147483648;
      const at = x % 20;
      const cancel = clock.setTimer(at, () => seen.push({ at, seq }));
      if (seq % 3 === 0) cancel();
      else expected.push({ at, seq });
    }
    await clock.advance(1000);
    expect(seen).toEqual(expected.toSorted((a, b) => a.at - b.at || a.seq - b.seq));
  });

  test('settles every continuation of one timer before the next fires', async () => {
    const clock = new FakeClock();
    const seen: string[] = [];
    clock.setTimer(10, () => {
      void (async () => {
        for (let i = 0; i < 50; i += 1) await Promise.resolve();
        seen.push('first settled');
      })();
    });
    clock.setTimer(10, () => seen.push('second'));
    await clock.advance(10);
    expect(seen).toEqual(['first settled', 'second']);
  });

  test('a loop of sleeps sees its own time pass', async () => {
    const clock = new FakeClock({ startMs: 1000 });
    const seen: number[] = [];
    void (async () => {
      for (let i = 0; i < 3; i += 1) {
        await sleep(clock, 5);
        seen.push(clock.nowMs());
      }
    })();
    await clock.advance(100);
    expect(seen).toEqual([1005, 1010, 1015]);
    expect(clock.nowMs()).toBe(1100);
  });

  test('runUntil stops at the event that makes the predicate true', async () => {
    const clock = new FakeClock();
    let ready = false;
    clock.setTimer(500, () => {
      ready = true;
    });
    clock.setTimer(501, () => undefined);
    expect(await clock.runUntil(() => ready)).toBe(true);
    expect(clock.monotonicMs()).toBe(500);
    expect(await clock.runUntil(() => false, 1000)).toBe(false);
    expect(clock.monotonicMs()).toBe(1500);
  });

  test('a step of the wall clock leaves durations alone', async () => {
    const clock = new FakeClock({ startMs: 0 });
    clock.stepWall(-3_600_000);
    await clock.advance(10);
    expect(clock.nowMs()).toBe(-3_599_990);
    expect(clock.monotonicMs()).toBe(10);
  });

  test('a loop that waits for nothing is an error, not a hang', async () => {
    const clock = new FakeClock();
    const again = (): void => void clock.setTimer(0, again);
    again();
    await expect(clock.advance(1)).rejects.toThrow('time stands still');
  });

  test('fires 100,000 timers in less than two seconds of processor time', async () => {
    const clock = new FakeClock();
    const count = 100_000;
    let fired = 0;
    const again = (): void => {
      fired += 1;
      if (fired < count) clock.setTimer(1, again);
    };
    clock.setTimer(1, again);
    const before = process.cpuUsage();
    await clock.advance(count);
    const { user, system } = process.cpuUsage(before);
    expect(fired).toBe(count);
    // The target is one second on an idle core. Processor time, because the machine may be shared.
    expect((user + system) / 1e6).toBeLessThan(2);
  });
});

describe('ProcessClock', () => {
  test('a fast clock sees its timers early in world time', async () => {
    const world = new FakeClock({ startMs: 0 });
    const fast = world.forProcess({ rate: 1.25, offsetMs: 7 });
    let firedAt = 0;
    fast.setTimer(100, () => {
      firedAt = world.monotonicMs();
    });
    await world.advance(200);
    expect(firedAt).toBe(80);
    expect(fast.monotonicMs()).toBe(250);
    expect(fast.nowMs()).toBe(257);
  });

  test('a process waits whole milliseconds, so a wait for its own clock ends', async () => {
    const world = new FakeClock();
    await world.advance(33_310);
    const clock = world.forProcess({ rate: 0.977 });
    await world.advance(1234.567);
    const untilMs = clock.monotonicMs() + 1e-12;
    let looks = 0;
    const look = (): void => {
      looks += 1;
      if (clock.monotonicMs() <= untilMs) clock.setTimer(untilMs - clock.monotonicMs(), look);
    };
    look();
    await world.advance(10);
    expect(looks).toBe(2);
  });

  test('a paused process wakes late and then sees all due timers in order', async () => {
    const world = new FakeClock();
    const clock = world.forProcess();
    const seen: string[] = [];
    clock.setTimer(20, () => seen.push(`late ${clock.monotonicMs()}`));
    clock.setTimer(10, () => seen.push(`early ${clock.monotonicMs()}`));
    const cancel = clock.setTimer(15, () => seen.push('cancelled while held'));
    clock.pause();
    await world.advance(100);
    expect(seen).toEqual([]);
    cancel();
    clock.resume();
    await world.advance(0);
    expect(seen).toEqual(['early 100', 'late 100']);
  });

  test('a killed process never wakes', async () => {
    const world = new FakeClock();
    const clock = world.forProcess();
    const seen: string[] = [];
    clock.setTimer(10, () => seen.push('woke'));
    clock.kill();
    clock.resume();
    await world.advance(100);
    expect(seen).toEqual([]);
  });
});
