import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { countingIds } from '../../../../test/support/frameworkHarness.ts';
import { frameworkId } from '../../model/ids.ts';
import { uuidFromBase64 } from '../../schema/mesos/call.ts';
import type { WireOperationStatus } from '../../schema/mesos/event.ts';
import { OperationStatuses } from './operationStatuses.ts';

const F = frameworkId('f');
let clock: FakeClock;
let told: WireOperationStatus[];
let isConnected: boolean;
let statuses: OperationStatuses;
beforeEach(() => {
  clock = new FakeClock();
  told = [];
  isConnected = true;
  statuses = new OperationStatuses({
    clock,
    ids: countingIds(),
    deliver: (_framework, status) => {
      if (isConnected) told.push(status);
      return isConnected;
    },
  });
});

const uuidOf = (status: WireOperationStatus | undefined): string =>
  uuidFromBase64(status?.uuid?.value ?? '') ?? '';

test('a refusal of the master carries neither uuid nor agent, and is told once', async () => {
  statuses.refuse(F, 'o', 'no');
  await clock.advance(3_600_000);
  expect(told).toEqual([{ operation_id: { value: 'o' }, state: 'OPERATION_ERROR', message: 'no' }]);
  expect(statuses.known(F)).toEqual([]);
});

describe('a result', () => {
  beforeEach(() => statuses.settle(F, 'o', { state: 'OPERATION_FINISHED', agent: 'a' }));

  test('is sent again after 10 s, then twice that, up to 10 min, with one uuid', async () => {
    const sentAtMs: number[] = [];
    for (let second = 0; second < 2_000; second += 1) {
      const before = told.length;
      await clock.advance(1_000);
      if (told.length > before) sentAtMs.push(second + 1);
    }
    expect(sentAtMs).toEqual([10, 30, 70, 150, 310, 630, 1230, 1830]);
    expect(new Set(told.map(uuidOf)).size).toBe(1);
    expect(told[0]).toMatchObject({ state: 'OPERATION_FINISHED', agent_id: { value: 'a' } });
  });

  test('is over once acknowledged with its uuid, and not before', async () => {
    statuses.acknowledge(F, 'o', 'another');
    await clock.advance(10_000);
    expect(told).toHaveLength(2);
    statuses.acknowledge(F, 'o', uuidOf(told[0]));
    await clock.advance(3_600_000);
    expect(told).toHaveLength(2);
    expect(statuses.known(F)).toEqual([]);
  });

  test('waits for a framework that is away, and comes when it returns', async () => {
    isConnected = false;
    await clock.advance(3_600_000);
    expect(told).toHaveLength(1);
    isConnected = true;
    statuses.resume(F);
    expect(told).toHaveLength(2);
    expect(uuidOf(told[1])).toBe(uuidOf(told[0]));
  });

  test('is forgotten with its framework', async () => {
    statuses.forget(F);
    await clock.advance(3_600_000);
    expect([told.length, statuses.known(F)]).toEqual([1, []]);
  });
});

test('an operation under way is known but not told', () => {
  statuses.settle(F, 'o', { state: 'OPERATION_PENDING' });
  expect(told).toEqual([]);
  expect(statuses.known(F)).toMatchObject([{ id: 'o', state: 'OPERATION_PENDING' }]);
  statuses.settle(F, 'o', { state: 'OPERATION_FAILED' });
  expect(statuses.known(F)).toHaveLength(1);
  expect(told).toMatchObject([{ state: 'OPERATION_FAILED' }]);
});

test('the oldest of more than 1,000 is forgotten', () => {
  for (let count = 0; count <= 1_000; count += 1)
    statuses.settle(F, `o${count}`, { state: 'OPERATION_FINISHED' });
  expect(statuses.known(F)).toHaveLength(1_000);
  expect(statuses.known(F)[0]?.id).toBe('o1');
});
