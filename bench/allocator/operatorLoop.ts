import { parseArgs } from 'node:util';
import { createFrameworkReservations } from '../../operator/src/controllers/reservation/frameworkReservations.ts';
import {
  createScheduling,
  type SchedulingLoop,
} from '../../operator/src/controllers/scheduling/scheduling.ts';
import type { Offer } from '../../operator/src/controllers/scheduling/types.ts';
import type { LaunchQueue } from '../../operator/src/controllers/task/launcher.ts';
import { frameworkId, rolePath, taskId } from '../../operator/src/model/ids.ts';
import { ANNOTATION, LABEL } from '../../operator/src/model/labels.ts';
import type { Clock } from '../../operator/src/ports/clock.ts';
import { DEFAULT_CONFIG } from '../../operator/src/runtime/operatorConfig.ts';
import { PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Pod } from '../../operator/src/schema/kubeObjects.ts';
import { createSystemClock } from '../../operator/src/store/system/systemClock.ts';
import { silentLog } from '../../test/support/frameworkHarness.ts';
import { NO_METRICS, OperatorWorld } from '../../test/support/operatorWorld.ts';

// The operator's allocation loop as it runs in the operator, over an API server in memory. Every agent is full of tasks;
// one of them ends at a time, and what it held is offered and used again. Each stretch the loop works without giving way
// is timed.

const USAGE = `usage: npm run bench:operator -- [--agents N] [--frameworks M] [--rounds R] [--pause MS] [--json]
`;

/** Tasks on one agent; each takes a whole part of it. */
const TASKS = 4;

/** Milliseconds on the wall, and of the processor: on a shared machine the wall counts what others do. */
interface Block {
  readonly wall: number;
  readonly processor: number;
}

/** Rounds that are not counted. */
const WARM_UP = 20;

interface Result {
  readonly agents: number;
  readonly frameworks: number;
  readonly firstCycleMs: number;
  readonly cycleMs: { readonly median: number; readonly p95: number };
  /** The longest stretch without giving way: while all agents were told and offered, and in the rounds after that. */
  readonly longestBlockMs: { readonly start: Block; readonly rounds: Block };
  readonly nextOfferMs: { readonly median: number; readonly p99: number };
  readonly rssMb: number;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    args: process.argv.slice(2),
    options: {
      agents: { type: 'string', default: '2000' },
      frameworks: { type: 'string', default: '200' },
      rounds: { type: 'string', default: '300' },
      pause: { type: 'string', default: '15' },
      json: { type: 'boolean', default: false },
    },
  });
  const sizes = [values.agents, values.frameworks, values.rounds, values.pause].map(Number);
  const [agents = 0, frameworks = 0, rounds = 0, pauseMs = 0] = sizes;
  if (!sizes.every((size) => Number.isSafeInteger(size) && size > 0)) {
    process.stderr.write(`sizes must be whole numbers above 0\n${USAGE}`);
    return 2;
  }
  const bench = new Bench(agents, frameworks);
  const result = await bench.measure(rounds, pauseMs);
  const text = values.json ? JSON.stringify(result) : JSON.stringify(result, undefined, 2);
  process.stdout.write(`${text}\n`);
  return 0;
}

class Bench {
  readonly #agents: number;
  readonly #frameworks: number;
  readonly #clock: Clock;
  readonly #all: OperatorWorld;
  readonly #loop: SchedulingLoop;
  readonly #blocks: Block[] = [];
  readonly #cycles: number[] = [];
  readonly #waits: number[] = [];
  #freed: { readonly agent: string; readonly atMs: number } | undefined;
  #tasks = 0;
  #running = 0;

  constructor(agents: number, frameworks: number) {
    this.#agents = agents;
    this.#frameworks = frameworks;
    this.#clock = this.#timed(createSystemClock());
    this.#all = new OperatorWorld(this.#clock);
    this.#loop = this.#createLoop();
  }

