import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { kubectlFor } from './kubectl.ts';
import { clusterDir } from './support/paths.ts';
import { alone } from './up/alone.ts';
import { bringUp } from './up/bringUp.ts';
import { createConsole } from './up/console.ts';
import { endCluster } from './up/endCluster.ts';
import { streamChanges } from './up/events.ts';
import { parseUpOptions, UP_HELP, type UpOptions, UsageError } from './up/options.ts';
import { findProcesses } from './up/processes.ts';
import { report } from './up/report.ts';
import { type ClusterState, readState } from './up/state.ts';
import { takeDown } from './up/takeDown.ts';

const write = (text: string): void => void process.stdout.write(text);

/** Resolves when the user asks to end; a second Ctrl-C then ends at once. */
function interrupted(): Promise<void> {
  return new Promise((done) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.once(signal, () => done());
  });
}

async function main(args: readonly string[]): Promise<number> {
  const options = parseUpOptions(args);
  if (options === undefined) {
    write(UP_HELP);
    return 0;
  }
  const dir = clusterDir(options.name);
  const stop = interrupted();
  const outcome = await alone(dir, () => start(options, dir, stop));
  if (typeof outcome === 'number') return outcome;
  return stayUntil(stop, outcome);
}

/** Resolves to an exit code, or to the cluster to stay with. */
async function start(
  options: UpOptions,
  dir: string,
  stop: Promise<void>,
): Promise<number | ClusterState> {
  if (!(await clearWay(options.name, dir))) return 0;
  const startedAt = Date.now();
  const started = await Promise.race([
    bringUp({ options, dir, console: createConsole(write) }),
    stop.then(() => undefined),
  ]).catch(async (error: unknown) => {
    write(`\nnpm run up failed: ${error instanceof Error ? error.message : String(error)}\n`);
    return explainFailure(options, dir);
  });
  if (started === 'failed') return 1;
  if (started === undefined) return finish(dir, 130);
  const kubectl = await kubectlFor(started.kubeconfigPath);
  write(`\n${(await report(started, kubectl)).text}\n`);
  write(`up in ${((Date.now() - startedAt) / 1000).toFixed(1)} s. ${ending(options)}\n`);
  return options.detach ? 0 : started;
}

function ending({ detach, name }: UpOptions): string {
  const flag = name === 'mezzo' ? '' : ` -- --name ${name}`;
  return detach
    ? `npm run status${flag} shows it, npm run down${flag} removes all of it.`
    : 'Changes follow; Ctrl-C takes everything down.';
}

/** True when nothing of this name runs; what a crash left is removed first. */
async function clearWay(name: string, dir: string): Promise<boolean> {
  if (!existsSync(dir)) return true;
  const state = await readState(dir);
  const processes = await findProcesses(dir);
  if (state !== undefined && processes.length > 0 && processes.every(({ alive }) => alive)) {
    write(`"${name}" is up already (npm run down ends it):\n\n`);
    write((await report(state, await kubectlFor(state.kubeconfigPath))).text);
    return false;
  }
  write(`"${name}" was not taken down cleanly; removing what is left of it\n`);
  for (const line of await takeDown(dir)) write(`   ${line}\n`);
  return true;
}

/** A detached cluster stays for inspection; one tied to us would die with us anyway. */
async function explainFailure(options: UpOptions, dir: string): Promise<'failed'> {
  if (options.detach && existsSync(dir)) {
    write(`What was started is left running; logs are in ${dir}. npm run down removes it.\n`);
    return 'failed';
  }
  await finish(dir, 1);
  return 'failed';
}

async function stayUntil(stop: Promise<void>, state: ClusterState): Promise<number> {
  const changes = await streamChanges(state.kubeconfigPath, write);
  const gone = new AbortController();
  const taken = setInterval(() => existsSync(state.dir) || gone.abort(), 1_000);
  await Promise.race([stop, once(gone.signal, 'abort')]);
  clearInterval(taken);
  changes.stop();
  if (!gone.signal.aborted) return finish(state.dir, 0);
  write('taken down by npm run down\n');
  return 0;
}

async function finish(dir: string, code: number): Promise<number> {
  write('\ntaking everything down …\n');
  // A start that was under way may add something while the rest is being removed: look again.
  for (let pass = 0; pass < 3; pass++) {
    const removed = await endCluster(dir);
    for (const line of removed) write(`   ${line}\n`);
    if (removed.length === 0) break;
  }
  return code;
}

try {
  process.exit(await main(process.argv.slice(2)));
} catch (error) {
  const told = error instanceof Error ? error.message : String(error);
  write(`${told}${error instanceof UsageError ? '\nSee npm run up -- --help.' : ''}\n`);
  process.exit(error instanceof UsageError ? 2 : 1);
}
