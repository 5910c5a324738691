import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startProcess } from '../support/managedProcess.ts';
import { processStartTime } from '../support/processTable.ts';
import { findProcesses } from './processes.ts';
import { takeDown } from './takeDown.ts';

let dir = '';
let bystander: ChildProcess | undefined;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mezzo-down-'));
});

afterEach(async () => {
  bystander?.kill('SIGKILL');
  await rm(dir, { recursive: true, force: true });
});

const sleeper = (name: string) =>
  startProcess({ name, command: 'sleep', args: ['600'], dir, lifetime: 'parent' });

describe('taking a cluster down', () => {
  test('ends what its pid files name, and deletes its folder', async () => {
    const operator = await sleeper('operator');
    const etcd = await sleeper('etcd');
    const removed = await takeDown(dir);
    expect(removed[0]).toBe(`stopped operator (${operator.pid})`);
    expect(removed[1]).toBe(`stopped etcd (${etcd.pid})`);
    expect(removed.at(-1)).toBe(`deleted ${dir}`);
    expect([processStartTime(operator.pid), processStartTime(etcd.pid)]).toEqual([
      undefined,
      undefined,
    ]);
    expect(existsSync(dir)).toBe(false);
  });

  test('never ends a process that was given the pid of one that is gone', async () => {
    bystander = spawn('sleep', ['600']);
    const pid = bystander.pid ?? 0;
    const record = { name: 'operator', pid, startTime: 'of another process' };
    await writeFile(join(dir, 'operator.pid'), JSON.stringify(record));
    expect((await findProcesses(dir))[0]).toMatchObject({ pid, alive: false });
    await takeDown(dir);
    expect(processStartTime(pid)).toBeDefined();
  });

  test('says nothing when there is nothing', async () => {
    await rm(dir, { recursive: true });
    expect(await takeDown(dir)).toEqual([]);
  });
});
