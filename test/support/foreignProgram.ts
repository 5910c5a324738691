import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** A program that nobody here wrote, run as it is; what it prints is kept line by line. */
export class ForeignProgram {
  readonly lines: string[] = [];
  /** Exit code; null when a signal ended it. */
  readonly exited: Promise<number | null>;
  readonly #child: ChildProcess;

  constructor(path: string, args: readonly string[]) {
    this.#child = spawn(path, args, {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      if (stream) createInterface({ input: stream }).on('line', (line) => this.lines.push(line));
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('close', (code) => resolve(code));
      this.#child.once('error', reject);
    });
  }

  /** What the first group of the pattern is in each line that has it. */
  matches(pattern: RegExp): readonly string[] {
    return this.lines.flatMap((line) => pattern.exec(line)?.[1] ?? []);
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
