import { chmod, copyFile, mkdir, mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { rootCertificates } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { buildImage, writeRootfs } from '../local-cluster/images/buildImage.ts';
import { exec } from '../local-cluster/support/exec.ts';
import { REPOSITORY } from '../local-cluster/support/paths.ts';
import { bundle, PROGRAMS } from './bundle.ts';

/** The image of operator and agent as local clusters know it. */
export const MEZZO_IMAGE = { repository: 'mezzo.local/mezzo', tag: 'dev' } as const;

const USER = '65532:65532';
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface BuiltImage {
  readonly path: string;
  readonly reference: string;
}

/**
 * Builds the image from what is on this machine, with neither a container engine nor a registry: the running
 * Node with the libraries it is linked to, certificates, and the two bundles. The Dockerfile is for everybody else.
 *
 * Guarantees: the same sources on the same machine give the same bytes.
 */
export async function buildMezzoImage(
  target: string = join(REPOSITORY, 'dist', 'mezzo-image.tar'),
  reference = `${MEZZO_IMAGE.repository}:${MEZZO_IMAGE.tag}`,
): Promise<BuiltImage> {
  await mkdir(dirname(target), { recursive: true });
  const scratch = await mkdtemp(`${target}.rootfs-`);
  try {
    const rootfs = join(scratch, 'rootfs');
    await writeNodeRootfs(rootfs);
    const bundles = await bundle(join(scratch, 'bundles'));
    await mkdir(join(rootfs, 'app'));
    for (const { program, path } of bundles)
      await copyFile(path, join(rootfs, 'app', `${program}.mjs`));
    await writeRootfs(rootfs, { 'app/package.json': await packageJson() });
    await buildImage(
      {
        rootfs,
        tags: [reference],
        entrypoint: ['node'],
        user: USER,
        workingDir: '/app',
        env: { PATH },
      },
      target,
    );
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return { path: target, reference };
}

/** A root file system in which Node runs as a user that is not root, and nothing else. */
export async function writeNodeRootfs(rootfs: string): Promise<void> {
  await writeRootfs(rootfs, {
    'etc/passwd':
      'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n',
    'etc/group': 'root:x:0:\nnonroot:x:65532:\n',
    'etc/nsswitch.conf': 'hosts: files dns\n',
    'etc/ssl/certs/ca-certificates.crt': `${rootCertificates.join('\n')}\n`,
    'home/nonroot': null,
    tmp: null,
    'usr/local/bin': null,
  });
  await chmod(join(rootfs, 'tmp'), 0o1777);
  const node = await realpath(process.execPath);
  for (const library of await sharedLibraries(node)) await copyInto(rootfs, library);
  // Asked for by name at run time, so no binary lists them: without them names in /etc/hosts and DNS are not found.
  for (const library of await nameServiceLibraries(node)) await copyInto(rootfs, library);
  const target = join(rootfs, 'usr', 'local', 'bin', 'node');
  await copyFile(node, target);
  await chmod(target, 0o755);
}

async function copyInto(rootfs: string, path: string): Promise<void> {
  const target = join(rootfs, path);
  await mkdir(dirname(target), { recursive: true });
  await copyFile(await realpath(path), target);
  await chmod(target, 0o755);
}

/** Absolute paths of the loader and the libraries a binary is linked to, as `ldd` finds them. */
export async function sharedLibraries(binary: string): Promise<readonly string[]> {
  const output = await exec('ldd', [binary]);
  const missing = /^\s*(\S+) => not found/m.exec(output);
  if (missing) throw new Error(`${binary} needs ${missing[1]}, which this machine does not have`);
  return [...output.matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map((match) => match[1] ?? '').sort();
}

async function nameServiceLibraries(binary: string): Promise<readonly string[]> {
  const libc = (await sharedLibraries(binary)).find((path) => path.includes('libc.so'));
  if (libc === undefined) return [];
  const candidates = ['libnss_dns.so.2', 'libnss_files.so.2'].map((name) =>
    join(dirname(libc), name),
  );
  const found: string[] = [];
  for (const path of candidates)
    if (
      await realpath(path).then(
        () => true,
        () => false,
      )
    )
      found.push(path);
  return found;
}

async function packageJson(): Promise<string> {
  const { name, version } = JSON.parse(
    await readFile(join(REPOSITORY, 'package.json'), 'utf8'),
  ) as { name: string; version: string };
  return `${JSON.stringify({ name, version, type: 'module' })}\n`;
}

/** `node images/build.ts [target.tar] [reference]` */
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [target, reference] = process.argv.slice(2);
  const image = await buildMezzoImage(target, reference);
  console.log(`${image.reference} (${Object.keys(PROGRAMS).join(', ')}): ${image.path}`);
}
