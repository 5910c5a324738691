import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Step } from './steps.ts';

export interface StepOutcome {
  readonly step: Step;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly skipReasons: readonly string[];
  readonly tookMs: number;
  /** The end of what it wrote, if it failed and nobody has seen it yet. */
  readonly complaint: string;
}

interface Ended {
  readonly code: number;
  readonly output: string;
}

/** Runs one step and counts what it did. A step that ran nothing counts as failed: it never passes empty. */
export async function runStep(step: Step): Promise<StepOutcome> {
  const startedMs = performance.now();
  const folder = await mkdtemp(join(tmpdir(), 'mezzo-step-'));
  try {
    const resultFile = join(folder, 'result.json');
    const extra =
      step.counts === 'jest' ? ['--json', '--outputFile', resultFile, '--silent=false'] : [];
    const ended = await run([...step.command, ...extra], step);
    const counted = await count(step, ended, resultFile);
    const complaint = counted.failed > 0 ? tail(ended.output) : '';
    return { step, ...counted, tookMs: performance.now() - startedMs, complaint };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Enough of a failed step's output to see why. */
const TAIL_CHARS = 20_000;

const tail = (output: string): string =>
  output.length <= TAIL_CHARS ? output : `…\n${output.slice(-TAIL_CHARS)}`;

/** Long steps say now and then that they are alive. */
const PULSE_MS = 60_000;

function run([program = '', ...args]: readonly string[], step: Step): Promise<Ended> {
  const timeoutMs = step.timeoutMinutes * 60_000;
  return new Promise((resolve) => {
    const startedMs = performance.now();
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        // Tests build the cluster's binaries; they never ask a release host.
        MEZZO_ASSETS_FROM: 'build',
        ...process.env,
        NODE_OPTIONS: '--experimental-vm-modules --no-warnings',
        FORCE_COLOR: '0',
      },
    });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-2_000_000);
      if (step.isShown === true) process.stdout.write(chunk);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const pulse = setInterval(() => {
      process.stdout.write(
        `  … ${program} runs for ${Math.round((performance.now() - startedMs) / 1000)} s\n`,
      );
    }, PULSE_MS);
    const killer = setTimeout(() => {
      output += `\nkilled: it ran longer than ${timeoutMs / 60_000} minutes`;
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 20_000).unref();
    }, timeoutMs);
    child.on('error', (error) => {
      output += `\n${program} cannot be started: ${error.message}; run npm ci`;
    });
    child.on('close', (code) => {
      clearInterval(pulse);
      clearTimeout(killer);
      resolve({ code: code ?? 1, output });
    });
  });
}

type Counted = Pick<StepOutcome, 'passed' | 'failed' | 'skipped' | 'skipReasons'>;

async function count(step: Step, ended: Ended, resultFile: string): Promise<Counted> {
  switch (step.counts) {
    case 'gate':
      return {
        passed: ended.code === 0 ? 1 : 0,
        failed: ended.code === 0 ? 0 : 1,
        skipped: 0,
        skipReasons: [],
      };
    case 'lastLine':
      return countLastLine(ended);
    case 'jest':
      return await countJest(ended, resultFile);
  }
}

function countLastLine({ code, output }: Ended): Counted {
  const match = /(\d+) passed, (\d+) failed\s*$/.exec(output.trimEnd());
  const passed = Number(match?.[1] ?? 0);
  const failed = Number(match?.[2] ?? 0);
  const isBroken = match === null || (code !== 0 && failed === 0) || passed + failed === 0;
  return { passed, failed: failed + (isBroken ? 1 : 0), skipped: 0, skipReasons: [] };
}

interface JestResult {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numRuntimeErrorTestSuites: number;
  readonly testResults: readonly {
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[];
  }[];
}

async function countJest(ended: Ended, resultFile: string): Promise<Counted> {
  const text = await readFile(resultFile, 'utf8').catch(() => undefined);
  if (text === undefined) return { passed: 0, failed: 1, skipped: 0, skipReasons: [] };
  const result = JSON.parse(text) as JestResult;
  const broken = result.numRuntimeErrorTestSuites;
  const isEmpty = result.numPassedTests + result.numFailedTests + result.numPendingTests === 0;
  const isUnexplained = ended.code !== 0 && result.numFailedTests + broken === 0;
  const skipReasons = result.testResults
    .flatMap((suite) => suite.assertionResults)
    .filter((one) => one.status === 'pending' || one.status === 'skipped')
    .map((one) => one.fullName);
  return {
    passed: result.numPassedTests,
    failed: result.numFailedTests + broken + (isEmpty || isUnexplained ? 1 : 0),
    skipped: result.numPendingTests,
    skipReasons,
  };
}
