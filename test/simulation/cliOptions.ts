import { parseArgs } from 'node:util';
import { PLANTS } from './plants.ts';

export interface CliOptions {
  readonly seeds: readonly number[];
  /** A single seed was asked for: its history is shown. */
  readonly isReplay: boolean;
  readonly verbose: boolean;
  readonly checkDeterminism: boolean;
  readonly plant: string | undefined;
  readonly workers: number;
}

export const USAGE = `npm run sim -- [--seeds N] [--from S]   run the seeds S … S+N-1 (default: 1000 from 0)
npm run sim -- --seed S [--verbose]     replay one seed; --verbose prints its whole history
  --check-determinism                   run each seed twice and compare the histories
  --workers K                           processes at once (default 2)
  --plant BUG                           put a bug in front of the operator, to see the oracles catch it:
                                        ${Object.keys(PLANTS).join(', ')}`;

function whole(name: string, text: string, least: number): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`--${name} must be a whole number of at least ${least}, not "${text}"`);
  }
  return value;
}

/** Errors: throws with a sentence for the user. */
export function parseCliOptions(args: readonly string[]): CliOptions | 'help' {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string', default: '1000' },
      from: { type: 'string', default: '0' },
      seed: { type: 'string' },
      workers: { type: 'string', default: '2' },
      plant: { type: 'string' },
      verbose: { type: 'boolean', default: false },
      'check-determinism': { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  if (values.plant !== undefined && !(values.plant in PLANTS)) {
    throw new Error(`--plant ${values.plant}: choose one of ${Object.keys(PLANTS).join(', ')}`);
  }
  const from = whole('from', values.from, 0);
  const one = values.seed === undefined ? undefined : whole('seed', values.seed, 0);
  const count = whole('seeds', values.seeds, 1);
  const seeds =
    one === undefined ? Array.from({ length: count }, (_, index) => from + index) : [one];
  return {
    seeds,
    isReplay: one !== undefined,
    verbose: values.verbose,
    checkDeterminism: values['check-determinism'],
    plant: values.plant,
    workers: Math.min(whole('workers', values.workers, 1), seeds.length),
  };
}
