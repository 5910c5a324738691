/** Tiers, cheapest first; `npm run check` is `gates` and `unit`. */
export const TIERS = ['gates', 'unit', 'integration', 'simulation', 'e2e'] as const;
export type Tier = (typeof TIERS)[number];

export interface Step {
  readonly tier: Tier;
  readonly name: string;
  readonly command: readonly string[];
  /** Its output is shown as it comes: long work that tells how far it is. Only for steps that run alone. */
  readonly isShown?: boolean;
  /** May run beside its neighbours that may: it needs no port, no cluster and no quiet machine. */
  readonly isSideBySide?: boolean;
  /** How its tests are counted: a gate is one check, jest and the simulation report their own figures. */
  readonly counts: 'gate' | 'jest' | 'lastLine';
  readonly timeoutMinutes: number;
}

const SOURCES = [
  'operator/src',
  'agent-daemonset/src',
  'local-cluster',
  'images',
  'charts',
  'client',
  'examples',
  'test',
];

const gate = (name: string, ...command: string[]): Step => ({
  tier: 'gates',
  name,
  command,
  counts: 'gate',
  timeoutMinutes: 5,
  isSideBySide: true,
});
const jest = (tier: Tier, project: string, timeoutMinutes: number, ...flags: string[]): Step => ({
  tier,
  name: `${project} tests`,
  command: ['jest', '--selectProjects', project, ...flags],
  counts: 'jest',
  timeoutMinutes,
});

/** Builds what is missing before a test's own time limit runs. */
const binaries = (tier: Tier, ...names: string[]): Step => ({
  tier,
  name: 'cluster binaries',
  command: ['node', 'local-cluster/assets/cli.ts', 'ensure', ...names],
  counts: 'gate',
  timeoutMinutes: 60,
  isShown: true,
});

/** By default jest leaves a processor idle, of two one half. */
const ON_ALL_PROCESSORS = '--maxWorkers=100%';

/** Everything `npm test` does, in order; the longest of those that run side by side comes first. */
export const STEPS: readonly Step[] = [
  { ...jest('unit', 'unit', 10, ON_ALL_PROCESSORS), isSideBySide: true },
  gate('types', 'tsc', '--noEmit'),
  gate('format', 'biome', 'check', '--linter-enabled=false', '.'),
  gate('lint and purity', 'oxlint', '--type-aware', ...SOURCES),
  gate(
    'layers',
    'depcruise',
    ...SOURCES,
    '--config',
    '.dependency-cruiser.mjs',
    '--output-type',
    'err',
  ),
  gate('dead code', 'knip'),
  gate('generated files', 'node', 'operator/src/schema/generate/cli.ts', '--check'),
  gate("chart's copies of the CRDs", 'node', 'charts/sync.ts', '--check'),
  binaries('integration'),
  // They wait more than they compute.
  jest('integration', 'integration', 30, '--maxWorkers=3'),
  jest('simulation', 'simulation', 10, ON_ALL_PROCESSORS),
  {
    tier: 'simulation',
    name: '1,000 seeds',
    command: ['node', 'test/simulation/cli.ts', '--seeds', '1000'],
    counts: 'lastLine',
    timeoutMinutes: 10,
  },
  binaries('e2e'),
  binaries('e2e', 'kube-scheduler'),
  jest('e2e', 'e2e', 40, '--runInBand'),
];
