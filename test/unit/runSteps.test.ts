import { describe, expect, test } from '@jest/globals';
import type { StepOutcome } from '../gates/runStep.ts';
import { runSteps } from '../gates/runSteps.ts';
import type { Step } from '../gates/steps.ts';

const step = (name: string, isSideBySide: boolean): Step => ({
  tier: 'gates',
  name,
  command: [],
  counts: 'gate',
  timeoutMinutes: 1,
  isSideBySide,
});
const outcomeOf = (of: Step): StepOutcome => ({
  step: of,
  passed: 1,
  failed: 0,
  skipped: 0,
  skipReasons: [],
  tookMs: 0,
  complaint: '',
});

/** Steps that end when told to, and what was seen of them. */
function staged(): {
  readonly seen: string[];
  readonly run: (of: Step) => Promise<StepOutcome>;
  readonly end: (name: string) => Promise<void>;
} {
  const seen: string[] = [];
  const endings = new Map<string, () => void>();
  const run = (of: Step): Promise<StepOutcome> =>
    new Promise((resolve) => endings.set(of.name, () => resolve(outcomeOf(of))));
  const end = async (name: string): Promise<void> => {
    endings.get(name)?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { seen, run, end };
}

describe('the steps of npm test', () => {
  test('neighbours that may run side by side do, one that may not runs alone, in its place', async () => {
    const { seen, run, end } = staged();
    const steps = [step('a', true), step('b', true), step('alone', false), step('c', true)];
    const done = runSteps(
      steps,
      {
        starts: ({ name }) => seen.push(`+${name}`),
        ended: ({ step: { name } }) => seen.push(`-${name}`),
      },
      run,
    );
    await end('b');
    await end('a');
    await end('alone');
    await end('c');
    expect((await done).map((one) => one.step.name)).toEqual(['a', 'b', 'alone', 'c']);
    expect(seen).toEqual(['+a', '+b', '-b', '-a', '+alone', '-alone', '+c', '-c']);
  });

  test('each step runs once, also when there are more than places', async () => {
    const steps = Array.from({ length: 200 }, (_, index) => step(String(index), true));
    let atOnce = 0;
    let most = 0;
    const outcomes = await runSteps(
      steps,
      { starts: () => undefined, ended: () => undefined },
      async (of) => {
        atOnce += 1;
        most = Math.max(most, atOnce);
        await new Promise((resolve) => setImmediate(resolve));
        atOnce -= 1;
        return outcomeOf(of);
      },
    );
    expect(outcomes.map((one) => one.step)).toEqual(steps);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThan(200);
  });
});
