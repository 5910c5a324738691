import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { Backoff } from './clientClock.ts';
import { createFileIdStore } from './idStore.ts';
import { fits, rangesOf, scalar, scalarOf, take } from './resources.ts';
import { errorOfEvent, errorOfStatus } from './schedulerError.ts';

describe('resources', () => {
  const offered = [
    { ...scalar('cpus', 0.1), role: '*' },
    { ...scalar('cpus', 0.2), reservations: [{ type: 'DYNAMIC', role: 'eng' } as const] },
    { ...scalar('cpus', 4), revocable: {} },
    scalar('mem', 100),
    { ...scalar('mem', 64), disk: { persistence: { id: 'v' } } },
    {
      name: 'ports',
      type: 'RANGES' as const,
      ranges: {
        range: [
          { begin: 9, end: 9 },
          { begin: 3, end: 5 },
        ],
      },
    },
  ];

  test('sums are exact in thousandths and leave out revocable ones and volumes', () => {
    expect(scalarOf(offered, 'cpus')).toBe(0.3);
    expect(scalarOf(offered, 'mem')).toBe(100);
    expect(fits({ cpus: 0.3, mem: 100 }, { resources: offered })).toBe(true);
    expect(fits({ cpus: 0.301 }, { resources: offered })).toBe(false);
    expect(rangesOf(offered, 'ports')).toEqual([
      { begin: 3, end: 5 },
      { begin: 9, end: 9 },
    ]);
  });

  test('takes reserved resources first and keeps their form', () => {
    const part = take({ cpus: 0.25 }, offered);
    expect(part?.taken).toEqual([
      { ...offered[1], scalar: { value: 0.2 } },
      { ...offered[0], scalar: { value: 0.05 } },
    ]);
    expect(scalarOf(part?.left, 'cpus')).toBe(0.05);
    expect(take({ cpus: 0.4 }, offered)).toBeUndefined();
  });
});

describe('errors', () => {
  test.each([
    [401, 'who', false, 'unauthenticated', false],
    [403, 'not subscribed', false, 'notSubscribed', true],
    [403, 'no', true, 'refused', false],
    [
      400,
      "400 All non-subscribe calls should include the 'Mesos-Stream-Id' header",
      false,
      'notSubscribed',
      true,
    ],
    [400, '400 Framework cannot be found', false, 'notSubscribed', true],
    [400, "400 Expecting 'accept' to be present", false, 'badCall', false],
    [429, 'slow', false, 'overloaded', true],
    [501, 'never', false, 'badCall', false],
    [503, 'later', true, 'unreachable', true],
    [204, 'nothing', true, 'protocol', false],
  ] as const)('%i "%s" (subscribing: %s) is %s', (status, said, subscribing, code, retryable) => {
    expect(errorOfStatus(status, said, subscribing)).toMatchObject({ code, retryable, status });
  });
  test.each([
    ['Framework failed over', 'failedOver'],
    ['Framework has been removed', 'removed'],
    ['Role x is not valid', 'refused'],
  ] as const)('the event "%s" is %s', (message, code) => {
    const error = errorOfEvent(message);
    expect(error).toMatchObject({ code, retryable: false });
    expect(error.message.startsWith(message)).toBe(true);
  });
});

test('delays double up to the longest, with jitter of a half', () => {
  const draws = [0, 0.999, 0.5, 0, 0];
  const backoff = new Backoff(100, 400, () => draws.shift() ?? 0);
  expect([1, 2, 3, 4].map(() => Math.round(backoff.nextMs()))).toEqual([50, 200, 300, 200]);
  backoff.reset();
  expect(backoff.nextMs()).toBe(50);
});

test('a file keeps the framework id', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'mezzo-client-'));
  try {
    const store = createFileIdStore(join(dir, 'id'));
    expect(await store.load()).toBeUndefined();
    await store.save('abc-0001');
    expect(await createFileIdStore(join(dir, 'id')).load()).toBe('abc-0001');
    await store.clear();
    expect(await store.load()).toBeUndefined();
    await expect(createFileIdStore(dir).load()).rejects.toThrow('cannot be read');
  } finally {
    await rm(dir, { recursive: true });
  }
});
