import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { AgentViewTask } from '../../../operator/src/schema/http/agentView.ts';
import { anyCodePoint } from '../../../test/support/anyCodePoint.ts';
import { logFilesInOrder, streamOf } from './criLog.ts';
import { directoryOf, placeOf } from './taskPath.ts';

const TIME = '2026-11-21T10:00:00.123456789Z';

describe('streams of a container log', () => {
  test.each([
    ['whole lines', [`${TIME} stdout F one`, `${TIME} stderr F two`, ''], 'one\n', 'two\n'],
    [
      'lines in pieces',
      [`${TIME} stdout P on`, `${TIME} stderr F x`, `${TIME} stdout F e`, ''],
      'one\n',
      'x\n',
    ],
    ['empty lines', [`${TIME} stdout F `, ''], '\n', ''],
    ['spaces and tags in the text', [`${TIME} stdout F a stderr F b`, ''], 'a stderr F b\n', ''],
    [
      'a line that is still being written',
      [`${TIME} stdout F one`, `${TIME} stdout F tw`],
      'one\ntw',
      '',
    ],
    ['a line cut off by rotation', ['out F rest', `${TIME} stdout F one`, ''], 'one\n', ''],
    ['garbage', ['', 'x', ' ', 'a b', ''], '', ''],
  ])('%s', (_name, lines, stdout, stderr) => {
    const log = Buffer.from(lines.join('\n'));
    expect([streamOf(log, 'stdout').toString(), streamOf(log, 'stderr').toString()]).toEqual([
      stdout,
      stderr,
    ]);
  });

  test('whatever was written comes back, stream by stream', () => {
    const Line = fc.record({
      stream: fc.constantFrom('stdout' as const, 'stderr' as const),
      text: fc.string({ unit: anyCodePoint }).map((one) => one.replaceAll('\n', '')),
      full: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(Line), (lines) => {
        const log = lines.map(
          (one) => `${TIME} ${one.stream} ${one.full ? 'F' : 'P'} ${one.text}\n`,
        );
        for (const stream of ['stdout', 'stderr'] as const) {
          const expected = lines
            .filter((one) => one.stream === stream)
            .map((one) => one.text + (one.full ? '\n' : ''));
          expect(streamOf(Buffer.from(log.join('')), stream).toString()).toBe(
            Buffer.from(expected.join('')).toString(),
          );
        }
      }),
    );
  });
});

test('log files from the oldest to the one being written', () => {
  const names = [
    '1.log',
    '0.log',
    'x.log',
    '0.log.20261121-100000',
    '0.log.20261121-110000.gz',
    '10.log',
    '1.log.20261121-120000',
  ];
  expect(logFilesInOrder(names)).toEqual([
    '0.log.20261121-100000',
    '0.log',
    '1.log.20261121-120000',
    '1.log',
    '10.log',
  ]);
});

const task = (id: string, podUid: string): AgentViewTask => ({
  podUid,
  podName: 'pod',
  namespace: 'apps',
  container: 'task',
  id,
  name: id,
  framework: 'fw',
  role: 'web',
  state: 'TASK_RUNNING',
  completed: false,
  resources: {},
  mayReadLogs: true,
  mayReadFiles: true,
});
const TASKS = [task('a', 'uid-1'), task('a', 'uid-2'), task('a.b', 'uid-3')];
const SANDBOX = '/var/lib/mesos/slaves/node-1/frameworks/fw/executors/a/runs';

describe('paths of clients', () => {
  test.each([
    [`${SANDBOX}/uid-1`, 'uid-1', []],
    [`${SANDBOX}/uid-1/`, 'uid-1', []],
    [`${SANDBOX}/uid-2/logs//x.txt`, 'uid-2', ['logs', 'x.txt']],
    [`${SANDBOX}/latest/stdout`, 'uid-2', ['stdout']],
  ])('%s', (path, uid, parts) => {
    const place = placeOf(path, 'node-1', TASKS);
    expect([place?.task.podUid, place?.parts]).toEqual([uid, parts]);
  });

  test.each([
    '',
    '/',
    '/etc/passwd',
    SANDBOX,
    `${SANDBOX}/uid-4`,
    `${SANDBOX}/uid-1x/y`,
    `${SANDBOX}/uid-1/../uid-2/x`,
    `${SANDBOX}/uid-1/./x`,
    `${SANDBOX}/uid-1/x\u0000`,
    `x${SANDBOX}/uid-1`,
  ])('%j is nobody’s', (path) => {
    expect(placeOf(path, 'node-1', TASKS)).toBeUndefined();
  });

  test('only single names come out, whatever is asked for', () => {
    const Piece = fc.oneof(
      fc.constantFrom('..', '.', '/', '//', 'uid-1', 'latest', '\u0000', 'stdout', '%2e%2e'),
      fc.string({ maxLength: 5 }),
    );
    fc.assert(
      fc.property(fc.array(Piece, { maxLength: 8 }), (pieces) => {
        const place = placeOf(
          `${directoryOf('node-1', task('a', 'uid-1'))}/${pieces.join('/')}`,
          'node-1',
          TASKS,
        );
        for (const part of place?.parts ?? []) {
          expect(['', '.', '..']).not.toContain(part);
          expect(part.includes('/') || part.includes('\u0000')).toBe(false);
        }
      }),
    );
  });
});
