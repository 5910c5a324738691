import { afterEach, describe, expect, test } from '@jest/globals';
import { createSeededRng } from '../../operator/src/model/seededRng.ts';
import type { AgentReport } from '../../operator/src/schema/http/agentReport.ts';
import { AGENTS, type AgentObject } from '../../operator/src/schema/mezzoKinds.ts';
import { directClient } from '../../test/support/fakeApi/directTransport.ts';
import { MEZZO_KINDS } from '../../test/support/fakeApi/mezzoKinds.ts';
import { FakeApiServer } from '../../test/support/fakeApiServer.ts';
import { FakeClock } from '../../test/support/fakeClock.ts';
import { DEFAULT_ESTIMATOR_CONFIG } from './estimator/types.ts';
import {
  BURSTABLE_UID,
  GUARANTEED_UID,
  hostOf,
  type PodFixture,
  procFiles,
  somePods,
  v2Files,
} from './fixtures/cgroupTrees.ts';
import type { MemoryHostFiles } from './fixtures/memoryHostFiles.ts';
import { RecordingLogger } from './fixtures/recordingLogger.ts';
import { type AgentServer, startAgentServer } from './http/agentServer.ts';
import { NodeAgent } from './nodeAgent.ts';
import { Backoff } from './report/backoff.ts';
import { StatusPublisher } from './report/statusPublisher.ts';
import { UsageReporter } from './report/usageReporter.ts';
import { AgentMetrics } from './telemetry/metrics.ts';
import { UsageSampler } from './usage/usageSampler.ts';

const PATHS = { proc: '/proc', sys: '/sys' };
const INTERVAL_MS = 5000;

/** The whole agent on a machine in memory, against the API server in memory, under a clock that is moved by hand. */
class Scene {
  readonly clock = new FakeClock();
  readonly files: MemoryHostFiles = hostOf(v2Files(somePods(), 'systemd'), procFiles(4, 1000));
  readonly api = new FakeApiServer({ clock: this.clock, kinds: MEZZO_KINDS });
  readonly log = new RecordingLogger();
  readonly metrics = new AgentMetrics();
  readonly reports: AgentReport[] = [];
  readonly stop = new AbortController();
  readonly agent: NodeAgent;
  #pods = somePods();
  #ticks = 1000;

  constructor() {
    const { clock, files, log, metrics } = this;
    const rng = createSeededRng('scene');
    const backoff = () => new Backoff(clock, rng);
    const sender = {
      send: async (report: AgentReport) => {
        this.reports.push(report);
        return { kind: 'accepted' } as const;
      },
    };
    const kube = directClient(this.api);
    const node = 'node-1';
    this.agent = new NodeAgent({
      node,
      paths: PATHS,
      intervalMs: INTERVAL_MS,
      estimator: { ...DEFAULT_ESTIMATOR_CONFIG, warmupSamples: 2, calmSamples: 1 },
      files,
      clock,
      log,
      metrics,
      sampler: new UsageSampler(files, clock, {
        paths: PATHS,
        cgroupRoot: '/',
        nodeUsage: 'machine',
      }),
      publisher: new StatusPublisher({
        kube,
        clock,
        log,
        node,
        backoff: backoff(),
        onOutcome: (outcome) => metrics.statusWrite(outcome),
      }),
      reporter: new UsageReporter({
        node,
        sender,
        log,
        backoff: backoff(),
        onOutcome: (outcome) => metrics.report(outcome),
      }),
    });
    this.api.create(AGENTS, { metadata: { name: node } });
  }

  get status(): NonNullable<AgentObject['status']> {
    return (this.api.get(AGENTS, { name: 'node-1' }) as AgentObject).status ?? {};
  }

