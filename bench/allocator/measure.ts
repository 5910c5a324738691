import { parseArgs } from 'node:util';
import { stopwatch } from './cluster.ts';
import { runDecline, runRelease } from './decline.ts';
import { runMulti } from './multi.ts';
import { runQuota } from './quota.ts';
import type { BenchResult } from './result.ts';

const USAGE = `usage: npm run bench:allocator -- --recipe decline|quota|multi|suppress|release
  --agents N --frameworks M [--roles R] [--json] [--clock wall|cpu] [--explain K]

  decline   every offer is declined for ever
  suppress  as decline, with 99 % of the frameworks suppressed
  quota     LargeAndSmallQuota: one framework per role, R roles (default: M)
  multi     MultiFrameworkAllocations: sizes are the recipe's own
  release   one agent's resources are freed at a time

  --explain K   decline and suppress: before every second round every K-th framework is explained
`;

const WARM_UP = { agents: 300, frameworks: 150 };

function main(): number {
  const { values } = parseArgs({
    args: process.argv.slice(2),
    options: {
      recipe: { type: 'string' },
      agents: { type: 'string', default: '1000' },
      frameworks: { type: 'string', default: '100' },
      roles: { type: 'string' },
      json: { type: 'boolean', default: false },
      clock: { type: 'string', default: 'wall' },
      explain: { type: 'string' },
    },
  });
  const agents = Number(values.agents);
  const frameworks = Number(values.frameworks);
  const roles = Number(values.roles ?? values.frameworks);
  const every = values.explain === undefined ? undefined : Number(values.explain);
  if (
    ![agents, frameworks, roles, every ?? 1].every((size) => Number.isSafeInteger(size) && size > 0)
  ) {
    process.stderr.write(`sizes must be whole numbers above 0\n${USAGE}`);
    return 2;
  }
  stopwatch.kind = values.clock === 'cpu' ? 'cpu' : 'wall';
  const recipe = values.recipe ?? '';
  // The operator runs for weeks: what is measured is compiled code, so a small run of the same recipe comes first.
  measure(recipe, WARM_UP.agents, WARM_UP.frameworks, WARM_UP.frameworks);
  const result = measure(recipe, agents, frameworks, roles, every);
  if (result === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  process.stdout.write(values.json ? `${JSON.stringify(result)}\n` : inWords(result));
  return 0;
}

function measure(
  recipe: string,
  agents: number,
  frameworks: number,
  roles: number,
  explainEvery?: number,
): BenchResult | undefined {
  switch (recipe) {
    case 'decline':
      return runDecline(recipe, { agents, frameworks, suppressed: 0 }, explainEvery);
    case 'suppress':
      return runDecline(
        recipe,
        { agents, frameworks, suppressed: mostOf(frameworks) },
        explainEvery,
      );
    case 'quota':
      return runQuota({ agents, roles });
    case 'multi':
      return runMulti();
    case 'release':
      return runRelease({ agents, frameworks });
    default:
      return undefined;
  }
}

/** All but one in a hundred, and never all. */
const mostOf = (frameworks: number): number =>
  Math.min(frameworks - 1, Math.floor(frameworks * 0.99));

function inWords(result: BenchResult): string {
  return Object.entries(result)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(16)} ${JSON.stringify(value)}\n`)
    .join('');
}

process.exitCode = main();
