import { describe, expect, test } from '@jest/globals';
import { directClient } from '../../../test/support/fakeApi/directTransport.ts';
import { FakeApiServer } from '../../../test/support/fakeApiServer.ts';
import { FakeClock, type ProcessClock } from '../../../test/support/fakeClock.ts';
import { createSeededRng } from '../model/seededRng.ts';
import { type KubeApi, KubeApiError, type KubeObject } from '../ports/kubeApi.ts';
import type { Logger } from '../ports/logger.ts';
import { LEASES, PODS } from '../schema/kubeKinds.ts';
import { OperatorError } from './errors.ts';
import { createGuardedApi } from './guardedApi.ts';
import { LeaderElection, type LeaderElectionOptions } from './leaderElection.ts';
import type { Lease } from './lease.ts';

const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};
const KEY = { namespace: 'mezzo', name: 'operator' };

/** One process that wants to lead, with its own clock and a network that can be cut. */
class Contender {
  readonly clock: ProcessClock;
  readonly election: LeaderElection;
  readonly told: string[] = [];
  network: 'up' | 'refused' | 'replyLost' = 'up';
  /** How long each reply takes. */
  latencyMs = 0;
  /** Replies wait for this. */
  late: Promise<void> | undefined;

  constructor(
    world: FakeClock,
    server: FakeApiServer,
    identity: string,
    options: Partial<LeaderElectionOptions> & { readonly offsetMs?: number } = {},
  ) {
    const { offsetMs = 0, ...rest } = options;
    this.clock = world.forProcess({ offsetMs });
    const client = directClient(server, identity);
    const through = async <T>(isWrite: boolean, call: () => Promise<T>): Promise<T> => {
      if (this.network === 'refused') throw new KubeApiError('unavailable', 'refused');
      const reply = await call();
      if (this.latencyMs > 0)
        await new Promise<void>((resolve) => this.clock.setTimer(this.latencyMs, resolve));
      await this.late;
      if (isWrite && this.network === 'replyLost')
        throw new KubeApiError('unknownOutcome', 'reply lost');
      return reply;
    };
    const api: Pick<KubeApi, 'get' | 'create' | 'update'> = {
      get: (ref, key) => through(false, () => client.get(ref, key)),
      create: (ref, object) => through(true, () => client.create(ref, object)),
      update: (ref, object) => through(true, () => client.update(ref, object)),
    };
    this.election = new LeaderElection({
      api,
      clock: this.clock,
      rng: createSeededRng(identity),
      log: silentLog,
      leaseName: KEY.name,
      namespace: KEY.namespace,
      identity,
      address: `http://${identity}`,
      onStartedLeading: (epoch) => this.told.push(`leading ${epoch}`),
      onLost: (reason) => this.told.push(`lost ${reason}`),
      ...rest,
    });
    this.election.start();
  }
}

function setUp() {
  const world = new FakeClock();
  const server = new FakeApiServer({ clock: world });
  const lease = async (): Promise<Lease> => directClient(server).get<Lease>(LEASES, KEY);
  return { world, server, lease };
}

