import { beforeEach, expect, test } from '@jest/globals';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { createUsageBoard, type PodUsage, type UsageBoard } from './usage.ts';

let clock: FakeClock;
let board: UsageBoard;
beforeEach(() => {
  clock = new FakeClock();
  board = createUsageBoard(clock);
});
const pod = (uid: string, cpuMillis: number): PodUsage => ({ uid, cpuMillis, memoryBytes: 1024 });

test('what an agent measured last counts', () => {
  board.report('node-1', [pod('a', 100), pod('b', 50)]);
  board.report('node-1', [pod('a', 200)]);
  expect(board.usedBy('a')).toEqual({ cpus: 200, mem: 1024 });
  expect(board.usedBy('b')).toBeUndefined();
});
test('what nobody measured is unknown, not zero; what was measured as nothing is nothing', () => {
  board.report('node-1', [{ uid: 'idle', cpuMillis: 0, memoryBytes: 0 }]);
  expect(board.usedBy('idle')).toEqual({});
  expect(board.usedBy('other')).toBeUndefined();
});
test('a measurement is good for a minute', async () => {
  board.report('node-1', [pod('a', 100)]);
  await clock.advance(60_000);
  expect(board.usedBy('a')).toBeDefined();
  await clock.advance(1);
  expect(board.usedBy('a')).toBeUndefined();
});
test('a Pod that came back on another node is not forgotten with the first', () => {
  board.report('node-1', [pod('a', 100)]);
  board.report('node-2', [pod('a', 300)]);
  board.report('node-1', []);
  expect(board.usedBy('a')).toMatchObject({ cpus: 300 });
});
test('beyond ten thousand nodes the longest silent one goes', () => {
  for (let index = 0; index < 10_000; index += 1) board.report(`n${index}`, [pod(`p${index}`, 1)]);
  board.report('n0', [pod('p0', 2)]);
  board.report('one-more', [pod('x', 1)]);
  expect(board.usedBy('p1')).toBeUndefined();
  expect(board.usedBy('p0')).toMatchObject({ cpus: 2 });
  expect(board.usedBy('x')).toBeDefined();
});
