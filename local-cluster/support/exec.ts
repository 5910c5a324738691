import { spawn } from 'node:child_process';

export interface ExecOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to the child's standard input, which is then closed. */
  readonly input?: string;
  readonly timeoutMs?: number;
  /** Called about every ten seconds with the elapsed time, so that a long step shows it lives. */
  readonly onBeat?: (elapsedSeconds: number) => void;
}

export interface ExecResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that ended with a code other than 0; carries all of its output. */
export class ExecError extends Error {
  readonly result: ExecResult;

  constructor(command: string, result: ExecResult) {
    const tail = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-12).join('\n');
    super(`${command} ended with code ${result.code}: ${tail}`);
    this.name = 'ExecError';
    this.result = result;
  }
}

const DEFAULT_TIMEOUT_MS = 60_000;
const BEAT_MS = 10_000;

/** Runs a command to its end and returns its output, whatever its exit code. */
export function tryExec(
  command: string,
  args: readonly string[],
  options: ExecOptions = {},
): Promise<ExecResult> {
  const startedAt = Date.now();
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return new Promise((resolvePromise, reject) => {
    const child = spawn(command, args, { cwd: options.cwd, env: options.env ?? process.env });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.stdin.on('error', () => undefined); // the child may end without reading its input
    child.stdin.end(options.input ?? '');
    const beat = setInterval(
      () => options.onBeat?.(Math.round((Date.now() - startedAt) / 1000)),
      BEAT_MS,
    );
    const killer = setTimeout(() => {
      stderr += `\n${command}: killed after ${timeoutMs} ms`;
      child.kill('SIGKILL');
    }, timeoutMs);
    const settle = (done: () => void) => {
      clearInterval(beat);
      clearTimeout(killer);
      done();
    };
    child.on('error', (error) =>
      settle(() =>
        reject(new Error(`${command} could not be started: ${error.message}`, { cause: error })),
      ),
    );
    child.on('close', (code) =>
      settle(() => resolvePromise({ code: code ?? 137, stdout, stderr })),
    );
  });
}

/** Runs a command and returns its standard output; throws `ExecError` unless it ends with code 0. */
export async function exec(
  command: string,
  args: readonly string[],
  options: ExecOptions = {},
): Promise<string> {
  const result = await tryExec(command, args, options);
  if (result.code !== 0) throw new ExecError([command, ...args.slice(0, 4)].join(' '), result);
  return result.stdout;
}
