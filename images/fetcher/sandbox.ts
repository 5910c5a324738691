import { createWriteStream } from 'node:fs';
import { chmod, link, lstat, mkdir, rm, symlink } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * The folder everything is written to, and how much may still be written.
 * Guarantees: nothing is written outside of it, neither by a name with `..` nor through a link; no more bytes than
 * allowed, whatever an archive says of its own size.
 */
export class Sandbox {
  readonly root: string;
  readonly #maxBytes: number;
  #leftBytes: number;

  constructor(root: string, maxBytes: number) {
    this.root = root;
    this.#maxBytes = maxBytes;
    this.#leftBytes = maxBytes;
  }

  async writeFile(name: string, content: AsyncIterable<Uint8Array>, mode: number): Promise<void> {
    const path = await this.#place(name);
    await rm(path, { force: true });
    const counted = new Transform({
      transform: (chunk: Uint8Array, _encoding, done) => {
        this.#leftBytes -= chunk.length;
        if (this.#leftBytes < 0)
          done(new Error(`more than ${this.#maxBytes} bytes; fetch less, or raise the limit`));
        else done(null, chunk);
      },
    });
    await pipeline(Readable.from(content), counted, createWriteStream(path, { flags: 'wx' }));
    await chmod(path, mode);
  }

  async makeFolder(name: string): Promise<void> {
    await mkdir(await this.#place(`${name}/.`), { recursive: true });
  }

  /** A symbolic link, relative and to a place inside. */
  async makeLink(name: string, target: string): Promise<void> {
    const path = await this.#place(name);
    const reached = posix.normalize(posix.join(posix.dirname(clean(name)), target));
    if (target.startsWith('/') || reached === '..' || reached.startsWith('../'))
      throw new Error(`the link '${name}' leads out of the sandbox, to '${target}'`);
    await rm(path, { force: true });
    await symlink(target, path);
  }

  /** A second name of a file that is there already. */
  async makeHardLink(name: string, target: string): Promise<void> {
    const path = await this.#place(name);
    const existing = await this.#place(target);
    if ((await lstat(existing)).isSymbolicLink())
      throw new Error(`the link '${name}' is to another link, '${target}'`);
    await rm(path, { force: true });
    await link(existing, path);
  }

  async makeExecutable(name: string): Promise<void> {
    await chmod(await this.#place(name), 0o755);
  }

  /** The path of a name, its folders made; no part of it is a link. */
  async #place(name: string): Promise<string> {
    const relative = clean(name);
    const folders = posix.dirname(relative).split('/');
    let path = this.root;
    for (const folder of folders.filter((one) => one !== '.')) {
      path = join(path, folder);
      const found = await lstat(path).catch(() => undefined);
      if (found === undefined) await mkdir(path);
      else if (!found.isDirectory()) throw new Error(`'${name}': '${folder}' is no folder`);
    }
    return join(this.root, relative);
  }
}

/** A name without `.` parts. Errors: when it is absolute, leads upwards or names nothing. */
function clean(name: string): string {
  const parts = name.split('/').filter((one) => one !== '' && one !== '.');
  if (name.startsWith('/') || parts.includes('..') || name.includes('\u0000'))
    throw new Error(`'${name}' leads out of the sandbox`);
  if (parts.length === 0) throw new Error(`'${name}' names no file`);
  return parts.join('/');
}
