/** One entry of a directory, or a file itself, as `stat` tells it. */
export interface FileFacts {
  readonly name: string;
  readonly kind: 'file' | 'directory' | 'other';
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  /** Permission bits, without the type. */
  readonly mode: number;
  readonly links: number;
  readonly uid: number;
  readonly gid: number;
}

/**
 * Files of tasks under read-only mounts of the node, each below a root of its own.
 *
 * Guarantees: nothing outside `root` is read, whatever links the task has made or makes meanwhile; nothing but plain files
 * and directories is opened; a listing and a read are bounded.
 * `parts` are single names: no separators, no `.` or `..`. Undefined: there is no such thing, or it may not be read.
 */
export interface TaskFiles {
  list(root: string, parts: readonly string[]): readonly FileFacts[] | undefined;
  /** At most `length` bytes from `offset`, and the size of the file. */
  read(
    root: string,
    parts: readonly string[],
    range: { readonly offset: number; readonly length: number },
  ): { readonly bytes: Buffer; readonly sizeBytes: number } | undefined;
  stat(root: string, parts: readonly string[]): FileFacts | undefined;
}
