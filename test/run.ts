import { parseArgs } from 'node:util';
import type { StepOutcome } from './gates/runStep.ts';
import { runSteps } from './gates/runSteps.ts';
import { STEPS, type Step, TIERS, type Tier } from './gates/steps.ts';

/**
 * `npm test` runs every tier, `npm test -- unit` or `npm run test:unit` one of them, `npm run check` the cheap ones.
 * Exit code 0 only when nothing failed and something ran.
 */
async function main(argv: readonly string[]): Promise<number> {
  const { positionals, values } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: { 'keep-going': { type: 'boolean', default: true }, help: { type: 'boolean' } },
  });
  const wanted = positionals.length === 0 ? [...TIERS] : positionals;
  const unknown = wanted.find((tier) => !TIERS.includes(tier as Tier));
  if (values.help === true || unknown !== undefined) {
    process.stdout.write(
      `${unknown === undefined ? '' : `there is no tier "${unknown}"\n`}usage: npm test -- [${TIERS.join('|')}]…\n`,
    );
    return unknown === undefined ? 0 : 2;
  }
  const steps = STEPS.filter((one) => wanted.includes(one.tier));
  return report(await runSteps(steps, { starts, ended }));
}

const nameOf = (step: Step): string => `${step.tier}: ${step.name}`;

function starts(step: Step): void {
  process.stdout.write(`▸ ${nameOf(step)}\n`);
}

/** All a step has to say, in one piece. */
function ended(outcome: StepOutcome): void {
  const { step, passed, failed, skipped, complaint } = outcome;
  const seconds = (outcome.tookMs / 1000).toFixed(1);
  const lines = [
    ...(complaint === '' || step.isShown === true ? [] : [complaint]),
    `${failed === 0 ? '✓' : '✗'} ${nameOf(step)}: ${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`} (${seconds} s)`,
    ...outcome.skipReasons.map((reason) => `  skipped: ${reason}`),
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

function report(outcomes: readonly StepOutcome[]): number {
  const total = (field: 'passed' | 'failed' | 'skipped'): number =>
    outcomes.reduce((sum, one) => sum + one[field], 0);
  const failed = outcomes.filter((one) => one.failed > 0);
  process.stdout.write(
    '\nOne tier alone: npm run check, npm run test:unit, npm run test:integration, npm run test:e2e\n',
  );
  for (const one of failed)
    process.stdout.write(`failed: ${nameOf(one.step)}: ${one.step.command.join(' ')}\n`);
  const skipped = total('skipped') === 0 ? '' : `, ${total('skipped')} skipped`;
  process.stdout.write(`${total('passed')} passed, ${total('failed')} failed${skipped}\n`);
  return total('failed') === 0 && total('passed') > 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
