import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { resources } from '../../operator/src/model/resources.ts';
import { ApiHarness, until } from '../../test/support/apiHarness.ts';
import { jsonCodec } from './codec.ts';
import { createMemoryIdStore, type FrameworkIdStore } from './idStore.ts';
import { protobufCodec } from './protobufCodec.ts';
import { take } from './resources.ts';
import { SchedulerClient, type SchedulerClientOptions } from './schedulerClient.ts';
import type { SchedulerError } from './schedulerError.ts';
import { shellTask } from './tasks.ts';
import type { Offer, TaskStatus } from './wire.ts';

// The client against the real app over the framework harness: real HTTP, a person for an allocator.

const ends: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function harness(options: Parameters<typeof ApiHarness.start>[0] = {}): Promise<ApiHarness> {
  const api = await ApiHarness.start(options);
  ends.push(() => api.stop());
  api.world.scheduling.auto = { resources: resources({ cpus: 4_000, mem: 2 ** 31 }) };
  return api;
}

/** A framework that remembers what it was told. */
class Probe {
  readonly client: SchedulerClient;
  readonly offers: Offer[] = [];
  readonly statuses: TaskStatus[] = [];
  readonly subscribedAs: string[] = [];
  readonly disconnects: SchedulerError[] = [];
  readonly faults: unknown[] = [];
  /** What `run` came to: undefined while it runs, `stopped`, or its error. */
  end: 'stopped' | SchedulerError | undefined;
  onUpdate: (status: TaskStatus) => unknown = () => {};

  constructor(url: string, options: Partial<SchedulerClientOptions> = {}) {
    this.client = new SchedulerClient({
      url,
      framework: { user: 'root', name: 'probe', failover_timeout: 3_600 },
      credentials: { kind: 'bearer', token: 'alice' },
      random: () => 0,
      ...options,
      handlers: {
        onSubscribed: (id) => this.subscribedAs.push(id),
        onDisconnected: (reason) => this.disconnects.push(reason),
        onOffers: (offers) => this.offers.push(...offers),
        onRescind: (id) =>
          this.offers.splice(
            this.offers.findIndex((one) => one.id.value === id),
            1,
          ),
        onUpdate: (status) => {
          this.statuses.push(status);
          return this.onUpdate(status);
        },
        onFault: (error) => this.faults.push(error),
      },
    });
    this.client.run().then(
      () => (this.end = 'stopped'),
      (error: SchedulerError) => (this.end = error),
    );
    ends.push(() => this.client.stop());
  }

  states(task: string): string[] {
    return this.statuses.filter((one) => one.task_id.value === task).map((one) => one.state);
  }

  async launch(id: string): Promise<void> {
    await until('an offer', () => this.offers.length > 0);
    const offer = this.offers.shift() as Offer;
    const part = take({ cpus: 0.5, mem: 32 }, offer.resources ?? []);
    if (part === undefined) throw new Error('the offer is too small');
    await this.client.launch(
      [offer],
      [shellTask({ id, offer, resources: part.taken, command: 'echo hello' })],
    );
  }
}

const codeOf = (end: Probe['end']): unknown => (typeof end === 'object' ? end.code : end);

async function serverOf(listener: RequestListener): Promise<{ server: Server; url: string }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const record = (event: object): string => {
  const json = JSON.stringify(event);
  return `${Buffer.byteLength(json)}\n${json}`;
};
const SUBSCRIBED = {
  type: 'SUBSCRIBED',
  subscribed: { framework_id: { value: 'f' }, heartbeat_interval_seconds: 0.02 },
};
const STREAM = { 'content-type': 'application/json', 'mesos-stream-id': 's' };