describe('LeaderElection', () => {
  test('the first one creates the lease and leads with epoch 1, the second stands by and knows where', async () => {
    const { world, server, lease } = setUp();
    const a = new Contender(world, server, 'a');
    await world.advance(100);
    const b = new Contender(world, server, 'b');
    await world.advance(60_000);
    expect(a.told).toEqual(['leading 1']);
    expect(b.told).toEqual([]);
    expect([a.election.isLeader(), b.election.isLeader()]).toEqual([true, false]);
    expect(b.election.leaderAddress()).toBe('http://a');
    expect((await lease()).spec).toMatchObject({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      leaseTransitions: 1,
      acquireTime: '2026-01-01T00:00:00.000000Z',
    });
    expect((await lease()).spec?.renewTime).toMatch(/^2026-01-01T00:0[01]:\d\d\.\d{6}Z$/);
  });

  test('whoever starts where the killed leader was does not send callers to itself', async () => {
    const { world, server } = setUp();
    const a = new Contender(world, server, 'a');
    await world.advance(100);
    a.network = 'refused';
    const next = new Contender(world, server, 'next', { address: 'http://a' });
    await world.advance(5_000);
    expect([next.election.isLeader(), next.election.leaderAddress()]).toEqual([false, undefined]);
    await world.advance(60_000);
    expect([next.election.isLeader(), next.election.leaderAddress()]).toEqual([true, 'http://a']);
  });

  test('of many that start at once exactly one leads', async () => {
    const { world, server } = setUp();
    const all = ['a', 'b', 'c', 'd', 'e'].map((name) => new Contender(world, server, name));
    await world.advance(30_000);
    expect(all.filter(({ election }) => election.isLeader())).toHaveLength(1);
  });

  test('a killed leader is followed within 20 s, with a higher epoch, whatever the wall clocks say', async () => {
    for (const offsetMs of [-3_600_000, 0, 3_600_000]) {
      const { world, server } = setUp();
      const a = new Contender(world, server, 'a');
      await world.advance(5_000);
      const b = new Contender(world, server, 'b', { offsetMs });
      await world.advance(30_000);
      expect(b.told).toEqual([]);
      a.clock.kill();
      await world.advance(15_000);
      expect(b.told).toEqual([]);
      await world.advance(5_000);
      expect(b.told).toEqual(['leading 2']);
    }
  });

  test('a leader that cannot renew stops being one before anybody else may start', async () => {
    const { world, server } = setUp();
    const a = new Contender(world, server, 'a');
    const b = new Contender(world, server, 'b');
    await world.advance(30_000);
    const [leader, other] = a.election.isLeader() ? [a, b] : [b, a];
    leader.network = 'refused';
    const term = leader.election.termSignal();
    let bothMs = 0;
    for (let ms = 0; ms < 40_000; ms += 100) {
      await world.advance(100);
      if (leader.election.isLeader() && other.election.isLeader()) bothMs += 100;
      if (ms < 7_000) expect(leader.election.isLeader()).toBe(true);
      if (ms >= 10_000) expect(leader.election.isLeader()).toBe(false);
    }
    expect(bothMs).toBe(0);
    expect(term.aborted).toBe(true);
    expect(leader.told.at(-1)).toBe('lost renewFailed');
    expect(other.told).toEqual(['leading 2']);
  });

  test('a paused leader knows at its first instruction after waking that it leads no more', async () => {
    const { world, server } = setUp();
    const a = new Contender(world, server, 'a');
    await world.advance(5_000);
    const b = new Contender(world, server, 'b');
    await world.advance(5_000);
    a.clock.pause();
    await world.advance(60_000);
    expect(b.election.isLeader()).toBe(true);
    expect(a.told).toEqual(['leading 1']);
    expect(a.election.isLeader()).toBe(false);
    a.clock.resume();
    await world.advance(1_000);
    expect(a.told.at(-1)).toMatch(/^lost/);
    expect(b.election.isLeader()).toBe(true);
  });

  test('a short outage does not cost leadership', async () => {
    const { world, server } = setUp();
    const a = new Contender(world, server, 'a');
    await world.advance(5_000);
    a.network = 'refused';
    await world.advance(6_000);
    a.network = 'up';
    await world.advance(30_000);
    expect(a.told).toEqual(['leading 1']);
    expect(a.election.isLeader()).toBe(true);
  });

  test('a server that takes 4.8 s for each reply does not cost leadership', async () => {
    const { world, server } = setUp();
    const a = new Contender(world, server, 'a');
    await world.advance(100);
    a.latencyMs = 4_800;
    await world.advance(120_000);
    expect(a.told).toEqual(['leading 1']);
    expect(a.election.isLeader()).toBe(true);
  });

  test('a claim whose reply was lost is taken up at the next attempt', async () => {
    const { world, server } = setUp();
    const a = new Contender(world, server, 'a');
    a.network = 'replyLost';
    await world.advance(3_000);
    expect(a.election.isLeader()).toBe(false);
    a.network = 'up';
    await world.advance(4_000);
    expect(a.election.isLeader()).toBe(true);
  });

  test('a claim whose reply comes after the renew deadline is no leadership', async () => {
    const { world, server } = setUp();
    const a = new Contender(world, server, 'a');
    const reply: PromiseWithResolvers<void> = Promise.withResolvers();
    a.late = reply.promise;
    await world.advance(100);
    a.clock.pause();
    await world.advance(60_000);
    reply.resolve();
    await world.settle();
    expect(a.told).toEqual([]);
    expect(a.election.isLeader()).toBe(false);
  });

  test('renewals whose replies are lost keep the lease', async () => {
    const { world, server, lease } = setUp();
    const a = new Contender(world, server, 'a');
    await world.advance(3_000);
    a.network = 'replyLost';
    await world.advance(5_000);
    a.network = 'up';
    await world.advance(20_000);
    expect(a.told).toEqual(['leading 1']);
    expect((await lease()).spec?.leaseTransitions).toBe(1);
  });

  test('stop gives the lease back, and a standby leads within 3 s', async () => {
    const { world, server, lease } = setUp();
    const a = new Contender(world, server, 'a');
    await world.advance(5_000);
    const b = new Contender(world, server, 'b');
    await world.advance(10_000);
    const stopping = a.election.stop();
    expect(a.election.isLeader()).toBe(false);
    await stopping;
    expect((await lease()).spec?.holderIdentity).toBeUndefined();
    await world.advance(3_000);
    expect(b.told).toEqual(['leading 2']);
    expect(a.told).toEqual(['leading 1']);
  });

  test('a leader whose watches are dead lets the lease go, a blind standby does not take it', async () => {
    const { world, server } = setUp();
    let healthy = true;
    const a = new Contender(world, server, 'a', { healthy: () => healthy });
    const blind = new Contender(world, server, 'blind', { healthy: () => false });
    await world.advance(5_000);
    healthy = false;
    await world.advance(60_000);
    expect(a.told).toEqual(['leading 1', 'lost unhealthy']);
    expect(blind.told).toEqual([]);
  });

  test('a lease taken away by hand is noticed at the next renewal', async () => {
    const { world, server, lease } = setUp();
    const a = new Contender(world, server, 'a');
    await world.advance(5_000);
    const held = await lease();
    await directClient(server).update<Lease>(LEASES, {
      ...held,
      spec: { ...held.spec, holderIdentity: 'intruder' },
    });
    await world.advance(5_000);
    expect(a.told).toEqual(['leading 1', 'lost takenOver']);
  });

  test('durations that would let two lead are refused', () => {
    const { world, server } = setUp();
    const make = (options: Partial<LeaderElectionOptions>) => () =>
      new Contender(world, server, 'a', options);
    expect(make({ leaseDurationMs: 10_000, renewDeadlineMs: 10_000 })).toThrow('leaseDurationMs');
    expect(make({ renewDeadlineMs: 4_000, retryPeriodMs: 2_000 })).toThrow('retryPeriodMs');
  });
});

