import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { type CliOptions, parseCliOptions, USAGE } from './cliOptions.ts';
import { ORACLES } from './oracles.ts';
import { type RunRequest, runOne } from './runOne.ts';
import type { RunResult } from './world.ts';

const PROGRESS_EVERY_MS = 5000;
const print = (line: string): void => void process.stdout.write(`${line}\n`);

interface Tally {
  passed: number;
  failed: number;
  simulatedMs: number;
  events: number;
}

function report(result: RunResult, options: CliOptions, tally: Tally): void {
  tally.simulatedMs += result.simulatedMs;
  tally.events += result.events;
  if (result.violations.length === 0) {
    tally.passed += 1;
    return;
  }
  tally.failed += 1;
  const plant = options.plant === undefined ? '' : ` --plant ${options.plant}`;
  print(
    `seed ${result.seed} FAILED after ${Math.round(result.simulatedMs / 1000)} simulated seconds:`,
  );
  for (const { oracle, atMs, message } of result.violations.slice(0, 10)) {
    print(`  ${ORACLES[oracle]} (${oracle}), at ${(atMs / 1000).toFixed(3)} s: ${message}`);
  }
  print(`  replay: npm run sim -- --seed ${result.seed}${plant} --verbose`);
}

/** One seed, here and now, with its history. */
async function replay(options: CliOptions, tally: Tally): Promise<void> {
  const { plant, checkDeterminism, verbose } = options;
  for (const seed of options.seeds) {
    const result = await runOne({ seed, plant, checkDeterminism, keepsHistory: verbose });
    for (const line of result.history) print(line);
    report(result, options, tally);
    const converged =
      result.convergedAfterMs === undefined
        ? ''
        : `, converged ${result.convergedAfterMs / 1000} s after the last fault`;
    print(`seed ${seed}: history ${result.hash}, ${result.events} events${converged}`);
  }
}

async function runAll(options: CliOptions, tally: Tally): Promise<void> {
  const startedMs = performance.now();
  const queue = [...options.seeds];
  const progress = setInterval(() => {
    const done = tally.passed + tally.failed;
    print(
      `${done} of ${options.seeds.length} seeds, ${tally.failed} failed, ${Math.round((performance.now() - startedMs) / 1000)} s`,
    );
  }, PROGRESS_EVERY_MS);
  try {
    await Promise.all(Array.from({ length: options.workers }, () => drain(queue, options, tally)));
  } finally {
    clearInterval(progress);
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const hours = tally.simulatedMs / 3_600_000;
  print(
    `${hours.toFixed(1)} simulated hours and ${tally.events} events in ${seconds.toFixed(1)} s: ${Math.round((hours * 3600) / seconds)} times real time`,
  );
}

/** A child process works through the queue; its death is an error, never a pass. */
function drain(queue: number[], options: CliOptions, tally: Tally): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, 'worker.ts'));
    let current: number | undefined;
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      if (current === undefined) resolve();
      else reject(new Error(`the process that ran seed ${current} ended (${signal ?? code})`));
    });
    child.on('message', (result: RunResult) => {
      report(result, options, tally);
      current = send(child, queue, options);
    });
    current = send(child, queue, options);
  });
}

function send(child: ChildProcess, queue: number[], options: CliOptions): number | undefined {
  const seed = queue.shift();
  if (seed === undefined) {
    child.disconnect();
    return undefined;
  }
  const { plant, checkDeterminism } = options;
  child.send({ seed, plant, checkDeterminism, keepsHistory: false } satisfies RunRequest);
  return seed;
}

/** Undefined when there is nothing to run: help was asked for, or the arguments make no sense. */
function readOptions(): CliOptions | undefined {
  try {
    const options = parseCliOptions(process.argv.slice(2));
    if (options !== 'help') return options;
    print(USAGE);
  } catch (error) {
    process.stderr.write(
      `sim: ${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`,
    );
    process.exitCode = 2;
  }
  return undefined;
}

async function main(): Promise<void> {
  const options = readOptions();
  if (options === undefined) return;
  const tally: Tally = { passed: 0, failed: 0, simulatedMs: 0, events: 0 };
  if (options.isReplay) await replay(options, tally);
  else await runAll(options, tally);
  print(`${tally.passed} passed, ${tally.failed} failed`);
  process.exitCode = tally.failed === 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`sim: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
});
