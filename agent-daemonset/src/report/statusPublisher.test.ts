import { describe, expect, test } from '@jest/globals';
import { createSeededRng } from '../../../operator/src/model/seededRng.ts';
import {
  type KubeApi,
  KubeApiError,
  type PatchOptions,
} from '../../../operator/src/ports/kubeApi.ts';
import { AGENTS, type AgentObject } from '../../../operator/src/schema/mezzoKinds.ts';
import { directClient } from '../../../test/support/fakeApi/directTransport.ts';
import { MEZZO_KINDS } from '../../../test/support/fakeApi/mezzoKinds.ts';
import { FakeApiServer } from '../../../test/support/fakeApiServer.ts';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { BARE_METAL_PATHS, bareMetalNode } from '../fixtures/bareMetalNode.ts';
import { RecordingLogger } from '../fixtures/recordingLogger.ts';
import { inspectHardware } from '../inventory/inspectHardware.ts';
import { Backoff } from './backoff.ts';
import { type AgentFigures, StatusPublisher, type StatusWriteOutcome } from './statusPublisher.ts';

const HARDWARE = inspectHardware(bareMetalNode(), BARE_METAL_PATHS);
const OTHER_HARDWARE = { ...HARDWARE, hash: 'other', disks: [] };

interface Write {
  readonly manager: string | undefined;
  readonly force: boolean | undefined;
  readonly status: object;
}

/** A publisher against the API server in memory; every write it sends is kept. */
class Scene {
  readonly clock = new FakeClock();
  readonly api = new FakeApiServer({ clock: this.clock, kinds: MEZZO_KINDS });
  readonly log = new RecordingLogger();
  readonly writes: Write[] = [];
  readonly outcomes: StatusWriteOutcome[] = [];
  readonly stop = new AbortController();
  /** What the next writes end with instead of reaching the server. */
  readonly faults: unknown[] = [];
  publisher = this.newPublisher();

  newPublisher(): StatusPublisher {
    const { clock, log } = this;
    return new StatusPublisher({
      kube: this.#kube(),
      clock,
      log,
      node: 'node-1',
      backoff: new Backoff(clock, createSeededRng('seed')),
      onOutcome: (outcome) => this.outcomes.push(outcome),
    });
  }

  makeAgent(): void {
    this.api.create(AGENTS, { metadata: { name: 'node-1' } });
  }

  get agent(): AgentObject {
    return this.api.get(AGENTS, { name: 'node-1' });
  }

  async offers(cpuMillis: number, more: Partial<AgentFigures> = {}): Promise<void> {
    const observedAtMs = this.clock.nowMs();
    const figures = { hardware: HARDWARE, cpuMillis, memoryBytes: 0, observedAtMs, ...more };
    await this.publisher.offer(figures, this.stop.signal);
  }

  #kube(): KubeApi {
    const real = directClient(this.api);
    const patch: KubeApi['patch'] = (ref, key, type, body, options: PatchOptions = {}) => {
      const { fieldManager, force } = options;
      const { status } = body as { status: object };
      this.writes.push({ manager: fieldManager, force, status });
      if (this.faults.length > 0) return Promise.reject(this.faults.shift());
      return real.patch(ref, key, type, body, options);
    };
    return new Proxy(real, {
      get: (target, name) => (name === 'patch' ? patch : Reflect.get(target, name)),
    });
  }
}

