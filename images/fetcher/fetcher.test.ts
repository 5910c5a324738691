import { mkdir, mkdtemp, readFile, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { exec } from '../../local-cluster/support/exec.ts';
import { fetchAll } from './fetchAll.ts';
import type { FetchItem } from './fetchSpec.ts';

let dir: string;
let sandbox: string;
let server: Server;
let files: { [path: string]: Buffer | { readonly redirect: string } };

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'mezzo-fetcher-'));
  sandbox = join(dir, 'sandbox');
  await mkdir(sandbox);
  files = {};
  server = createServer((request, response) => {
    const found = files[request.url ?? ''];
    if (found === undefined) response.writeHead(404).end();
    else if (Buffer.isBuffer(found)) response.end(found);
    else response.writeHead(302, { location: found.redirect }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(dir, { recursive: true, force: true });
});

const urlOf = (path: string): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
const item = (path: string, more: Partial<FetchItem> = {}): FetchItem => ({
  url: urlOf(path),
  output: path.split('/').at(-1) ?? '',
  extract: true,
  executable: false,
  ...more,
});
const fetchItems = (items: readonly FetchItem[], more: object = {}): Promise<void> =>
  fetchAll({ sandbox, maxBytes: 1_000_000, items: [...items], ...more }, () => undefined);
const textOf = (name: string): Promise<string> => readFile(join(sandbox, name), 'utf8');
const modeOf = async (name: string): Promise<number> =>
  (await stat(join(sandbox, name))).mode & 0o777;

/** One tar entry by hand: what no honest tar would write. */
function tarEntry(name: string, type: string, content = '', link = ''): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write('0000755\u0000', 100);
  header.write(`${content.length.toString(8).padStart(11, '0')}\u0000`, 124);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\u0000 `, 148);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body]);
}
const tar = (...entries: readonly Buffer[]): Buffer =>
  Buffer.concat([...entries, Buffer.alloc(1024)]);

function zip(
  entries: readonly { name: string; content: string; mode?: number; stored?: boolean }[],
): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { name, content, mode = 0o100644, stored = false } of entries) {
    const data = stored ? Buffer.from(content) : deflateRawSync(content);
    const local = Buffer.alloc(30 + name.length);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.write(name, 30);
    const entry = Buffer.alloc(46 + name.length);
    entry.writeUInt32LE(0x02014b50, 0);
    entry.writeUInt8(3, 5);
    entry.writeUInt16LE(stored ? 0 : 8, 10);
    entry.writeUInt32LE(crc32(content), 16);
    entry.writeUInt32LE(data.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt16LE(mode, 40);
    entry.writeUInt32LE(offset, 42);
    entry.write(name, 46);
    parts.push(local, data);
    directory.push(entry);
    offset += local.length + data.length;
  }
  const bytes = directory.reduce((sum, one) => sum + one.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(entries.length, 10);
  end.writeUInt32LE(bytes, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, ...directory, end]);
}

describe('files', () => {
  test('are stored under their names, executable only when asked for', async () => {
    files = { '/a/plain': Buffer.from('one'), '/tool': Buffer.from('two') };
    await fetchItems([item('/a/plain'), item('/tool', { output: 'bin/run', executable: true })]);
    expect(await textOf('plain')).toBe('one');
    expect(await modeOf('plain')).toBe(0o644);
    expect(await modeOf('bin/run')).toBe(0o755);
  });

  test('come through redirections, but not from other hosts nor without end', async () => {
    files = {
      '/moved': { redirect: '/here' },
      '/here': Buffer.from('x'),
      '/away': { redirect: 'http://localhost:1/x' },
      '/round': { redirect: '/round' },
      '/file': { redirect: 'file:///etc/passwd' },
    };
    const allowedHosts = ['127.0.0.1'];
    await fetchItems([item('/moved')], { allowedHosts });
    expect(await textOf('moved')).toBe('x');
    await expect(fetchItems([item('/away')], { allowedHosts })).rejects.toThrow("host 'localhost'");
    await expect(fetchItems([item('/round')])).rejects.toThrow('redirections');
    await expect(fetchItems([item('/file')])).rejects.toThrow("redirected to 'file:'");
  });

  test('that are not there, or nobody serves, fail with their address', async () => {
    await expect(fetchItems([item('/none')])).rejects.toThrow(`${urlOf('/none')}: answered 404`);
    const dead = { ...item('/x'), url: 'http://127.0.0.1:1/x' };
    await expect(fetchItems([dead])).rejects.toThrow(/127\.0\.0\.1:1\/x: fetch failed: .+/);
  });

  test('that are too large stop the fetch, all of them counted together', async () => {
    files = { '/a': Buffer.alloc(600), '/b': Buffer.alloc(600) };
    await fetchItems([item('/a')], { maxBytes: 600 });
    await expect(fetchItems([item('/a'), item('/b')], { maxBytes: 1000 })).rejects.toThrow(
      /\/b: more than 1000 bytes/,
    );
  });
});

describe('archives', () => {
  test('of the real tar are unpacked into the sandbox, long names and links included', async () => {
    const source = join(dir, 'source');
    // Too long for one field of a header; ustar splits it in two, the others have records of their own.
    const long = `${'m'.repeat(80)}/${'n'.repeat(60)}`;
    await mkdir(join(source, 'sub', long), { recursive: true });
    await writeFile(join(source, 'sub', long, 'deep'), 'deep');
    await writeFile(join(source, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
    await symlink('run.sh', join(source, 'alias'));
    for (const format of ['gnu', 'pax', 'ustar']) {
      const path = join(dir, `${format}.tar.gz`);
      await exec('tar', ['--format', format, '-czf', path, '-C', source, '.']);
      files[`/${format}.tar.gz`] = await readFile(path);
      await fetchItems([item(`/${format}.tar.gz`)]);
      expect(await textOf(`sub/${long}/deep`)).toBe('deep');
      expect(await modeOf('run.sh')).toBe(0o755);
      expect(await readlink(join(sandbox, 'alias'))).toBe('run.sh');
      await rm(sandbox, { recursive: true });
      await mkdir(sandbox);
    }
  });

  test('zip and gz', async () => {
    files = {
      '/a.zip': zip([
        { name: 'z/one', content: 'one'.repeat(10_000), mode: 0o100755 },
        { name: 'two', content: 'two', stored: true },
      ]),
      '/b.txt.gz': gzipSync('packed'),
    };
    await fetchItems([item('/a.zip'), item('/b.txt.gz')]);
    expect(await textOf('z/one')).toBe('one'.repeat(10_000));
    expect(await modeOf('z/one')).toBe(0o755);
    expect(await textOf('two')).toBe('two');
    expect(await textOf('b.txt')).toBe('packed');
  });

  test('stay packed when it is not asked for', async () => {
    files = { '/a.tar': tar(tarEntry('x', '0', 'x')) };
    await fetchItems([item('/a.tar', { extract: false })]);
    await expect(textOf('x')).rejects.toThrow('ENOENT');
  });

  test.each([
    ['a name that leads upwards', tar(tarEntry('../evil', '0', 'x')), 'leads out'],
    ['an absolute name', tar(tarEntry('/tmp/evil', '0', 'x')), 'leads out'],
    ['a link upwards', tar(tarEntry('l', '2', '', '../..')), 'leads out'],
    ['an absolute link', tar(tarEntry('l', '2', '', '/etc')), 'leads out'],
    [
      'a file through a link',
      tar(tarEntry('d', '5'), tarEntry('l', '2', '', 'd'), tarEntry('l/x', '0', 'x')),
      "'l' is no folder",
    ],
    ['a hard link upwards', tar(tarEntry('h', '1', '', '../../etc/passwd')), 'leads out'],
    [
      'a hard link to a link',
      tar(tarEntry('l', '2', '', 'x'), tarEntry('h', '1', '', 'l')),
      'another link',
    ],
    ['a device', tar(tarEntry('dev', '3')), 'neither file'],
    ['an end that is missing', tarEntry('x', '0', 'y'.repeat(600)).subarray(0, 600), 'cut off'],
    ['something else', Buffer.alloc(2048, 'x'), 'the archive is damaged'],
    ['one flipped bit', tar(tarEntry('y', '0', 'x')).fill('z', 0, 1), 'no tar archive'],
  ])('tar: %s is refused', async (_name, content, message) => {
    files = { '/a.tar': content };
    await expect(fetchItems([item('/a.tar')])).rejects.toThrow(message);
  });

  test.each([
    ['a name that leads upwards', zip([{ name: '../evil', content: 'x' }]), 'leads out'],
    ['a link', zip([{ name: 'l', content: '/etc', mode: 0o120777 }]), 'links are not unpacked'],
    ['a cut', zip([{ name: 'a', content: 'x' }]).subarray(20), 'zip archive is'],
    ['something else', Buffer.alloc(2048, 'x'), 'no zip archive'],
  ])('zip: %s is refused', async (_name, content, message) => {
    files = { '/a.zip': content };
    await expect(fetchItems([item('/a.zip')])).rejects.toThrow(message);
  });

  test.each([
    ['/bomb.tar.gz', gzipSync(tar(tarEntry('x', '0', '0'.repeat(500_000))))],
    ['/bomb.zip', zip([{ name: 'x', content: '0'.repeat(500_000) }])],
    ['/bomb.gz', gzipSync('0'.repeat(500_000))],
  ])('%s that grows beyond the limit is stopped', async (path, content) => {
    files = { [path]: content };
    await expect(fetchItems([item(path)], { maxBytes: 100_000 })).rejects.toThrow('more than');
  });
});
