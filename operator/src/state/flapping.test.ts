import { describe, expect, test } from '@jest/globals';
import { DEFAULT_BACKOFF, isFlap, throttleMs } from './flapping.ts';
import type { TerminalState } from './taskState.ts';

describe('flapping', () => {
  test.each([
    [0, 0],
    [1, 30_000],
    [2, 60_000],
    [4, 240_000],
    [5, 300_000],
    [1000, 300_000],
  ])('after %i short runs in a row the next waits %i ms', (chain, delayMs) => {
    expect(throttleMs(chain, DEFAULT_BACKOFF)).toBe(delayMs);
  });

  interface Row {
    readonly name: string;
    readonly state: TerminalState;
    readonly startedAtMs?: number;
    readonly endedAtMs: number;
    readonly flap: boolean;
  }
  test.each<Row>([
    {
      name: 'a crash after a second',
      state: 'FAILED',
      startedAtMs: 0,
      endedAtMs: 1000,
      flap: true,
    },
    {
      name: 'a crash after 5 min',
      state: 'FAILED',
      startedAtMs: 0,
      endedAtMs: 300_000,
      flap: false,
    },
    { name: 'an early exit with 0', state: 'FINISHED', startedAtMs: 0, endedAtMs: 1, flap: true },
    { name: 'a task that never started', state: 'FAILED', endedAtMs: 900_000, flap: true },
    {
      name: 'a kill, e.g. a preemption',
      state: 'KILLED',
      startedAtMs: 0,
      endedAtMs: 1,
      flap: false,
    },
    {
      name: 'the loss of a running task',
      state: 'LOST',
      startedAtMs: 0,
      endedAtMs: 1,
      flap: false,
    },
    { name: 'a refusal by the node', state: 'LOST', endedAtMs: 1, flap: true },
  ])('$name is a flap: $flap', ({ name: _name, flap, ...run }) => {
    expect(isFlap(run, DEFAULT_BACKOFF)).toBe(flap);
  });
});
