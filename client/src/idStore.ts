import { readFile, rename, rm, writeFile } from 'node:fs/promises';

/** Where a framework keeps its id, so that its next process goes on with the tasks of this one. */
export interface FrameworkIdStore {
  load(): Promise<string | undefined>;
  save(id: string): Promise<void>;
  clear(): Promise<void>;
}

/** Keeps the id in a file, replaced whole: a crash leaves the old or the new one. */
export function createFileIdStore(path: string): FrameworkIdStore {
  return {
    async load() {
      try {
        const id = (await readFile(path, 'utf8')).trim();
        return id === '' ? undefined : id;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw new Error(`the framework id cannot be read from ${path}: make it readable`, {
          cause: error,
        });
      }
    },
    async save(id) {
      await writeFile(`${path}.new`, `${id}\n`);
      await rename(`${path}.new`, path);
    },
    clear: () => rm(path, { force: true }),
  };
}

/** Keeps the id for the life of this object only: reconnects keep it, a new process does not. */
export function createMemoryIdStore(id?: string): FrameworkIdStore {
  let kept = id;
  return {
    load: () => Promise.resolve(kept),
    save(next) {
      kept = next;
      return Promise.resolve();
    },
    clear() {
      kept = undefined;
      return Promise.resolve();
    },
  };
}
