import { parseArgs } from 'node:util';
import { OperatorCluster } from '../../test/integration/operator/operatorCluster.ts';
import { Legs } from './legs.ts';

const HELP = `npm run bench:launch -- [flags]      how fast Pods come to be, on a real API server with kwok nodes

  --tasks N        Pods per measurement (5000)
  --nodes fake:M   nodes (fake:1000)
  --warm-up N      Pods before each measurement, not counted (a tenth of the tasks)
  --only-mezzo     leaves the two comparisons out
  --json           one line of JSON

Three measurements in one run, of the same Pods: launched by a framework through Mezzo, posted as they are, and posted without a
node for kube-scheduler with its client limits lifted. Each ends when the last Pod exists, with a node. cpu is processor milliseconds
per Pod of each process meanwhile: they share the machine. BENCH_NODE_FLAGS is given to the operator's node.
`;

interface Flags {
  readonly tasks: number;
  readonly warmUp: number;
  readonly nodes: number;
  readonly onlyMezzo: boolean;
  readonly json: boolean;
}

function parse(argv: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      tasks: { type: 'string', default: '5000' },
      nodes: { type: 'string', default: 'fake:1000' },
      'warm-up': { type: 'string' },
      'only-mezzo': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const tasks = Number(values.tasks);
  const nodes = Number(/^fake:(\d+)$/.exec(values.nodes)?.[1]);
  const warmUp = Number(values['warm-up'] ?? Math.ceil(tasks / 10));
  if (!Number.isSafeInteger(tasks) || tasks < 1) throw new Error('--tasks must be a whole number');
  if (!Number.isSafeInteger(nodes) || nodes < 1) throw new Error('--nodes must be fake:N');
  if (!Number.isSafeInteger(warmUp) || warmUp < 0)
    throw new Error('--warm-up must be a whole number');
  return { tasks, nodes, warmUp, onlyMezzo: values['only-mezzo'], json: values.json };
}

async function main(argv: readonly string[]): Promise<number> {
  let flags: Flags;
  try {
    flags = parse(argv);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${HELP}`);
    return 2;
  }
  const all = await OperatorCluster.start({ fakeNodes: flags.nodes });
  try {
    const result = await measure(all, flags);
    if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else
      for (const [name, value] of Object.entries(result))
        process.stdout.write(
          `${name.padEnd(24)} ${typeof value === 'number' ? value : JSON.stringify(value)}\n`,
        );
    return 0;
  } finally {
    await all.stop();
  }
}

async function measure(all: OperatorCluster, flags: Flags) {
  const names = ['bench-mezzo', 'bench-raw', 'bench-scheduler'] as const;
  for (const name of names) await all.cluster.kubectl(['create', 'namespace', name]);
  const legs = new Legs(all, flags);
  try {
    const mezzo = await legs.throughMezzo('bench-mezzo');
    const { requests, launchedAgain } = mezzo;
    const ofMezzo = { mezzoPerSecond: round(mezzo.perSecond) };
    if (flags.onlyMezzo) return { ...ofMezzo, cpu: { mezzo: mezzo.cpu }, requests, launchedAgain };
    await legs.empty('bench-mezzo');
    const raw = await legs.raw('bench-raw', mezzo.pods);
    await legs.empty('bench-raw');
    const scheduler = await legs.throughScheduler('bench-scheduler', mezzo.pods);
    return {
      ...ofMezzo,
      rawPerSecond: round(raw.perSecond),
      ratioRaw: round(mezzo.perSecond / raw.perSecond),
      kubeSchedulerPerSecond: round(scheduler.perSecond),
      ratioKubeScheduler: round(mezzo.perSecond / scheduler.perSecond),
      cpu: { mezzo: mezzo.cpu, raw: raw.cpu, kubeScheduler: scheduler.cpu },
      requests,
      launchedAgain,
    };
  } finally {
    legs.close();
  }
}

const round = (value: number): number => Math.round(value * 100) / 100;

process.exitCode = await main(process.argv.slice(2));