describe('a framework on the real API', () => {
  test.each([
    ['JSON', jsonCodec],
    ['protobuf', protobufCodec],
  ])(
    'launches a task, hears of it in order and acknowledges each update, in %s',
    async (_name, codec) => {
      const api = await harness();
      const probe = new Probe(api.url, { codec });
      await probe.launch('t1');
      await until('the Pod', () => api.world.pods().length === 1);
      api.world.run('t1');
      await until('RUNNING', () => probe.states('t1').includes('TASK_RUNNING'));
      api.world.exit('t1', 0);
      await until('FINISHED', () => probe.states('t1').includes('TASK_FINISHED'));
      expect(probe.states('t1')).toEqual(['TASK_STARTING', 'TASK_RUNNING', 'TASK_FINISHED']);
      // The finalizer holds the Pod until the last update is acknowledged.
      await until('the last acknowledgement', () =>
        api.world.pods().every((pod) => (pod.metadata.finalizers ?? []).length === 0),
      );
      expect(probe.faults).toEqual([]);
    },
  );

  test('does not acknowledge an update whose handler failed', async () => {
    const api = await harness();
    const probe = new Probe(api.url);
    probe.onUpdate = () => {
      throw new Error('the disk is full');
    };
    await probe.launch('t1');
    await until('the fault', () => probe.faults.length > 0);
    expect(probe.faults[0]).toMatchObject({ message: 'the disk is full' });
    api.world.run('t1');
    // In order per task: nothing follows an update that is not acknowledged.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(probe.states('t1')).toEqual(['TASK_STARTING']);
  });

  test('comes back under its id when the connection breaks, and asks about its tasks', async () => {
    const api = await harness();
    const probe = new Probe(api.url, {
      knownTasks: () => [{ task_id: { value: 't1' } }, { task_id: { value: 'never-was' } }],
    });
    await probe.launch('t1');
    await until('STARTING', () => probe.states('t1').length > 0);
    api.world.restart(2);
    await until('the second subscription', () => probe.subscribedAs.length === 2);
    expect(new Set(probe.subscribedAs).size).toBe(1);
    expect(probe.disconnects[0]).toMatchObject({ retryable: true });
    await until('both answers', () => {
      const answers = probe.statuses.filter((one) => one.reason === 'REASON_RECONCILIATION');
      return new Set(answers.map((one) => one.task_id.value)).size === 2;
    });
    expect(probe.states('never-was')).toContain('TASK_LOST');
  }, 20_000);

  test('reconciles until every task has an answer', async () => {
    const api = await harness();
    const probe = new Probe(api.url);
    await probe.launch('t1');
    await until('STARTING', () => probe.states('t1').length > 0);
    const answers = await probe.client.reconcileUntilAnswered([
      { task_id: { value: 't1' } },
      { task_id: { value: 'gone' } },
    ]);
    expect([...answers.keys()].toSorted()).toEqual(['gone', 't1']);
  });

  test('ends when another instance takes over, and says so', async () => {
    const api = await harness();
    const ids = createMemoryIdStore();
    const first = new Probe(api.url, { idStore: ids });
    await until('the first', () => first.client.isSubscribed);
    const second = new Probe(api.url, { idStore: ids });
    await until('its end', () => first.end !== undefined);
    expect(codeOf(first.end)).toBe('failedOver');
    expect(second.subscribedAs).toEqual(first.subscribedAs);
    await expect(first.client.revive()).rejects.toMatchObject({ code: 'notSubscribed' });
  });

  test('a framework that tears itself down in a handler ends without a fault', async () => {
    const api = await harness();
    const probe = new Probe(api.url);
    probe.onUpdate = () => probe.client.teardown();
    await probe.launch('t1');
    await until('its end', () => probe.end !== undefined);
    expect([probe.end, probe.faults]).toEqual(['stopped', []]);
  });

  test('tears down and forgets its id; the id is refused afterwards', async () => {
    const api = await harness();
    const ids: FrameworkIdStore = createMemoryIdStore();
    const probe = new Probe(api.url, { idStore: ids });
    await until('the subscription', () => probe.client.isSubscribed);
    await probe.client.teardown();
    await until('its end', () => probe.end !== undefined);
    expect(probe.end).toBe('stopped');
    expect(await ids.load()).toBeUndefined();
    const ghost = new Probe(api.url, { idStore: createMemoryIdStore(probe.subscribedAs[0]) });
    await until('the refusal', () => ghost.end !== undefined);
    expect(codeOf(ghost.end)).toBe('removed');
  });

  test.each([
    ['a bad token', { credentials: { kind: 'bearer', token: 'bad' } }, 'unauthenticated'],
    ['a bad role', { framework: { user: 'u', name: 'n', role: '/x' } }, 'refused'],
  ] as const)('gives up on %s, with the reason', async (_name, options, code) => {
    const api = await harness();
    const probe = new Probe(api.url, options);
    await until('its end', () => probe.end !== undefined);
    expect(codeOf(probe.end)).toBe(code);
  });

  test('asks a token function before each call', async () => {
    const api = await harness();
    let asked = 0;
    const token = () => {
      asked += 1;
      return 'alice';
    };
    const probe = new Probe(api.url, { credentials: { kind: 'bearer', token } });
    await until('the subscription', () => probe.client.isSubscribed);
    await probe.client.suppress();
    await probe.client.revive();
    expect(asked).toBe(3);
    expect(api.world.scheduling.log.filter((one) => /^(suppress|revive)/.test(one))).toHaveLength(
      2,
    );
  });

  test('decline and kill reach the allocator and the Pod', async () => {
    const api = await harness();
    const probe = new Probe(api.url);
    await until('an offer', () => probe.offers.length > 0);
    await probe.client.decline([probe.offers.shift() as Offer], { refuse_seconds: 7 });
    expect(api.world.scheduling.log.at(-1)).toMatch(/^decline \S+ 7000$/);
    await probe.client.revive();
    await probe.launch('t1');
    api.world.run('t1');
    await until('RUNNING', () => probe.states('t1').includes('TASK_RUNNING'));
    await probe.client.kill('t1', { policy: { grace_period: { nanoseconds: 1e9 } } });
    await until(
      'the deletion',
      () => api.world.podOf('t1').metadata.deletionTimestamp !== undefined,
    );
  });
});

