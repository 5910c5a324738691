import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { extract } from 'tar-stream';
import { buildMezzoImage, sharedLibraries } from '../../../images/build.ts';
import { bundle } from '../../../images/bundle.ts';
import { exec, tryExec } from '../../../local-cluster/support/exec.ts';

let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'mezzo-image-'));
});

afterAll(async () => {
  if (scratch !== undefined) await rm(scratch, { recursive: true, force: true });
});

async function digest(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Small files of a tar by name; of larger ones only the name. */
async function entries(path: string): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const reader = extract();
  const reading = pipeline(createReadStream(path), reader);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    const isSmall = (entry.header.size ?? 0) < 100_000;
    for await (const chunk of entry) if (isSmall) chunks.push(chunk as Buffer);
    found.set(entry.header.name, Buffer.concat(chunks).toString('utf8'));
  }
  await reading;
  return found;
}

describe('bundles', () => {
  test('run outside the tree, with nothing beside them', async () => {
    const bundles = await bundle(join(scratch, 'bundles'));
    expect(bundles.map(({ program }) => program)).toEqual(['operator', 'agent', 'fetcher']);
    for (const { path } of bundles) {
      const { stdout, stderr } = await tryExec(process.execPath, [path, '--help'], { cwd: '/' });
      expect(`${stdout}${stderr}`).toMatch(/^usage: /);
    }
  }, 120_000);
});

describe('image', () => {
  test('has the same bytes when built again, and runs as a user that is not root', async () => {
    const first = await buildMezzoImage(join(scratch, 'first.tar'), 'mezzo.local/mezzo:test');
    const second = await buildMezzoImage(join(scratch, 'second.tar'), 'mezzo.local/mezzo:test');
    expect(await digest(second.path)).toBe(await digest(first.path));
    const files = await entries(first.path);
    const [manifest] = JSON.parse(files.get('manifest.json') ?? '[]') as [
      { Config: string; RepoTags: string[]; Layers: string[] },
    ];
    expect(manifest.RepoTags).toEqual(['mezzo.local/mezzo:test']);
    expect(manifest.Layers).toHaveLength(1);
    expect(JSON.parse(files.get(manifest.Config) ?? '{}')).toMatchObject({
      config: { User: '65532:65532', Entrypoint: ['node'], WorkingDir: '/app' },
    });
    await rm(second.path);
  }, 240_000);

  test('holds Node, its libraries, certificates and the three programs', async () => {
    const layer = join(scratch, 'layer.tar');
    const name = await layerOf(join(scratch, 'first.tar'));
    await exec('sh', ['-c', 'tar -xOf "$0" "$1" > "$2"', join(scratch, 'first.tar'), name, layer]);
    const files = [...(await entries(layer)).keys()];
    expect(files).toEqual(
      expect.arrayContaining([
        'app/operator.mjs',
        'app/agent.mjs',
        'app/fetcher.mjs',
        'usr/local/bin/node',
        'etc/ssl/certs/ca-certificates.crt',
        'etc/passwd',
      ]),
    );
    const libraries = await sharedLibraries(process.execPath);
    expect(libraries.some((path) => path.includes('libstdc++'))).toBe(true);
    expect(files).toEqual(expect.arrayContaining(libraries.map((path) => path.slice(1))));
    expect(files.filter((file) => /(^|\/)(sh|bash|apt|dpkg)$/.test(file))).toEqual([]);
  }, 120_000);
});

async function layerOf(image: string): Promise<string> {
  const [manifest] = JSON.parse((await entries(image)).get('manifest.json') ?? '[]') as [
    { Layers: [string] },
  ];
  return manifest.Layers[0];
}