  /** Lets the Pods use `cpuMillis` each for some intervals. */
  async live(intervals: number, cpuMillis: number): Promise<void> {
    for (let index = 0; index < intervals; index += 1) {
      const usec = cpuMillis * INTERVAL_MS;
      this.#pods = this.#pods.map((pod: PodFixture) => ({
        ...pod,
        usageUsec: pod.usageUsec + usec,
      }));
      this.#ticks += (usec * this.#pods.length) / 10_000;
      this.files.write({
        ...v2Files(this.#pods, 'systemd'),
        ...procFiles(4, this.#ticks),
      });
      await this.clock.advance(INTERVAL_MS);
    }
  }
}

describe('NodeAgent', () => {
  test('lends what Pods requested and do not use, and reports what they use', async () => {
    const scene = new Scene();
    void scene.agent.run(scene.stop.signal);
    await scene.live(12, 100);
    // Requests 2000m + 250m (26m less by the rounding of weights), peak 3 × 100m + 10 %.
    const { revocable, hardware, agentHeartbeat } = scene.status;
    expect(revocable?.cpuMillis).toBeGreaterThan(1800);
    expect(revocable?.cpuMillis).toBeLessThanOrEqual(2250 - 330);
    expect(revocable?.memoryBytes).toBe(0);
    expect(hardware?.kernel).toBeUndefined();
    expect(hardware?.memory?.totalBytes).toBe(8 * 2 ** 30);
    expect(Date.parse(agentHeartbeat ?? '')).toBeGreaterThan(scene.clock.nowMs() - 35_000);
    const report = scene.reports.at(-1);
    expect(report?.nodeUsage).toEqual({ cpuMillis: 400, memoryBytes: 2 * 2 ** 30 });
    expect(report?.pods.find(({ uid }) => uid === GUARANTEED_UID)).toEqual({
      uid: GUARANTEED_UID,
      cpuMillis: 100,
      memoryBytes: 70 * 2 ** 20,
    });
    scene.stop.abort();
  });

  test('takes it back within one interval of the Pods using it', async () => {
    const scene = new Scene();
    void scene.agent.run(scene.stop.signal);
    await scene.live(12, 100);
    await scene.live(1, 900);
    expect(scene.status.revocable?.cpuMillis).toBe(0);
    scene.stop.abort();
  });

  test('withdraws everything when the cgroups are gone for too long, and says why once', async () => {
    const scene = new Scene();
    void scene.agent.run(scene.stop.signal);
    await scene.live(12, 100);
    scene.files.remove('/sys/fs/cgroup/kubepods.slice');
    await scene.clock.advance(40_000);
    expect(scene.status.revocable?.cpuMillis).toBe(0);
    expect(scene.log.messages('warn')).toEqual(['Pod usage is unknown, nothing is revocable']);
    const sent = scene.reports.length;
    await scene.clock.advance(20_000);
    expect(scene.reports).toHaveLength(sent);
    await scene.live(1, 100);
    expect(scene.log.messages('info')).toContain('Pod usage is known');
    scene.stop.abort();
  });

  test('notices changed hardware within two minutes', async () => {
    const scene = new Scene();
    void scene.agent.run(scene.stop.signal);
    await scene.live(1, 100);
    const before = scene.status.hardware?.hash;
    scene.files.write({
      '/sys/block/nvme0n1/size': '1000',
      '/sys/block/nvme0n1/device/model': 'new',
    });
    await scene.clock.advance(120_000);
    expect(scene.status.hardware?.disks).toHaveLength(1);
    expect(scene.status.hardware?.hash).not.toBe(before);
    scene.stop.abort();
  });

  test('survives a sampler that throws, and tells its prober', async () => {
    const scene = new Scene();
    void scene.agent.run(scene.stop.signal);
    await scene.live(12, 100);
    expect(scene.agent.health()).toEqual({ healthy: true, message: 'ok' });
    const lastSampleMs = scene.clock.nowMs();
    scene.files.readText = () => {
      throw new Error('broken disk');
    };
    await scene.clock.advance(60_000);
    expect(scene.log.messages('error')).toContain('sampling failed');
    expect(scene.agent.health().healthy).toBe(false);
    expect(await scene.agent.metrics()).toContain('mezzo_agent_revocable_cpu_cores 0');
    expect(scene.status.revocable?.cpuMillis).toBe(0);
    expect(Date.parse(scene.status.agentHeartbeat ?? '')).toBeLessThanOrEqual(lastSampleMs);
    scene.stop.abort();
  });

  test('ends when told to, and samples no more', async () => {
    const scene = new Scene();
    const run = scene.agent.run(scene.stop.signal);
    await scene.live(3, 100);
    scene.stop.abort();
    await run;
    const sent = scene.reports.length;
    await scene.clock.advance(60_000);
    expect(scene.reports).toHaveLength(sent);
  });
});