  async measure(rounds: number, pauseMs: number): Promise<Result> {
    for (let at = 0; at < this.#agents; at += 1)
      this.#all.node(`node-${at}`, { cpu: '16', memory: '64Gi', pods: '110' });
    for (let at = 0; at < this.#frameworks; at += 1) this.#join(at);
    const startedMs = performance.now();
    this.#loop.start();
    await until(() => this.#running === this.#agents * TASKS);
    const firstCycleMs = performance.now() - startedMs;
    await this.#calm();
    const start = longest(this.#blocks);
    await this.#play(WARM_UP, pauseMs);
    for (const figures of [this.#blocks, this.#cycles, this.#waits]) figures.length = 0;
    await this.#play(rounds, pauseMs);
    return {
      agents: this.#agents,
      frameworks: this.#frameworks,
      firstCycleMs: round2(firstCycleMs),
      cycleMs: { median: quantile(this.#cycles, 0.5), p95: quantile(this.#cycles, 0.95) },
      longestBlockMs: { start, rounds: longest(this.#blocks) },
      nextOfferMs: { median: quantile(this.#waits, 0.5), p99: quantile(this.#waits, 0.99) },
      rssMb: Math.round(process.memoryUsage.rss() / 2 ** 20),
    };
  }

  async #play(rounds: number, pauseMs: number): Promise<void> {
    for (let round = 0; round < rounds; round += 1) {
      this.#endOne(round);
      await until(() => this.#freed === undefined);
      await pause(pauseMs);
    }
  }

  /** Until no cycle has run for a second. */
  async #calm(): Promise<void> {
    for (let seen = -1; seen !== this.#cycles.length; await pause(1_000))
      seen = this.#cycles.length;
  }

  #createLoop(): SchedulingLoop {
    const { world, kube } = this.#all;
    const clock = this.#clock;
    const signal = new AbortController().signal;
    return createScheduling({
      world,
      launcher: this.#launcher(),
      clock,
      log: silentLog,
      metrics: { ...NO_METRICS, allocationCycle: (ms) => this.#cycles.push(ms) },
      epoch: () => 1,
      mayAct: () => true,
      holds: () => [],
      reservations: () => new Map(),
      frameworkReservations: createFrameworkReservations({
        world,
        kube,
        clock,
        log: silentLog,
        signal,
      }),
      inMaintenance: () => new Set(),
      unavailable: () => new Map(),
      onBackOff: () => undefined,
      ...DEFAULT_CONFIG,
      allocate: { minAllocatable: [{ cpus: 10 }], mode: 'mezzo', fairnessExclude: [] },
    });
  }

  /** Pods are made at once, but not within the call. */
  #launcher(): LaunchQueue {
    const assumed = new Set<Pod>();
    return {
      assumed: () => [...assumed],
      waiting: () => 0,
      launch: ({ pod }, done) => {
        assumed.add(pod);
        setImmediate(() => {
          const made = this.#all.pod(pod);
          assumed.delete(pod);
          this.#running += 1;
          done({ kind: 'created', pod: made });
        });
      },
    };
  }

  #join(at: number): void {
    const id = frameworkId(`framework-${at}`);
    this.#loop.register(
      {
        id,
        roles: [rolePath(`role-${at}`)],
        suppressedRoles: [],
        capabilities: { revocable: false, gpu: false },
      },
      {
        onOffers: (offers) => {
          const now = performance.now();
          for (const offer of offers) {
            if (this.#freed?.agent === offer.agent) {
              this.#waits.push(now - this.#freed.atMs);
              this.#freed = undefined;
            }
            setImmediate(() => this.#use(offer));
          }
        },
        onRescind: () => undefined,
        onLaunchFailed: () => undefined,
      },
    );
  }

  /** Takes all of an offer, in parts as large as a task. */
  #use(offer: Offer): void {
    const parts = Math.max(1, Math.round((offer.resources['cpus'] ?? 0) / (16_000 / TASKS)));
    const launches = Array.from({ length: parts }, () => {
      const name = `task-${this.#tasks++}`;
      const resources = { cpus: 16_000 / TASKS, mem: 2 ** 36 / TASKS };
      return { task: taskId(name), resources, revocable: {}, pod: podOf(name, offer) };
    });
    this.#loop.accept(offer.framework, [offer.id], launches, 0);
  }

  #endOne(round: number): void {
    const agent = `node-${(round * 7_919) % this.#agents}`;
    const [pod] = this.#all.world.pods.byIndex('node', agent);
    if (pod === undefined) return;
    const { name, namespace = '' } = pod.metadata;
    this.#freed = { agent, atMs: performance.now() };
    this.#all.api.delete(PODS, { name, namespace }, { gracePeriodSeconds: 0 });
    this.#loop.trigger();
  }

  #timed(clock: Clock): Clock {
    return {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs(),
      setTimer: (delayMs, fire) =>
        clock.setTimer(delayMs, () => {
          const startedMs = performance.now();
          const before = process.threadCpuUsage();
          fire();
          const { user, system } = process.threadCpuUsage(before);
          this.#blocks.push({
            wall: performance.now() - startedMs,
            processor: (user + system) / 1000,
          });
        }),
    };
  }
}

function podOf(name: string, { framework, role }: Offer): Pod {
  const requests = { cpu: String(16 / TASKS), memory: `${64 / TASKS}Gi` };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'tenants',
      labels: { [LABEL.framework]: framework, [LABEL.role]: role },
      annotations: { [ANNOTATION.frameworkId]: framework, [ANNOTATION.rolePath]: role },
    },
    spec: { containers: [{ name: 'task', image: 'busybox:1', resources: { requests } }] },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(isReached: () => boolean): Promise<void> {
  while (!isReached()) await pause(1);
}

const longest = (blocks: readonly Block[]): Block => ({
  wall: round2(Math.max(0, ...blocks.map((one) => one.wall))),
  processor: round2(Math.max(0, ...blocks.map((one) => one.processor))),
});

const round2 = (ms: number): number => Math.round(ms * 100) / 100;

function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((left, right) => left - right);
  return round2(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
}

process.exitCode = await main();
process.exit();
