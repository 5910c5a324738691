import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { exec } from '../support/exec.ts';
import { ensureUnit, parseSource } from './chain.ts';
import { pickSum } from './download.ts';
import type { AssetOptions, Unit } from './types.ts';

const PROGRAM = '#!/bin/sh\necho tool 1.2.3\n';
const sum = (text: string | Buffer) => createHash('sha256').update(text).digest('hex');

/** A release host on loopback: path → body; anything else is 404. */
let server: Server;
let base = '';
const pages = new Map<string, string | Buffer>();
const asked: string[] = [];

let cache = '';
let lines: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const body = pages.get(request.url ?? '');
    response.writeHead(body === undefined ? 404 : 200).end(body ?? 'not here');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
});

afterAll(() => new Promise((done) => server.close(done)));

beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), 'mezzo-assets-'));
  lines = [];
  pages.clear();
  asked.length = 0;
});

afterEach(() => rm(cache, { recursive: true, force: true }));

/** A unit whose build cannot work: the package it would be built from does not exist. */
function tool(members?: Record<string, string>): Unit {
  return {
    name: 'tool',
    version: '1.2.3',
    files: ['tool'],
    download: {
      url: `${base}/v{version}/tool`,
      checksumUrl: `${base}/v{version}/tool.sha256`,
      ...(members === undefined ? {} : { members }),
    },
    build: { kind: 'go', group: 'no-such-group', packages: { tool: '.' } },
  };
}

/** The same unit with a build that works and is quick. */
const buildable = (): Unit => ({
  ...tool(),
  build: { kind: 'go', group: 'pause', packages: { tool: '.' } },
});

function options(env: NodeJS.ProcessEnv = {}, from?: AssetOptions['from']): AssetOptions {
  return { from, log: (line) => lines.push(line), env: { MEZZO_CACHE: cache, ...env } };
}

describe('the chain: folder, cache, download, build', () => {
  test('a release whose checksum is right is downloaded once and runs', async () => {
    pages.set('/v1.2.3/tool', PROGRAM).set('/v1.2.3/tool.sha256', sum(PROGRAM));
    const dir = await ensureUnit(tool(), options());
    expect(await exec(join(dir, 'tool'), [])).toBe('tool 1.2.3\n');
    await ensureUnit(tool(), options());
    expect(asked).toEqual(['/v1.2.3/tool.sha256', '/v1.2.3/tool']);
  });

  test('an archive is unpacked to the files the table names', async () => {
    await mkdir(join(cache, 'src', 'bin'), { recursive: true });
    await writeFile(join(cache, 'src', 'bin', 'program'), PROGRAM);
    await exec('tar', ['-czf', join(cache, 'a.tgz'), '-C', join(cache, 'src'), 'bin']);
    const archive = await readFile(join(cache, 'a.tgz'));
    pages.set('/v1.2.3/tool', archive);
    pages.set('/v1.2.3/tool.sha256', `${sum('x')}  other\n${sum(archive)} *tool\n`);
    const dir = await ensureUnit(tool({ tool: 'bin/program' }), options());
    expect(await exec(join(dir, 'tool'), [])).toBe('tool 1.2.3\n');
  });

  test('a wrong checksum is refused, and the message names both sums', async () => {
    pages.set('/v1.2.3/tool', PROGRAM).set('/v1.2.3/tool.sha256', sum('something else'));
    const attempt = ensureUnit(tool(), options({}, 'download'));
    await expect(attempt).rejects.toThrow(
      `SHA-256 of ${base}/v1.2.3/tool is ${sum(PROGRAM)}, its release says ${sum('something else')}; not used`,
    );
  });

  test('a release that is not there says HTTP 404, and the build comes next', async () => {
    const dir = await ensureUnit(buildable(), options());
    expect(dir).toContain(join(cache, 'assets'));
    expect(lines).toContainEqual(
      `tool 1.2.3: download failed (${base}/v1.2.3/tool.sha256 answered HTTP 404); next: build`,
    );
    expect(lines.at(-1)).toMatch(/build done/);
  });

  test('with --assets-from build no release host is asked', async () => {
    pages.set('/v1.2.3/tool', PROGRAM).set('/v1.2.3/tool.sha256', sum(PROGRAM));
    await ensureUnit(buildable(), options({}, 'build'));
    await rm(join(cache, 'assets'), { recursive: true });
    await ensureUnit(buildable(), options({ MEZZO_ASSETS_FROM: 'build' }));
    expect(asked).toEqual([]);
  });

  test('when nothing works, the error tells of every step and the remedy', async () => {
    const env = { MEZZO_ASSETS: join(cache, 'empty') };
    await expect(ensureUnit(tool(), options(env))).rejects.toThrow(
      /MEZZO_ASSETS .*not in it[\s\S]*download: .*HTTP 404[\s\S]*build: [\s\S]*Remedy: .*MEZZO_ASSETS/,
    );
  });

  test('a folder named in MEZZO_ASSETS is used as it is', async () => {
    const folder = join(cache, 'mine');
    await mkdir(folder);
    await writeFile(join(folder, 'tool'), PROGRAM, { mode: 0o755 });
    expect(await ensureUnit(tool(), options({ MEZZO_ASSETS: folder }))).toBe(folder);
  });

  test('two callers at once download once', async () => {
    pages.set('/v1.2.3/tool', PROGRAM).set('/v1.2.3/tool.sha256', sum(PROGRAM));
    await Promise.all([ensureUnit(tool(), options()), ensureUnit(tool(), options())]);
    expect(asked.filter((path) => path === '/v1.2.3/tool')).toHaveLength(1);
  });
});

describe('input', () => {
  test('a checksum file without the file is refused', () => {
    expect(() => pickSum(`${sum('a')}  a\n${sum('b')}  b\n`, 'c')).toThrow(/no SHA-256 sum for c/);
  });

  test('an unknown source is refused with the permitted ones', () => {
    expect(() => parseSource('internet')).toThrow('"internet"; use "download" or "build"');
  });
});
