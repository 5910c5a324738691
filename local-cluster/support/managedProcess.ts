import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { processStartTime } from './processTable.ts';

/** `parent`: dies with the process that started it, even by kill -9. `detached`: lives on. */
export type Lifetime = 'parent' | 'detached';

export interface ProcessSpec {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Folder for `<name>.log` and `<name>.pid`. */
  readonly dir: string;
  readonly lifetime: Lifetime;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Words put before the command, such as an `ip netns exec`. */
  readonly prefix?: readonly string[];
}

export interface ManagedProcess {
  readonly name: string;
  readonly pid: number;
  readonly logPath: string;
  /** Exit code, or the signal's name, once it has ended. */
  ended(): string | undefined;
  /** SIGTERM, then SIGKILL after the grace period; resolves when it is gone. */
  stop(graceMs?: number): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
  logTail(lines?: number): Promise<string>;
}

/** What a pid file holds: enough to know the process again, and never to kill another in its place. */
export interface PidRecord {
  readonly name: string;
  readonly pid: number;
  readonly startTime: string;
}

const DEFAULT_GRACE_MS = 10_000;

/** Starts a process with its log and pid file in `spec.dir`. */
export async function startProcess(spec: ProcessSpec): Promise<ManagedProcess> {
  await mkdir(spec.dir, { recursive: true });
  const logPath = join(spec.dir, `${spec.name}.log`);
  const pidPath = join(spec.dir, `${spec.name}.pid`);
  const log = openSync(logPath, 'a');
  const words = [...tether(spec.lifetime), ...(spec.prefix ?? []), spec.command, ...spec.args];
  const [command = spec.command, ...args] = words;
  const child = spawn(command, args, {
    cwd: spec.cwd ?? spec.dir,
    env: spec.env ?? process.env,
    stdio: ['ignore', log, log],
    detached: true, // its own process group: Ctrl-C in a terminal reaches only us, and we stop it in order
  });
  closeSync(log);
  let outcome: string | undefined;
  const gone = new Promise<void>((done) => {
    child.once('exit', (code, signal) => {
      outcome = signal ?? `code ${code}`;
      done();
    });
    child.once('error', (error) => {
      outcome = error.message;
      done();
    });
  });
  await new Promise<void>((done, failed) => child.once('spawn', done).once('error', failed));
  const pid = child.pid ?? 0;
  const record: PidRecord = { name: spec.name, pid, startTime: processStartTime(pid) ?? '' };
  writeFileSync(pidPath, `${JSON.stringify(record)}\n`);
  if (spec.lifetime === 'detached') child.unref();
  const end = async (signal: NodeJS.Signals, graceMs: number) => {
    if (outcome === undefined) child.kill(signal);
    const killer = setTimeout(() => child.kill('SIGKILL'), graceMs);
    await gone;
    clearTimeout(killer);
    if (ownsPidFile(pidPath, pid)) rmSync(pidPath);
  };
  return {
    name: spec.name,
    pid,
    logPath,
    ended: () => outcome,
    stop: (graceMs = DEFAULT_GRACE_MS) => end('SIGTERM', graceMs),
    kill: (signal) => end(signal, DEFAULT_GRACE_MS),
    logTail: async (lines = 15) =>
      (await readFile(logPath, 'utf8')).trimEnd().split('\n').slice(-lines).join('\n'),
  };
}

/** Message for a process that ended when it should not have, with the end of its log. */
export async function describeEnd(child: ManagedProcess): Promise<string> {
  return `${child.name} ended (${child.ended() ?? 'still running'}); its log ${child.logPath} ends with:\n${await child.logTail()}`;
}

/** A restarted process has a new pid in the same file. */
function ownsPidFile(path: string, pid: number): boolean {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as PidRecord).pid === pid;
  } catch {
    return false;
  }
}

const WATCH_PARENT =
  'parent=$1; self=$$; shift; (while kill -0 "$parent" && kill -0 "$self"; do sleep 1; done; kill -9 "$self") 2>/dev/null & exec "$@"';

/** Words that make the command after them die with us: the kernel's signal, or a shell that watches. */
function tether(lifetime: Lifetime): readonly string[] {
  if (lifetime === 'detached') return [];
  if (process.platform === 'linux' && existsSync('/usr/bin/setpriv')) {
    return ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--'];
  }
  return ['/bin/sh', '-c', WATCH_PARENT, 'tether', String(process.pid)];
}
