import type { FileFacts, TaskFiles } from '../ports/taskFiles.ts';
import { type LogStream, logFilesInOrder, streamOf } from './criLog.ts';
import type { TaskPlace } from './taskPath.ts';

export interface SandboxRoots {
  /** Where the kubelet keeps Pods: `<uid>/volumes/…`. */
  readonly podsDir: string;
  /** Where the kubelet keeps logs: `<namespace>_<name>_<uid>/<container>/<restart>.log`. */
  readonly logsDir: string;
}

/** Newest bytes of a container's log that are looked at; older ones count as rotated away. */
const MAX_LOG_BYTES = 32 * 1024 * 1024;
/** Containers of a group are `task-0`, `task-1` …, and their volumes `sandbox-0`, `sandbox-1` …; one alone has no number. */
const volumeOf = (container: string): string => container.replace(/^task/, 'sandbox');
const STREAMS: readonly LogStream[] = ['stdout', 'stderr'];

export type FileContents =
  | { readonly kind: 'file'; readonly bytes: Buffer; readonly sizeBytes: number }
  | { readonly kind: 'directory' };

/**
 * What a task left in its sandbox as a Mesos agent would show it: its files, and what it wrote to stdout and stderr. Other
 * containers of the Pod have directories of their own with the same two files.
 */
export class TaskSandbox {
  readonly #files: TaskFiles;
  readonly #roots: SandboxRoots;

  constructor(files: TaskFiles, roots: SandboxRoots) {
    this.#files = files;
    this.#roots = roots;
  }

  /** What lies in a directory, or the file itself; undefined when there is no such place or it may not be seen. */
  browse(place: TaskPlace): readonly FileFacts[] | undefined {
    const log = this.#logAt(place);
    if (log?.kind === 'stream') {
      const facts = this.#streamFacts(place, log.container, log.stream);
      return facts === undefined ? undefined : [facts];
    }
    if (log?.kind === 'container')
      return STREAMS.flatMap((stream) => this.#streamFacts(place, log.container, stream) ?? []);
    const files = this.#browseFiles(place);
    if (place.parts.length > 0) return files;
    const logs = this.#logEntries(place);
    return files === undefined && logs.length === 0 ? undefined : [...logs, ...(files ?? [])];
  }

  read(
    place: TaskPlace,
    range: { readonly offset: number; readonly length: number },
  ): FileContents | undefined {
    const log = this.#logAt(place);
    if (log?.kind === 'stream') {
      const all = this.#readStream(place, log.container, log.stream);
      if (all === undefined) return undefined;
      const bytes = all.subarray(range.offset, range.offset + range.length);
      return { kind: 'file', bytes, sizeBytes: all.length };
    }
    if (log?.kind === 'container' || place.parts.length === 0) return { kind: 'directory' };
    if (!place.task.mayReadFiles) return undefined;
    const root = this.#sandboxOf(place);
    if (this.#files.stat(root, place.parts)?.kind === 'directory') return { kind: 'directory' };
    const contents = this.#files.read(root, place.parts, range);
    return contents === undefined ? undefined : { kind: 'file', ...contents };
  }

  /** Path on the node that stands behind a task's sandbox. */
  hostPathOf(place: TaskPlace): string {
    return this.#sandboxOf(place);
  }

  #sandboxOf({ task }: TaskPlace): string {
    return `${this.#roots.podsDir}/${task.podUid}/volumes/kubernetes.io~empty-dir/${volumeOf(task.container)}`;
  }

  #logsOf({ task }: TaskPlace): string {
    return `${this.#roots.logsDir}/${task.namespace}_${task.podName}_${task.podUid}`;
  }

  #browseFiles(place: TaskPlace): readonly FileFacts[] | undefined {
    if (!place.task.mayReadFiles) return undefined;
    const root = this.#sandboxOf(place);
    const facts = this.#files.stat(root, place.parts);
    if (facts === undefined) return undefined;
    return facts.kind === 'directory' ? this.#files.list(root, place.parts) : [facts];
  }

  /** Which log a path stands for. A file of the task's own with such a name is hidden by it, as in Mesos. */
  #logAt(
    place: TaskPlace,
  ):
    | { readonly kind: 'container'; readonly container: string }
    | { readonly kind: 'stream'; readonly container: string; readonly stream: LogStream }
    | undefined {
    const [first = '', second] = place.parts;
    if (!place.task.mayReadLogs || place.parts.length > 2 || first === '') return undefined;
    const { main, others } = this.#containers(place);
    const direct = STREAMS.find((one) => one === first);
    if (second === undefined && direct !== undefined && main !== undefined)
      return { kind: 'stream', container: main, stream: direct };
    if (!others.includes(first)) return undefined;
    if (second === undefined) return { kind: 'container', container: first };
    const nested = STREAMS.find((one) => one === second);
    return nested === undefined ? undefined : { kind: 'stream', container: first, stream: nested };
  }

  #containers(place: TaskPlace): {
    readonly main: string | undefined;
    readonly others: readonly string[];
  } {
    const names = (this.#files.list(this.#logsOf(place), []) ?? [])
      .filter((one) => one.kind === 'directory')
      .map((one) => one.name);
    const main = names.length === 1 ? names[0] : names.find((one) => one === place.task.container);
    return { main, others: names.filter((one) => one !== main) };
  }

  #logEntries(place: TaskPlace): readonly FileFacts[] {
    if (!place.task.mayReadLogs) return [];
    const { main, others } = this.#containers(place);
    const streams =
      main === undefined
        ? []
        : STREAMS.flatMap((stream) => this.#streamFacts(place, main, stream) ?? []);
    const directories = others.flatMap(
      (name) => this.#files.stat(this.#logsOf(place), [name]) ?? [],
    );
    return [...streams, ...directories];
  }

  #streamFacts(place: TaskPlace, container: string, stream: LogStream): FileFacts | undefined {
    const newest = this.#logFiles(place, container).at(-1);
    const facts =
      newest === undefined ? undefined : this.#files.stat(this.#logsOf(place), [container, newest]);
    const bytes = this.#readStream(place, container, stream);
    if (facts === undefined || bytes === undefined) return undefined;
    return { ...facts, name: stream, sizeBytes: bytes.length };
  }

  #logFiles(place: TaskPlace, container: string): readonly string[] {
    const entries = this.#files.list(this.#logsOf(place), [container]) ?? [];
    return logFilesInOrder(entries.map((one) => one.name));
  }

  #readStream(place: TaskPlace, container: string, stream: LogStream): Buffer | undefined {
    const names = this.#logFiles(place, container);
    if (names.length === 0) return undefined;
    const parts: Buffer[] = [];
    let left = MAX_LOG_BYTES;
    for (const name of names.toReversed()) {
      if (left <= 0) break;
      const where = [container, name];
      const size = this.#files.stat(this.#logsOf(place), where)?.sizeBytes ?? 0;
      const range = { offset: Math.max(0, size - left), length: Math.min(size, left) };
      const contents = this.#files.read(this.#logsOf(place), where, range);
      parts.unshift(contents?.bytes ?? Buffer.alloc(0));
      left -= size;
    }
    return streamOf(Buffer.concat(parts), stream);
  }
}
