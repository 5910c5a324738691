import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface ClientEvent {
  readonly event: string;
  readonly state?: string;
  readonly task?: string;
  readonly message?: string;
  readonly frameworkId?: string;
}

const RUNNER = fileURLToPath(new URL('../e2e/mesosFrameworkClient.cjs', import.meta.url));

/** The npm client in a process of its own: it exits the process when it gives up. */
export class MesosFrameworkClient {
  readonly events: ClientEvent[] = [];
  readonly exited: Promise<number | null>;
  stderr = '';
  readonly #child: ChildProcess;
  readonly #folder = mkdtempSync(join(tmpdir(), 'mesos-framework-'));

  constructor(url: string, command: string, instances = 1, silenceSeconds = 10) {
    const { hostname, port } = new URL(url);
    const numbers = [silenceSeconds, instances].map(String);
    const args = [RUNNER, hostname, port, command, this.#folder, ...numbers];
    this.#child = spawn(process.execPath, args, {
      env: { PATH: process.env['PATH'] },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stderr?.on('data', (data: Buffer) => {
      this.stderr += data.toString();
    });
    if (this.#child.stdout)
      createInterface({ input: this.#child.stdout }).on('line', (line) => this.#onLine(line));
    this.exited = new Promise((resolve) => {
      this.#child.once('exit', (code) => resolve(code));
    });
  }

  /** The package logs to standard output as well; only our own lines are JSON. */
  #onLine(line: string): void {
    if (line.startsWith('{"event"')) this.events.push(JSON.parse(line) as ClientEvent);
    else this.stderr += `${line}\n`;
  }

  /** States that were told, in order: of one task or of all. */
  states(task?: string): string[] {
    return this.events.flatMap((one) =>
      one.state === undefined || (task !== undefined && one.task !== task) ? [] : [one.state],
    );
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Version of the package that is installed; the tests are about this one. */
export function clientVersion(): string {
  const require = createRequire(import.meta.url);
  const main = require.resolve('mesos-framework');
  return (require(join(dirname(main), 'package.json')) as { version: string }).version;
}
