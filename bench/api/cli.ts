import { type ChildProcess, fork } from 'node:child_process';
import { connect } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Load } from './load.ts';
import type { FromServer, ServerStats } from './server.ts';

const HELP = `npm run bench:api -- [flags]      the scheduler API under load, over real HTTP

  --frameworks N   connected frameworks (200)
  --agents M       agents (2000)
  --rate R         cycles per second at which latency is measured (half of the highest rate measured)
  --seconds S      length of each measurement (10)
  --idle N         idle subscribers (2000)
  --json           one line of JSON

A cycle is offer, accept, running, acknowledge; its task ends and is acknowledged too. The operator and an API server in
memory share a process, the load has another.
`;

/** What Node chooses by itself within the 1 GiB of the chart; by all the memory of a large machine it lets garbage lie. */
const CONTAINER_HEAP = '--max-old-space-size=512';

const WARMING_CYCLES = 10_000;
const LONGEST_WARMING_MS = 60_000;

interface Flags {
  readonly frameworks: number;
  readonly agents: number;
  readonly rate: number;
  readonly seconds: number;
  readonly idle: number;
  readonly json: boolean;
}

function parse(argv: readonly string[]): Flags {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      frameworks: { type: 'string', default: '200' },
      agents: { type: 'string', default: '2000' },
      rate: { type: 'string', default: '0' },
      seconds: { type: 'string', default: '10' },
      idle: { type: 'string', default: '2000' },
      json: { type: 'boolean', default: false },
    },
  });
  const flags = {
    frameworks: Number(values.frameworks),
    agents: Number(values.agents),
    rate: Number(values.rate),
    seconds: Number(values.seconds),
    idle: Number(values.idle),
    json: values.json,
  };
  for (const [name, value] of Object.entries(flags))
    if (typeof value === 'number' && !(Number.isFinite(value) && value >= 0))
      throw new Error(`--${name} must be a number of at least 0`);
  return flags;
}

interface Server {
  readonly port: number;
  stats(): Promise<ServerStats>;
  stop(): void;
}

async function startServer(agents: number): Promise<Server> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'server.ts'), [String(agents)], {
    execArgv: [
      '--no-warnings',
      CONTAINER_HEAP,
      ...(process.env['BENCH_NODE_FLAGS']?.split(' ') ?? []),
    ],
  });
  const next = (): Promise<FromServer> =>
    new Promise((resolve, reject) => {
      child.once('message', (message) => resolve(message as FromServer));
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}`)));
    });
  const first = await next();
  if (first.kind !== 'listening') throw new Error('the server does not listen');
  return {
    port: first.port,
    async stats() {
      const answer = next();
      child.send('stats');
      const message = await answer;
      if (message.kind !== 'stats') throw new Error('no figures');
      return message.stats;
    },
    stop: () => child.disconnect(),
  };
}

const pause = (seconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, seconds * 1_000));

const p99 = (of: readonly number[]): number =>
  of.toSorted((left, right) => left - right)[Math.floor(of.length * 0.99)] ?? Number.NaN;

const round = (value: number): number => Math.round(value * 100) / 100;

async function main(argv: readonly string[]): Promise<number> {
  let flags: Flags;
  try {
    flags = parse(argv);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${HELP}`);
    return 2;
  }
  const say = (text: string): void => {
    if (!flags.json) process.stdout.write(`${text}\n`);
  };
  const busy = await measureBusy(flags, say);
  if (!flags.json)
    for (const [name, value] of Object.entries(busy)) say(`${name.padEnd(24)} ${value}`);
  const idleSubscribersCores = await measureIdle(flags);
  const result = { ...busy, idleSubscribersCores };
  if (flags.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else say(`${'idleSubscribersCores'.padEnd(24)} ${idleSubscribersCores}`);
  return result.failures === 0 ? 0 : 1;
}