const pod = (name: string): KubeObject & { readonly spec: unknown } => ({
  metadata: { name, namespace: 'team' },
  spec: { containers: [{ name: 'main', image: 'example.test/none:1' }] },
});

describe('createGuardedApi', () => {
  const guarded = async () => {
    const { world, server } = setUp();
    const a = new Contender(world, server, 'a');
    const client = directClient(server);
    const observed: string[] = [];
    const hold: { block: Promise<void> | undefined } = { block: undefined };
    const sent: string[] = [];
    const api = createGuardedApi({
      api: {
        get: (...args) => client.get(...args),
        list: (...args) => client.list(...args),
        watch: (...args) => client.watch(...args),
        patch: (...args) => client.patch(...args),
        update: (...args) => client.update(...args),
        delete: (...args) => client.delete(...args),
        evict: (...args) => client.evict(...args),
        bind: (...args) => client.bind(...args),
        // As the real transport: waits for a turn, then asks whether the write is still wanted.
        create: async (ref, object, options) => {
          await hold.block;
          if (options?.signal?.aborted) throw new KubeApiError('unknownOutcome', 'aborted');
          if (options?.stillWanted?.() === false)
            throw new KubeApiError('unavailable', 'not wanted');
          sent.push(object.metadata.name);
          return client.create(ref, object, options);
        },
      },
      leadership: a.election,
      observe: (_ref, { metadata }) => observed.push(metadata.name),
    });
    return { world, a, api, observed, hold, sent };
  };
  const codeOf = async (call: Promise<unknown>): Promise<string> =>
    call.then(
      () => 'ok',
      (error: unknown) => (error as OperatorError | KubeApiError).code,
    );

  test('the leader writes, and each written object reaches its cache before the caller goes on', async () => {
    const { world, api, observed } = await guarded();
    await world.advance(1_000);
    const created = await api.create(PODS, pod('a'));
    expect(observed).toEqual(['a']);
    await api.patch(PODS, created.metadata, 'merge', { metadata: { labels: { x: 'y' } } });
    await api.create(PODS, pod('dry'), { dryRun: true });
    expect(observed).toEqual(['a', 'a']);
    await api.delete(PODS, { name: 'a', namespace: 'team' });
  });

  test('who does not lead writes nothing, but reads', async () => {
    const { api, sent } = await guarded();
    for (const call of [
      api.create(PODS, pod('a')),
      api.update(PODS, pod('a')),
      api.patch(PODS, { name: 'a', namespace: 'team' }, 'merge', {}),
      api.delete(PODS, { name: 'a', namespace: 'team' }),
      api.evict({ name: 'a', namespace: 'team' }),
      api.bind({ name: 'a', namespace: 'team' }, 'node-1'),
    ])
      expect(await codeOf(call)).toBe('notLeader');
    expect(sent).toEqual([]);
    expect((await api.list(PODS, {})).items).toEqual([]);
  });

  test('a write under way when the term ends is aborted', async () => {
    const { world, a, api, hold } = await guarded();
    await world.advance(1_000);
    const release: PromiseWithResolvers<void> = Promise.withResolvers();
    hold.block = release.promise;
    const call = codeOf(api.create(PODS, pod('a')));
    a.network = 'refused';
    await world.advance(15_000);
    release.resolve();
    expect(await call).toBe('unknownOutcome');
  });

  test('a write that waited through a pause is not sent, although no timer has told of the loss yet', async () => {
    const { world, a, api, hold, sent } = await guarded();
    await world.advance(1_000);
    const release: PromiseWithResolvers<void> = Promise.withResolvers();
    hold.block = release.promise;
    const call = codeOf(api.create(PODS, pod('a')));
    a.clock.pause();
    await world.advance(60_000);
    expect(a.election.termSignal().aborted).toBe(false);
    release.resolve();
    expect(await call).toBe('notLeader');
    expect(sent).toEqual([]);
  });
});
