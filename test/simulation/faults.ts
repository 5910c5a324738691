import type { Rng } from '../../operator/src/ports/rng.ts';
import type { NetworkConditions } from '../support/fakeApi/conditions.ts';
import type { FakeApiServer } from '../support/fakeApiServer.ts';
import type { FakeClock } from '../support/fakeClock.ts';
import type { Fleet } from './fleet.ts';
import type { History } from './history.ts';
import type { Kubelets } from './kubelet.ts';
import type { Replica } from './replica.ts';

export interface FaultOptions {
  readonly api: FakeApiServer;
  readonly clock: FakeClock;
  readonly rng: Rng;
  readonly history: History;
  readonly fleet: Fleet;
  readonly kubelets: Kubelets;
  readonly replicas: readonly Replica[];
  readonly activeMs: number;
}

type Fault = (options: FaultOptions) => string;

/** Each does one thing and says what. A table, so that a reader sees all that may go wrong. */
const FAULTS = {
  kill: ({ rng, ...world }) => {
    const replica = leaderOrAny(world.replicas, rng);
    replica.kill(rng.int(8000));
    return `kill ${replica.name}`;
  },
  /** Dies with a write of a Pod on the wire; it may land long after. */
  killMidWrite: ({ rng, ...world }) => {
    const replica = leaderOrAny(world.replicas, rng);
    const restartMs = rng.int(4000);
    replica.atNextPodWrite(() => {
      world.history.record('fault', `kill ${replica.name} in mid-write`);
      replica.kill(restartMs);
    });
    return `${replica.name} shall die in mid-write`;
  },
  pauseMidWrite: ({ rng, clock, ...world }) => {
    const replica = leaderOrAny(world.replicas, rng);
    const forMs = 10_000 + rng.int(25_000);
    replica.atNextPodWrite(() => {
      world.history.record('fault', `pause ${replica.name} in mid-write for ${forMs} ms`);
      clock.setTimer(forMs, replica.pause());
    });
    return `${replica.name} shall pause in mid-write`;
  },
  /** SIGSTOP or a long collection: from shorter than the lease to much longer. */
  pause: ({ rng, clock, ...world }) => {
    const replica = leaderOrAny(world.replicas, rng);
    const forMs = 2000 + rng.int(30_000);
    const resume = replica.pause();
    clock.setTimer(forMs, resume);
    return `pause ${replica.name} for ${forMs} ms`;
  },
  partition: ({ rng, clock, ...world }) => {
    const replica = leaderOrAny(world.replicas, rng);
    const forMs = 1000 + rng.int(40_000);
    const how = rng.next() < 0.5 ? 'refused' : 'swallowed';
    const heal = replica.partition(how);
    clock.setTimer(forMs, heal);
    return `partition ${replica.name} (${how}) for ${forMs} ms`;
  },
  /** Now and then the dead Pods are swept away meanwhile, before anybody of Mezzo saw them end. */
  outage: ({ rng, clock, replicas, fleet }) => {
    const forMs = 1000 + rng.int(45_000);
    if (rng.next() < 0.5) clock.setTimer(forMs - 1, () => fleet.sweepEndedPods());
    const heals = replicas.map((replica) => replica.partition('refused'));
    clock.setTimer(forMs, () => {
      for (const heal of heals) heal();
    });
    return `API server unreachable for ${forMs} ms`;
  },
  silence: ({ rng, ...world }) => {
    const replica = leaderOrAny(world.replicas, rng);
    replica.silenceWatches();
    return `watches of ${replica.name} fall silent`;
  },
  compact: ({ api }) => {
    api.compact();
    return `compaction at ${api.resourceVersion}`;
  },
  nodeOutage: ({ rng, fleet, kubelets }) => {
    const name = pick(kubelets.nodeNames, rng) ?? '';
    const forMs = 5000 + rng.int(85_000);
    const isReboot = rng.next() < 0.4;
    fleet.outage(name, forMs, isReboot);
    return `${name} cut off for ${forMs} ms${isReboot ? ', then rebooted' : ''}`;
  },
  nodeLoss: ({ rng, fleet, kubelets, clock, history }) => {
    const name = pick(kubelets.nodeNames, rng) ?? '';
    if (kubelets.nodeNames.length < 3) return 'no node to spare';
    fleet.lose(name);
    clock.setTimer(rng.int(30_000), () => history.record('fleet', `adds ${fleet.addNode()}`));
    return `${name} lost for good`;
  },
} as const satisfies Record<string, Fault>;

/** How often each is drawn. */
const WEIGHTS = {
  kill: 5,
  killMidWrite: 6,
  pauseMidWrite: 3,
  pause: 4,
  partition: 3,
  outage: 2,
  silence: 2,
  compact: 2,
  nodeOutage: 2,
  nodeLoss: 1,
} as const satisfies Record<keyof typeof FAULTS, number>;

function pick<T>(items: readonly T[], rng: Rng): T | undefined {
  return items[rng.int(items.length)];
}

/** The leader most of the time: it has the most to lose. */
function leaderOrAny(replicas: readonly Replica[], rng: Rng): Replica {
  const leader = rng.next() < 0.75 ? replicas.find((replica) => replica.isLeader()) : undefined;
  return leader ?? (pick(replicas, rng) as Replica);
}

function draw(rng: Rng): keyof typeof FAULTS {
  const kinds = Object.keys(WEIGHTS) as (keyof typeof FAULTS)[];
  let left = rng.int(kinds.reduce((sum, kind) => sum + WEIGHTS[kind], 0));
  for (const kind of kinds) {
    left -= WEIGHTS[kind];
    if (left < 0) return kind;
  }
  return 'kill';
}

/** Strikes at random times until the active phase ends. */
export function startFaults(options: FaultOptions): void {
  const { clock, rng, history, activeMs } = options;
  const everyMs = 8000 + rng.int(30_000);
  const strikeLater = (): void => {
    clock.setTimer(1000 + rng.int(2 * everyMs), () => {
      if (clock.monotonicMs() >= activeMs) return;
      const fault: Fault = FAULTS[draw(rng)];
      history.record('fault', fault(options));
      strikeLater();
    });
  };
  strikeLater();
}

/** Weather of one run, from nearly fair to rough. */
export function drawWeather(rng: Rng): NetworkConditions {
  const rough = rng.next() < 0.2 ? 0 : rng.next();
  return {
    calls: {
      requestLost: 0.01 * rough,
      replyLost: 0.02 * rough,
      slow: 0.01 * rough,
      tooManyRequests: 0.01 * rough,
      unavailable: 0.01 * rough,
    },
    watches: {
      reset: 0.3 * rough,
      closed: 0.2 * rough,
      expired: 0.15 * rough,
      silent: 0.08 * rough,
      maxEventDelayMs: Math.round(4000 * rough),
    },
    maxReplicaLag: Math.round(30 * rough),
  };
}