/** Highest rate, then latency at the asked or half that rate, without and with a reader that does not read. */
async function measureBusy(flags: Flags, say: (text: string) => void) {
  const server = await startServer(flags.agents);
  const load = new Load(server.port);
  for (let index = 0; index < flags.frameworks; index += 1)
    await load.subscribe(`framework-${index}`);
  say(`${flags.frameworks} frameworks, ${flags.agents} agents`);
  const mostInFlight = Math.max(400, 5 * flags.frameworks);
  load.start(Number.POSITIVE_INFINITY, mostInFlight);
  await warm(load);
  load.reset();
  const before = await server.stats();
  await pause(flags.seconds);
  const { cycles } = load;
  const after = await server.stats();
  if (cycles === 0) throw new Error(`no cycle was completed in ${flags.seconds} s`);
  const cyclesPerSecond = cycles / flags.seconds;
  const serverCores = (after.cpuMs - before.cpuMs) / 1_000 / flags.seconds;
  const rate = flags.rate > 0 ? flags.rate : cyclesPerSecond / 2;
  const latencyAt = async (): Promise<{ p99Ms: number; cyclesPerSecond: number }> => {
    await load.drain();
    load.start(rate, mostInFlight);
    await pause(2);
    load.reset();
    await pause(flags.seconds);
    return { p99Ms: p99(load.latenciesMs), cyclesPerSecond: load.cycles / flags.seconds };
  };
  const alive = await latencyAt();
  const { rssMb } = await server.stats();
  const dead = deadReader(server.port);
  const withDead = await latencyAt();
  dead.destroy();
  load.stop();
  server.stop();
  if (load.firstFailure !== '') process.stderr.write(`first failure: ${load.firstFailure}\n`);
  return {
    cyclesPerSecond: round(cyclesPerSecond),
    p99Ms: round(alive.p99Ms),
    rssMb: Math.round(rssMb),
    deadReaderP99Ratio: round(withDead.p99Ms / alive.p99Ms),
    atCyclesPerSecond: round(alive.cyclesPerSecond),
    serverCores: round(serverCores),
    cpuUsPerCycle: Math.round((serverCores * 1e6) / cyclesPerSecond),
    podWritesPerCycle: round((after.podWrites - before.podWrites) / cycles),
    failures: load.failures,
  };
}

/** The operator runs for weeks: what counts is compiled code, and no code is compiled by a few hundred calls. */
async function warm(load: Load): Promise<void> {
  const untilMs = performance.now() + LONGEST_WARMING_MS;
  while (load.cycles < WARMING_CYCLES && performance.now() < untilMs) await pause(0.2);
}

/** A framework that subscribes for all offers and reads nothing of what it is sent. */
function deadReader(port: number) {
  const body = JSON.stringify({
    type: 'SUBSCRIBE',
    subscribe: { framework_info: { user: 'root', name: 'dead', failover_timeout: 60 } },
  });
  const socket = connect(port, '127.0.0.1');
  socket.pause();
  socket.on('error', () => {});
  socket.write(
    `POST /api/v1/scheduler HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  return socket;
}

/** Cores that subscribers cost who want nothing. */
async function measureIdle(flags: Flags): Promise<number> {
  if (flags.idle === 0) return 0;
  const server = await startServer(flags.agents);
  const load = new Load(server.port);
  await pause(3);
  const cores = async (): Promise<number> => {
    const before = await server.stats();
    await pause(flags.seconds);
    return ((await server.stats()).cpuMs - before.cpuMs) / 1_000 / flags.seconds;
  };
  const alone = await cores();
  const names = Array.from({ length: flags.idle }, (_, index) => `idle-${index}`);
  for (let at = 0; at < names.length; at += 20)
    await Promise.all(
      names.slice(at, at + 20).map((name) => load.subscribe(name, { suppressed: true })),
    );
  await pause(3);
  const together = await cores();
  load.stop();
  server.stop();
  return round(Math.max(0, together - alone));
}

process.exitCode = await main(process.argv.slice(2));
