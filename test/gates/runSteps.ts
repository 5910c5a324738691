import { availableParallelism } from 'node:os';
import { runStep, type StepOutcome } from './runStep.ts';
import type { Step } from './steps.ts';

export interface StepListener {
  readonly starts: (step: Step) => void;
  /** Called once per step, in the order in which they end. */
  readonly ended: (outcome: StepOutcome) => void;
}

/**
 * Runs the steps in order; neighbours that may run side by side do, as many at once as there are processors, two at least.
 * Guarantees: every step runs whatever became of the others, and outcomes come back in the order of the steps.
 */
export async function runSteps(
  steps: readonly Step[],
  listener: StepListener,
  run: (step: Step) => Promise<StepOutcome> = runStep,
): Promise<readonly StepOutcome[]> {
  const outcomes = new Map<Step, StepOutcome>();
  for (const batch of batchesOf(steps)) {
    const waiting = [...batch];
    const work = async (): Promise<void> => {
      for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
        listener.starts(step);
        const outcome = await run(step);
        outcomes.set(step, outcome);
        listener.ended(outcome);
      }
    };
    const width = Math.min(batch.length, Math.max(2, availableParallelism()));
    await Promise.all(Array.from({ length: width }, work));
  }
  return steps.flatMap((step) => outcomes.get(step) ?? []);
}

function batchesOf(steps: readonly Step[]): readonly (readonly Step[])[] {
  const batches: Step[][] = [];
  for (const step of steps) {
    const last = batches.at(-1);
    if (step.isSideBySide === true && last?.at(-1)?.isSideBySide === true) last.push(step);
    else batches.push([step]);
  }
  return batches;
}