describe('HTTP', () => {
  let server: AgentServer | undefined;
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  const get = async (path: string, init: RequestInit = {}) => {
    const reply = await fetch(`http://127.0.0.1:${server?.port ?? 0}${path}`, init);
    return { status: reply.status, text: await reply.text() };
  };

  test('metrics are about the newest sample only', async () => {
    const scene = new Scene();
    server = await startAgentServer(scene.agent, 0);
    void scene.agent.run(scene.stop.signal);
    await scene.live(4, 100);
    const first = await get('/metrics');
    expect(first.status).toBe(200);
    expect(first.text).toContain(`mezzo_agent_pod_cpu_cores{uid="${BURSTABLE_UID}"} 0.1`);
    expect(first.text).toContain(`mezzo_agent_pod_memory_bytes{uid="${BURSTABLE_UID}"} 73400320`);
    expect(first.text).toContain('mezzo_agent_node_cpu_cores 0.4');
    expect(first.text).toContain('mezzo_agent_node_cpu_pressure_ratio 0.123');
    expect(first.text).toContain('mezzo_agent_status_writes_total{outcome="hardwareWritten"} 1');
    expect(first.text).toContain('mezzo_agent_reports_total{outcome="accepted"}');
    scene.files.remove('/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice');
    scene.files.remove('/proc');
    await scene.clock.advance(INTERVAL_MS);
    const second = await get('/metrics');
    expect(second.text).not.toContain(BURSTABLE_UID);
    expect(second.text).toContain(GUARANTEED_UID);
    expect(second.text).not.toMatch(/^mezzo_agent_node_cpu_cores /m);
    scene.stop.abort();
  });

  test('usage is the newest sample with its estimate', async () => {
    const scene = new Scene();
    server = await startAgentServer(scene.agent, 0);
    expect(await get('/usage')).toMatchObject({ status: 503 });
    void scene.agent.run(scene.stop.signal);
    await scene.live(2, 100);
    const { status, text } = await get('/usage');
    expect(status).toBe(200);
    expect(JSON.parse(text)).toMatchObject({
      nodeName: 'node-1',
      node: { capacityMillis: 4000, cpuMillis: 400 },
      pods: { kind: 'read', leftOut: 0 },
      estimate: { limitedBy: 'growth' },
    });
    scene.stop.abort();
  });

  test('health turns bad when samples stop coming', async () => {
    const scene = new Scene();
    server = await startAgentServer(scene.agent, 0);
    expect(await get('/healthz')).toEqual({ status: 200, text: 'ok\n' });
    await scene.clock.advance(4 * INTERVAL_MS + 1);
    const { status, text } = await get('/healthz');
    expect(status).toBe(503);
    expect(text).toContain('no usage sample for 20001 ms');
  });

  test.each([
    { path: '/', method: 'GET', status: 404 },
    { path: '/usage/../etc', method: 'GET', status: 404 },
    { path: '/metrics', method: 'POST', status: 405 },
  ])('$method $path is answered $status', async ({ path, method, status }) => {
    server = await startAgentServer(new Scene().agent, 0);
    expect((await get(path, { method })).status).toBe(status);
  });

  test('a port in use is an error that names the flag', async () => {
    server = await startAgentServer(new Scene().agent, 0);
    await expect(startAgentServer(new Scene().agent, server.port)).rejects.toThrow(
      `cannot listen on port ${server.port} (--http-port)`,
    );
  });
});