describe('a framework on a difficult network', () => {
  test('follows 307 to the leader with its credentials, and goes back when the leader is gone', async () => {
    const api = await harness();
    let asked = 0;
    const standby = await serverOf((request, response) => {
      asked += 1;
      request.resume();
      response.writeHead(307, { location: `//127.0.0.1:${api.server.port}` }).end();
    });
    const probe = new Probe(standby.url);
    await until('the subscription', () => probe.client.isSubscribed);
    await probe.client.suppress();
    expect(asked).toBe(1);
  });

  test('tries again after 503, and gives up on what is no Mesos master', async () => {
    let count = 0;
    const { url } = await serverOf((request, response) => {
      request.resume();
      count += 1;
      if (count === 1) response.writeHead(503).end('No leader');
      else response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
    });
    const probe = new Probe(url);
    await until('its end', () => probe.end !== undefined);
    expect(probe.disconnects.map((one) => one.code)).toEqual(['unreachable', 'protocol']);
  });

  test('takes five missed heartbeats for a dead master', async () => {
    let streams = 0;
    const { url } = await serverOf((request, response) => {
      request.resume();
      streams += 1;
      response.writeHead(200, STREAM);
      response.write(record(SUBSCRIBED));
    });
    const startedMs = performance.now();
    const probe = new Probe(url);
    await until('a second connection', () => streams === 2);
    expect(performance.now() - startedMs).toBeGreaterThan(95);
    expect(probe.disconnects[0]?.message).toContain('nothing came on the stream for 100 ms');
  });

  test('a slow handler is not taken for silence', async () => {
    let streams = 0;
    const { url } = await serverOf((request, response) => {
      request.resume();
      streams += 1;
      response.writeHead(200, STREAM);
      response.write(record(SUBSCRIBED));
      const offers = { type: 'OFFERS', offers: { offers: [] } };
      response.write(record(offers));
      const beat = setInterval(() => response.write(record({ type: 'HEARTBEAT' })), 20);
      response.on('close', () => clearInterval(beat));
    });
    let handled = 0;
    const client = new SchedulerClient({
      url,
      framework: { user: 'u', name: 'n' },
      handlers: {
        async onOffers() {
          await new Promise((resolve) => setTimeout(resolve, 200));
          handled += 1;
        },
      },
    });
    ends.push(() => client.stop());
    const over = client.run();
    await until('the handler', () => handled === 1);
    client.stop();
    await over;
    expect(streams).toBe(1);
  });

  test('an unanswered question is asked again, only about what is missing', async () => {
    const asked: string[][] = [];
    let stream: { write(text: string): void } | undefined;
    const { url } = await serverOf((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const call = JSON.parse(Buffer.concat(chunks).toString()) as {
          type: string;
          reconcile?: { tasks: { task_id: { value: string } }[] };
        };
        if (call.type === 'SUBSCRIBE') {
          response.writeHead(200, STREAM);
          const calm = { ...SUBSCRIBED.subscribed, heartbeat_interval_seconds: 60 };
          response.write(record({ ...SUBSCRIBED, subscribed: calm }));
          stream = response;
          return;
        }
        const ids = call.reconcile?.tasks.map((one) => one.task_id.value) ?? [];
        asked.push(ids);
        response.writeHead(202).end();
        // Silent about `b` the first time, as a master is while agents come back.
        for (const value of ids.filter((id) => id === 'a' || asked.length > 1))
          stream?.write(
            record({
              type: 'UPDATE',
              update: { status: { task_id: { value }, state: 'TASK_LOST' } },
            }),
          );
      });
    });
    const probe = new Probe(url);
    await until('the subscription', () => probe.client.isSubscribed);
    const answers = await probe.client.reconcileUntilAnswered(
      ['a', 'b'].map((value) => ({ task_id: { value } })),
    );
    expect(asked).toEqual([['a', 'b'], ['b']]);
    expect([...answers.values()].map((one) => one.state)).toEqual(['TASK_LOST', 'TASK_LOST']);
  });
});
