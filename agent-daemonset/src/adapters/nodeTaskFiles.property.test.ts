import { spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { createNodeTaskFiles } from './nodeTaskFiles.ts';

const files = createNodeTaskFiles();
const SECRET = 'the secret of another';
let home: string;
let root: string;

beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'mezzo-files-')));
  root = join(home, 'sandbox');
  mkdirSync(join(root, 'sub'), { recursive: true });
  mkdirSync(join(home, 'sandbox-of-another'));
  writeFileSync(join(home, 'secret'), SECRET);
  writeFileSync(join(home, 'sandbox-of-another', 'secret'), SECRET);
  writeFileSync(join(root, 'own'), 'own text');
  writeFileSync(join(root, 'sub', 'deep'), 'deep text');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const everything = { offset: 0, length: 1024 };
const textAt = (...parts: readonly string[]): string | undefined =>
  files.read(root, parts, everything)?.bytes.toString();

describe('reads what is in the root', () => {
  test('files, pieces of them, directories, links within', () => {
    symlinkSync('sub/deep', join(root, 'link'));
    symlinkSync(join(root, 'sub'), join(root, 'folder'));
    expect(textAt('own')).toBe('own text');
    expect(textAt('sub', 'deep')).toBe('deep text');
    expect(textAt('link')).toBe('deep text');
    expect(textAt('folder', 'deep')).toBe('deep text');
    expect(files.read(root, ['own'], { offset: 4, length: 2 })).toEqual({
      bytes: Buffer.from('te'),
      sizeBytes: 8,
    });
    expect(files.list(root, [])?.map((one) => [one.name, one.kind])).toEqual([
      ['folder', 'other'],
      ['link', 'other'],
      ['own', 'file'],
      ['sub', 'directory'],
    ]);
    expect(files.stat(root, ['own'])).toMatchObject({ kind: 'file', sizeBytes: 8, links: 1 });
  });

  test('what is not there, or is neither file nor directory, is nothing', () => {
    expect(textAt('nope')).toBeUndefined();
    expect(textAt('sub')).toBeUndefined();
    expect(files.list(root, ['own'])).toBeUndefined();
    expect(files.list(join(home, 'no-root'), [])).toBeUndefined();
    symlinkSync('/dev/zero', join(root, 'zero'));
    expect(textAt('zero')).toBeUndefined();
  });
});

test('no name and no link leads out of the root', () => {
  const targets = [
    join('..', 'secret'),
    join('..', '..', 'secret'),
    '..',
    '/',
    '/proc/self',
    '/proc/self/root',
    'sub/..',
    '../sandbox-of-another',
    '../sandbox-of-another/secret',
    'loop',
    'link1',
    'link2/secret',
  ];
  const Target = fc.oneof(fc.constantFrom(...targets), fc.constant(undefined));
  const Part = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('link1', 'link2', 'loop', 'sub', 'own', 'secret') },
    { weight: 2, arbitrary: fc.constantFrom('..', '.', '', 'home', 'sandbox-of-another') },
    { weight: 1, arbitrary: fc.string({ maxLength: 8 }) },
  );
  fc.assert(
    fc.property(
      fc.tuple(Target, Target, Target),
      fc.array(Part, { maxLength: 5 }),
      (links, parts) => {
        const made = ['link1', 'link2', 'loop'].filter((name, index) => {
          const target = links[index];
          if (target === undefined) return false;
          symlinkSync(target === '/' ? home : target, join(root, name));
          return true;
        });
        try {
          expect(textAt(...parts)).not.toBe(SECRET);
          const names = files.list(root, parts)?.map((one) => one.name) ?? [];
          expect(names).not.toContain('sandbox-of-another');
          expect(names).not.toContain('secret');
        } finally {
          for (const name of made) unlinkSync(join(root, name));
        }
      },
    ),
    { numRuns: 1_000 },
  );
});

/** Turns the directory `sub` into a link and back, as fast as it can. */
const TURNING = `
const fs = require('node:fs');
process.chdir(process.argv[1]);
for (;;) {
  fs.renameSync('sub', 'aside');
  fs.symlinkSync('../sandbox-of-another', 'sub');
  fs.unlinkSync('sub');
  fs.renameSync('aside', 'sub');
}`;

test('a task that turns a directory into a link while it is read gains nothing', async () => {
  writeFileSync(join(root, 'sub', 'secret'), 'harmless');
  const task = spawn(process.execPath, ['-e', TURNING, root], { stdio: 'ignore' });
  const seen = new Map<string | undefined, number>();
  const endMs = Date.now() + 1_500;
  while (Date.now() < endMs) {
    for (let look = 0; look < 200; look += 1) {
      const text = textAt('sub', 'secret');
      seen.set(text, (seen.get(text) ?? 0) + 1);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  const ended = new Promise((resolve) => task.once('exit', resolve));
  task.kill('SIGKILL');
  await ended;
  // Both moments were met, so there was something to win.
  expect(new Set(seen.keys())).toEqual(new Set(['harmless', undefined]));
});