describe('StatusPublisher', () => {
  test('writes figures, heartbeat and inventory by server-side apply', async () => {
    const scene = new Scene();
    scene.makeAgent();
    await scene.offers(500);
    const observedAt = new Date(scene.clock.nowMs()).toISOString();
    expect(scene.agent.status).toMatchObject({
      revocable: { cpuMillis: 500, memoryBytes: 0, observedAt },
      agentHeartbeat: observedAt,
      hardware: HARDWARE,
    });
    expect(scene.writes.map(({ manager, force }) => ({ manager, force }))).toEqual([
      { manager: 'mezzo-agent-usage', force: true },
      { manager: 'mezzo-agent', force: true },
    ]);
    expect(scene.outcomes).toEqual(['written', 'hardwareWritten']);
  });

  test('the inventory is not sent again while the object holds it, nor after a restart', async () => {
    const scene = new Scene();
    scene.makeAgent();
    await scene.offers(500);
    await scene.clock.advance(30_000);
    await scene.offers(500);
    scene.publisher = scene.newPublisher();
    await scene.offers(0);
    expect(scene.writes.filter(({ manager }) => manager === 'mezzo-agent')).toHaveLength(1);
  });

  test('a changed inventory is written with the next figures', async () => {
    const scene = new Scene();
    scene.makeAgent();
    await scene.offers(500);
    await scene.clock.advance(60_000);
    await scene.offers(500, { hardware: OTHER_HARDWARE });
    expect(scene.agent.status?.hardware).toEqual(OTHER_HARDWARE);
    expect(scene.agent.status?.revocable?.cpuMillis).toBe(500);
  });

  test('an object that was made anew gets everything again', async () => {
    const scene = new Scene();
    scene.makeAgent();
    await scene.offers(500);
    scene.api.delete(AGENTS, { name: 'node-1' });
    scene.makeAgent();
    await scene.clock.advance(60_000);
    await scene.offers(500);
    expect(scene.agent.status?.hardware?.hash).toBe(HARDWARE.hash);
  });

  test('leaves what others wrote to the status', async () => {
    const scene = new Scene();
    scene.makeAgent();
    const tasks = { status: { tasks: 7 } };
    scene.api.patch(AGENTS, { name: 'node-1' }, 'merge', tasks, { subresource: 'status' });
    await scene.offers(500);
    expect(scene.agent.status).toMatchObject({ tasks: 7, revocable: { cpuMillis: 500 } });
  });

  test('stays quiet between heartbeats when nothing changed', async () => {
    const scene = new Scene();
    scene.makeAgent();
    await scene.offers(500);
    for (let second = 5; second < 30; second += 5) {
      await scene.clock.advance(5000);
      await scene.offers(500);
    }
    expect(scene.writes).toHaveLength(2);
    await scene.clock.advance(5000);
    await scene.offers(500);
    expect(scene.writes).toHaveLength(3);
  });

  test('an Agent object that is not there yet is awaited without a warning', async () => {
    const scene = new Scene();
    for (let second = 0; second < 60; second += 5) {
      await scene.offers(500);
      await scene.clock.advance(5000);
    }
    expect(scene.log.messages('warn')).toEqual([]);
    expect(scene.writes.length).toBeLessThan(8);
    expect(scene.outcomes).toContain('absent');
    scene.makeAgent();
    await scene.clock.advance(60_000);
    await scene.offers(500);
    expect(scene.agent.status?.revocable?.cpuMillis).toBe(500);
  });

  test('a failed write is tried again after a back-off, not before', async () => {
    const scene = new Scene();
    scene.makeAgent();
    scene.faults.push(new KubeApiError('unavailable', 'no'), new KubeApiError('unavailable', 'no'));
    await scene.offers(500);
    await scene.offers(500);
    expect(scene.writes).toHaveLength(1);
    expect(scene.outcomes).toEqual(['failed', 'skipped']);
    await scene.clock.advance(5000);
    await scene.offers(500);
    await scene.clock.advance(5000);
    await scene.offers(500);
    expect(scene.writes).toHaveLength(2);
    await scene.clock.advance(5000);
    await scene.offers(500);
    expect(scene.agent.status?.revocable?.cpuMillis).toBe(500);
    expect(scene.log.messages('warn')).toHaveLength(2);
  });

  test('honours Retry-After', async () => {
    const scene = new Scene();
    scene.makeAgent();
    scene.faults.push(new KubeApiError('tooManyRequests', 'slow down', { retryAfterMs: 20_000 }));
    await scene.offers(500);
    await scene.clock.advance(19_000);
    await scene.offers(500);
    expect(scene.writes).toHaveLength(1);
    await scene.clock.advance(1000);
    await scene.offers(500);
    expect(scene.writes).toHaveLength(3);
  });

  test('an inventory that is refused does not hold up the figures, and is not tried at once', async () => {
    const scene = new Scene();
    scene.makeAgent();
    const broken = { ...HARDWARE, hash: 'x'.repeat(200) };
    await scene.offers(500, { hardware: broken });
    await scene.clock.advance(5000);
    await scene.offers(900, { hardware: broken });
    expect(scene.agent.status?.revocable?.cpuMillis).toBe(900);
    expect(scene.agent.status?.hardware).toBeUndefined();
    expect(scene.writes.filter(({ manager }) => manager === 'mezzo-agent')).toHaveLength(1);
    expect(scene.log.messages('warn')).toEqual(['hardware inventory not written']);
  });

  test('one write at a time', async () => {
    const scene = new Scene();
    scene.makeAgent();
    await Promise.all([scene.offers(500), scene.offers(500)]);
    expect(scene.outcomes).toContain('skipped');
    expect(scene.writes).toHaveLength(2);
  });

  test('a stopped agent writes and says nothing', async () => {
    const scene = new Scene();
    scene.makeAgent();
    scene.stop.abort();
    await scene.offers(500);
    expect(scene.agent.status?.revocable).toBeUndefined();
    expect(scene.log.lines).toEqual([]);
  });
});
