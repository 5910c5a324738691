import { type Plant, plantNamed } from './plants.ts';
import { realOperator } from './realOperator.ts';
import { type RunResult, runSeed } from './world.ts';

export interface RunRequest {
  readonly seed: number;
  readonly plant: string | undefined;
  readonly keepsHistory: boolean;
  readonly checkDeterminism: boolean;
}

/** Runs one seed with the operator itself, twice if its determinism is in question. */
export async function runOne(request: RunRequest): Promise<RunResult> {
  const plant: Plant | undefined =
    request.plant === undefined ? undefined : plantNamed(request.plant);
  const run = (): Promise<RunResult> =>
    runSeed({
      seed: String(request.seed),
      launch: realOperator,
      keepsHistory: request.keepsHistory,
      ...(plant !== undefined && { sabotage: plant.wrap }),
    });
  const first = await run();
  if (!request.checkDeterminism) return first;
  const second = await run();
  if (second.hash === first.hash) return first;
  const message = `the same seed gave two histories: ${first.hash} (${first.events} events) and ${second.hash} (${second.events} events)`;
  return {
    ...first,
    violations: [...first.violations, { oracle: 'determinism', atMs: 0, message }],
  };
}
