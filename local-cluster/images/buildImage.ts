import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readlink,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import { platform } from '../support/paths.ts';

export interface ImageSpec {
  /** Folder that becomes the root of the image's file system. */
  readonly rootfs: string;
  /** Full references, e.g. `mezzo.local/busybox:1`. */
  readonly tags: readonly string[];
  readonly entrypoint?: readonly string[];
  readonly cmd?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly workingDir?: string;
  /** Whether files keep their owners (a debootstrap tree) or belong to root (default). */
  readonly keepOwners?: boolean;
}

interface Blob {
  readonly digest: string;
  readonly size: number;
}

const EPOCH = new Date(0);
const OCI = 'application/vnd.oci.image';

/**
 * Writes an image with one layer as a tar that containerd (`ctr images import`) and Docker (`docker load`) read.
 *
 * Guarantees: the same files and spec give the same bytes (sorted names, time 0), so the image id is stable.
 */
export async function buildImage(spec: ImageSpec, target: string): Promise<string> {
  await mkdir(dirname(target), { recursive: true });
  const scratch = await mkdtemp(`${target}.`);
  try {
    const layerPath = join(scratch, 'layer.tar');
    const layer = await writeLayer(spec, layerPath);
    const config = json(imageConfig(spec, layer));
    const manifest = json(imageManifest(digestOf(config), layer));
    const archive = pack();
    const output = pipeline(archive, createWriteStream(join(scratch, 'image.tar')));
    const blob = (digest: string) => `blobs/sha256/${digest.slice('sha256:'.length)}`;
    await addBuffer(archive, 'oci-layout', json({ imageLayoutVersion: '1.0.0' }));
    await addBuffer(archive, 'index.json', json(index(spec.tags, digestOf(manifest))));
    const docker = [
      { Config: blob(digestOf(config).digest), RepoTags: spec.tags, Layers: [blob(layer.digest)] },
    ];
    await addBuffer(archive, 'manifest.json', json(docker));
    await addBuffer(archive, blob(digestOf(config).digest), config);
    await addBuffer(archive, blob(digestOf(manifest).digest), manifest);
    await addFile(archive, blob(layer.digest), layerPath, { mode: 0o644 });
    archive.finalize();
    await output;
    await rename(join(scratch, 'image.tar'), target);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
  return target;
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

function digestOf(bytes: Buffer): Blob {
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  return { digest, size: bytes.length };
}

function imageConfig(spec: ImageSpec, layer: Blob): object {
  return {
    created: EPOCH.toISOString(),
    architecture: platform().arch,
    os: 'linux',
    config: {
      Env: Object.entries(spec.env ?? {}).map(([name, value]) => `${name}=${value}`),
      ...(spec.entrypoint === undefined ? {} : { Entrypoint: spec.entrypoint }),
      ...(spec.cmd === undefined ? {} : { Cmd: spec.cmd }),
      ...(spec.user === undefined ? {} : { User: spec.user }),
      ...(spec.workingDir === undefined ? {} : { WorkingDir: spec.workingDir }),
    },
    rootfs: { type: 'layers', diff_ids: [layer.digest] }, // the layer is not compressed: one digest
  };
}

function imageManifest(config: Blob, layer: Blob): object {
  return {
    schemaVersion: 2,
    mediaType: `${OCI}.manifest.v1+json`,
    config: { mediaType: `${OCI}.config.v1+json`, ...config },
    layers: [{ mediaType: `${OCI}.layer.v1.tar`, ...layer }],
  };
}

function index(tags: readonly string[], manifest: Blob): object {
  return {
    schemaVersion: 2,
    mediaType: `${OCI}.index.v1+json`,
    manifests: tags.map((tag) => ({
      mediaType: `${OCI}.manifest.v1+json`,
      ...manifest,
      platform: { architecture: platform().arch, os: 'linux' },
      annotations: {
        'io.containerd.image.name': tag,
        'org.opencontainers.image.ref.name': tag.split(':').at(-1),
      },
    })),
  };
}

async function writeLayer(spec: ImageSpec, path: string): Promise<Blob> {
  const archive = pack();
  const hash = createHash('sha256');
  const meter = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const output = pipeline(archive, meter, createWriteStream(path));
  await addTree(archive, spec, '');
  archive.finalize();
  await output;
  return { digest: `sha256:${hash.digest('hex')}`, size: (await stat(path)).size };
}

async function addTree(archive: Pack, spec: ImageSpec, folder: string): Promise<void> {
  const names = (await readdir(join(spec.rootfs, folder))).sort();
  for (const name of names) {
    const inside = folder === '' ? name : `${folder}/${name}`;
    const path = join(spec.rootfs, inside);
    const info = await lstat(path);
    const owner = spec.keepOwners === true ? { uid: info.uid, gid: info.gid } : {};
    const header = { name: inside, mode: info.mode & 0o7777, mtime: EPOCH, ...owner };
    if (info.isDirectory()) {
      await addEntry(archive, { ...header, type: 'directory' });
      await addTree(archive, spec, inside);
    } else if (info.isSymbolicLink()) {
      const linkname = await readlink(path);
      await addEntry(archive, { ...header, mode: 0o777, type: 'symlink', linkname });
    } else if (info.isFile()) {
      await addFile(archive, inside, path, header);
    } // Devices, sockets and pipes have no place in an image: the runtime makes /dev.
  }
}

interface Header {
  readonly name: string;
  readonly mode?: number;
  readonly mtime?: Date;
  readonly uid?: number;
  readonly gid?: number;
  readonly type?: 'directory' | 'symlink';
  readonly linkname?: string;
}

function addEntry(archive: Pack, header: Header): Promise<void> {
  return new Promise((done, failed) => {
    archive.entry({ ...header }, (error) => (error ? failed(error) : done())).end('');
  });
}

function addBuffer(archive: Pack, name: string, bytes: Buffer): Promise<void> {
  return new Promise((done, failed) => {
    archive.entry({ name, mtime: EPOCH }, bytes, (error) => (error ? failed(error) : done()));
  });
}

async function addFile(
  archive: Pack,
  name: string,
  path: string,
  header: Omit<Header, 'name'>,
): Promise<void> {
  const { size } = await stat(path);
  const entry = archive.entry({ mtime: EPOCH, ...header, name, size });
  await pipeline(createReadStream(path), entry);
}

/** Makes folders and small text files of a root file system: path → text, or null for a folder. */
export async function writeRootfs(
  root: string,
  files: Readonly<Record<string, string | null>>,
): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(text === null ? join(root, path) : dirname(join(root, path)), { recursive: true });
    if (text !== null) await writeFile(join(root, path), text);
  }
}
