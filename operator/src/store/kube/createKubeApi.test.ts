import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import type { Clock } from '../../ports/clock.ts';
import type { KubeApiError, KubeErrorCode, KubeObject, WatchEvent } from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import { LEASES, NODES, PODS } from '../../schema/kubeKinds.ts';
import { createSystemClock } from '../system/systemClock.ts';
import { createKubeApi, type KubeApiClient, type KubeApiOptions } from './createKubeApi.ts';

/** The server side is written by hand: faults are what these tests are about. The real API server has its own suite. */
interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly rawHeaders: readonly string[];
  readonly body: string;
}
type Answer = (request: Seen, response: ServerResponse) => void;

class HandServer {
  readonly seen: Seen[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  readonly #server: Server;

  constructor(answer: Answer) {
    this.#server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      request.on('end', () => {
        const { method = '', url = '', headers, rawHeaders } = request;
        const seen = { method, url, headers, rawHeaders, body };
        this.seen.push(seen);
        answer(seen, response);
      });
    });
    this.#server.on('connection', (socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

const silentLog: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

type User = Parameters<KubeConfig['loadFromClusterAndUser']>[1];

function kubeConfigFor(server: string, user: User): KubeConfig {
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'hand', server, skipTLSVerify: true }, user);
  return config;
}

const cleanups: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function setUp(
  answer: Answer,
  setting: Partial<KubeApiOptions> & { readonly user?: User } = {},
): Promise<{ api: KubeApiClient; server: HandServer; clock: Clock }> {
  const server = new HandServer(answer);
  const url = await server.start();
  const { user = { name: 'tester', token: 'secret-token' }, ...options } = setting;
  const clock = options.clock ?? createSystemClock();
  const api = createKubeApi({
    source: { kind: 'kubeConfig', kubeConfig: kubeConfigFor(url, user) },
    log: silentLog,
    ...options,
    clock,
  });
  cleanups.push(
    () => api.close(),
    () => server.stop(),
  );
  return { api, server, clock };
}

const json = (response: ServerResponse, status: number, body: unknown, headers = {}): void => {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(body));
};

const pod = (name: string): KubeObject => ({
  metadata: { name, namespace: 'team', resourceVersion: '7' },
});
const newPod = (name: string): KubeObject => ({ metadata: { name, namespace: 'team' } });

/** Lets real sockets work while simulated time stands still. */
async function settleUntil(clock: FakeClock, holds: () => boolean): Promise<void> {
  while (!holds()) await clock.settle();
}

async function failure(call: Promise<unknown>): Promise<KubeApiError> {
  try {
    await call;
  } catch (error) {
    return error as KubeApiError;
  }
  throw new Error('the call was expected to fail');
}

describe('requests', () => {
  test('address, credential and content types are what the API server expects', async () => {
    const { api, server } = await setUp((_request, response) => json(response, 200, pod('a')));
    const key = { name: 'a', namespace: 'team' };
    await api.get(PODS, key);
    await api.get(NODES, { name: 'n/1' });
    await api.patch(PODS, key, 'merge', { x: 1 }, { subresource: 'status' });
    await api.patch(PODS, key, 'json', []);
    await api.patch(PODS, key, 'apply', {}, { fieldManager: 'mezzo', force: true, dryRun: true });
    await api.delete(PODS, key, { uid: 'u', resourceVersion: '3', gracePeriodSeconds: 0 });
    await api.create(LEASES, { metadata: { name: 'l', namespace: 'team' } });
    expect(server.seen.map(({ method, url }) => `${method} ${url}`)).toEqual([
      'GET /api/v1/namespaces/team/pods/a',
      'GET /api/v1/nodes/n%2F1',
      'PATCH /api/v1/namespaces/team/pods/a/status',
      'PATCH /api/v1/namespaces/team/pods/a',
      'PATCH /api/v1/namespaces/team/pods/a?dryRun=All&fieldManager=mezzo&force=true',
      'DELETE /api/v1/namespaces/team/pods/a',
      'POST /apis/coordination.k8s.io/v1/namespaces/team/leases',
    ]);
    expect(server.seen.slice(2, 5).map(({ headers }) => headers['content-type'])).toEqual([
      'application/merge-patch+json',
      'application/json-patch+json',
      'application/apply-patch+yaml',
    ]);
    expect(server.seen[0]?.headers.authorization).toBe('Bearer secret-token');
    expect(JSON.parse(server.seen[5]?.body ?? '')).toMatchObject({
      preconditions: { uid: 'u', resourceVersion: '3' },
      gracePeriodSeconds: 0,
    });
    expect(JSON.parse(server.seen[6]?.body ?? '')).toMatchObject({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
    });
  });

  test('each impersonated group is a header of its own', async () => {
    const { api, server } = await setUp((_request, response) => json(response, 201, pod('a')));
    await api.create(PODS, newPod('a'), { impersonate: { user: 'ann', groups: ['dev', 'ops'] } });
    const raw = server.seen[0]?.rawHeaders ?? [];
    const groups = raw.filter((_, index) => raw[index - 1]?.toLowerCase() === 'impersonate-group');
    expect(groups).toEqual(['dev', 'ops']);
    expect(server.seen[0]?.headers['impersonate-user']).toBe('ann');
  });

  test('lists are asked for page by page, and items are completed and relieved of managedFields', async () => {
    const { api, server } = await setUp((_request, response) =>
      json(response, 200, {
        metadata: { resourceVersion: '9', continue: 'next' },
        items: [{ metadata: { name: 'a', managedFields: [{ manager: 'x' }] } }],
      }),
    );
    const page = await api.list(PODS, { limit: 1, labelSelector: 'a=b,c', resourceVersion: '0' });
    await api.list(PODS, { limit: 1, continueToken: 'next', resourceVersion: '0' });
    expect(page).toEqual({
      resourceVersion: '9',
      continueToken: 'next',
      items: [{ apiVersion: 'v1', kind: 'Pod', metadata: { name: 'a' } }],
    });
    expect(server.seen.map(({ url }) => url)).toEqual([
      '/api/v1/pods?limit=1&resourceVersion=0&labelSelector=a%3Db%2Cc',
      '/api/v1/pods?limit=1&continue=next',
    ]);
  });

  test('many calls share few connections', async () => {
    const { api, server } = await setUp((_request, response) => json(response, 200, pod('a')));
    await Promise.all(
      Array.from({ length: 300 }, () => api.get(PODS, { name: 'a', namespace: 'team' })),
    );
    expect(server.seen).toHaveLength(300);
    expect(server.connections).toBeLessThanOrEqual(8);
  });

  test('a token file is read again at once after a 401, and by itself within 30 s', async () => {
    const path = join(mkdtempSync(join(tmpdir(), 'mezzo-token-')), 'token');
    writeFileSync(path, 'first\n');
    const clock = new FakeClock();
    const { api, server } = await setUp(
      (request, response) =>
        request.headers.authorization === 'Bearer revoked'
          ? json(response, 401, { reason: 'Unauthorized' })
          : json(response, 200, pod('a')),
      {
        clock,
        user: { name: 'pod', authProvider: { name: 'tokenFile', config: { tokenFile: path } } },
      },
    );
    await api.get(NODES, { name: 'n' });
    writeFileSync(path, 'revoked');
    await api.get(NODES, { name: 'n' });
    await clock.advance(30_001);
    expect((await failure(api.get(NODES, { name: 'n' }))).code).toBe('unauthorized');
    writeFileSync(path, 'second');
    await api.get(NODES, { name: 'n' });
    expect(server.seen.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer first',
      'Bearer first',
      'Bearer revoked',
      'Bearer second',
    ]);
  });
});

interface RefusalRow {
  readonly name: string;
  readonly status: number;
  readonly reason?: string;
  readonly onRead: KubeErrorCode;
  readonly onWrite: KubeErrorCode;
}

const REFUSALS: readonly RefusalRow[] = [
  {
    name: 'a bad request',
    status: 400,
    reason: 'BadRequest',
    onRead: 'badRequest',
    onWrite: 'badRequest',
  },
  {
    name: 'a missing right',
    status: 403,
    reason: 'Forbidden',
    onRead: 'forbidden',
    onWrite: 'forbidden',
  },
  {
    name: 'an absent object',
    status: 404,
    reason: 'NotFound',
    onRead: 'notFound',
    onWrite: 'notFound',
  },
  {
    name: 'a taken name',
    status: 409,
    reason: 'AlreadyExists',
    onRead: 'alreadyExists',
    onWrite: 'alreadyExists',
  },
  {
    name: 'a stale version',
    status: 409,
    reason: 'Conflict',
    onRead: 'conflict',
    onWrite: 'conflict',
  },
  { name: 'an expired version', status: 410, reason: 'Expired', onRead: 'gone', onWrite: 'gone' },
  { name: 'a body too large', status: 413, onRead: 'badRequest', onWrite: 'badRequest' },
  {
    name: 'a failed validation',
    status: 422,
    reason: 'Invalid',
    onRead: 'invalid',
    onWrite: 'invalid',
  },
  {
    name: 'an internal error, after which a write may be stored',
    status: 500,
    reason: 'InternalError',
    onRead: 'unavailable',
    onWrite: 'unknownOutcome',
  },
  { name: 'a refusal before handling', status: 503, onRead: 'unavailable', onWrite: 'unavailable' },
  {
    name: 'a server-side time-out, after which a write may be stored',
    status: 504,
    reason: 'Timeout',
    onRead: 'unavailable',
    onWrite: 'unknownOutcome',
  },
];

describe('refusals', () => {
  test.each(REFUSALS)('$name ($status) is told by its code', async (row) => {
    const { api } = await setUp((_request, response) =>
      json(response, row.status, { kind: 'Status', message: 'why', reason: row.reason }),
    );
    const read = await failure(api.get(PODS, { name: 'a', namespace: 'team' }));
    expect(read).toMatchObject({ name: 'KubeApiError', code: row.onRead, status: row.status });
    expect(read.message).toContain('why');
    expect((await failure(api.create(PODS, newPod('a')))).code).toBe(row.onWrite);
  });

  test('Retry-After is told in milliseconds; a 429 of a write is not retried', async () => {
    const { api, server } = await setUp((_request, response) =>
      json(response, 429, { reason: 'TooManyRequests' }, { 'retry-after': '3' }),
    );
    expect(await failure(api.create(PODS, newPod('a')))).toMatchObject({
      code: 'tooManyRequests',
      retryAfterMs: 3_000,
    });
    expect(server.seen).toHaveLength(1);
  });

  test('a read told to wait is sent again after that time, three times at most', async () => {
    let refusals = 2;
    const { api, server, clock } = await setUp((_request, response) => {
      refusals -= 1;
      if (refusals >= 0) json(response, 429, {}, { 'retry-after': '1' });
      else json(response, 200, pod('a'));
    });
    const startMs = clock.monotonicMs();
    await api.get(NODES, { name: 'n' });
    expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(1_990);
    expect(server.seen).toHaveLength(3);
  });

  test('a page of HTML from a proxy is quoted, not crashed on', async () => {
    const { api } = await setUp((_request, response) => {
      response.writeHead(502, { 'content-type': 'text/html' });
      response.end('<h1>Bad\nGateway</h1>');
    });
    const error = await failure(api.get(NODES, { name: 'n' }));
    expect(error.code).toBe('unavailable');
    expect(error.message).toContain('<h1>Bad Gateway</h1>');
  });

  test('what cannot be addressed is refused before anything is sent', async () => {
    const { api, server } = await setUp((_request, response) => json(response, 200, pod('a')));
    expect((await failure(api.create(PODS, { metadata: { name: 'a' } }))).message).toContain(
      'metadata.namespace',
    );
    const withoutVersion = { metadata: { name: 'a', namespace: 'team' } };
    expect((await failure(api.update(PODS, withoutVersion))).message).toContain('resourceVersion');
    expect(await failure(api.create(PODS, pod('a')))).toMatchObject({ code: 'badRequest' });
    expect(server.seen).toHaveLength(0);
  });
});

describe('lost replies', () => {
  test('a connection refused is unavailable for a write too: nothing was sent', async () => {
    const { api, server } = await setUp(() => undefined);
    server.stop();
    expect((await failure(api.create(PODS, newPod('a')))).code).toBe('unavailable');
    expect((await failure(api.get(NODES, { name: 'n' }))).code).toBe('unavailable');
  });

  test('a connection broken after the request leaves a write unknown and a read unavailable', async () => {
    const { api } = await setUp((_request, response) => response.socket?.destroy());
    expect((await failure(api.create(PODS, newPod('a')))).code).toBe('unknownOutcome');
    expect((await failure(api.get(NODES, { name: 'n' }))).code).toBe('unavailable');
  });

  test('a reply cut off in its middle leaves a write unknown', async () => {
    const { api } = await setUp((_request, response) => {
      response.writeHead(201, { 'content-length': '100' });
      response.write('{"metadata":');
      setTimeout(() => response.socket?.destroy(), 20);
    });
    expect((await failure(api.create(PODS, newPod('a')))).code).toBe('unknownOutcome');
  });

  test('no reply by the deadline ends the call and its connection', async () => {
    const { api } = await setUp(() => undefined, { deadlineMs: 100 });
    const error = await failure(api.create(PODS, newPod('a')));
    expect(error.code).toBe('unknownOutcome');
    expect(error.message).toContain('no reply within 100 ms');
    expect((await failure(api.get(NODES, { name: 'n' }))).code).toBe('unavailable');
  });

  test("the caller's abort ends a write under way, and one that waits for its place is not sent", async () => {
    const { api, server } = await setUp(() => undefined, { concurrentWrites: 1 });
    const abort = new AbortController();
    const underWay = failure(api.create(PODS, newPod('a'), { signal: abort.signal }));
    const waiting = failure(api.create(PODS, newPod('b'), { signal: abort.signal }));
    while (server.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    abort.abort(new Error('leadership lost'));
    expect((await underWay).code).toBe('unknownOutcome');
    expect((await waiting).code).toBe('unavailable');
    expect((await waiting).message).toContain('leadership lost');
    expect(server.seen).toHaveLength(1);
  });
});

describe('stillWanted', () => {
  test('is asked when a write leaves, not when it was called', async () => {
    const release: PromiseWithResolvers<void> = Promise.withResolvers();
    const { api, server } = await setUp(
      (_request, response) => void release.promise.then(() => json(response, 201, pod('a'))),
      { concurrentWrites: 1 },
    );
    let wanted = true;
    const first = api.create(PODS, newPod('a'), { stillWanted: () => wanted });
    const second = failure(api.create(PODS, newPod('b'), { stillWanted: () => wanted }));
    while (server.seen.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    wanted = false;
    release.resolve();
    await first;
    expect(await second).toMatchObject({ code: 'unavailable' });
    expect((await second).message).toContain('no longer wanted');
    expect(server.seen).toHaveLength(1);
  });
});

describe('bounds', () => {
  test('no more writes run at once than allowed, and a lease overtakes them', async () => {
    let running = 0;
    let most = 0;
    const { api, server } = await setUp(
      (request, response) => {
        if (request.url.includes('leases')) {
          json(response, 200, pod('lease'));
          return;
        }
        running += 1;
        most = Math.max(most, running);
        setTimeout(() => {
          running -= 1;
          json(response, 201, pod('a'));
        }, 50);
      },
      { concurrentWrites: 3 },
    );
    const order: string[] = [];
    const writes = Array.from({ length: 9 }, async () => {
      await api.create(PODS, newPod('a'));
      order.push('pod');
    });
    const lease = api.update(LEASES, pod('lease')).then(() => order.push('lease'));
    await Promise.all([...writes, lease]);
    expect(most).toBe(3);
    expect(order[0]).toBe('lease');
    expect(server.seen).toHaveLength(10);
  });

  test('calls beyond the burst wait for their turn', async () => {
    const clock = new FakeClock();
    const { api, server } = await setUp((_request, response) => json(response, 200, pod('a')), {
      clock,
      qps: 10,
      burst: 5,
    });
    let done = 0;
    const calls = Array.from({ length: 7 }, async () => {
      await api.get(NODES, { name: 'n' });
      done += 1;
    });
    const until = (count: number): Promise<void> =>
      settleUntil(clock, () => server.seen.length >= count && done >= count);
    await until(5);
    for (let turn = 0; turn < 50; turn += 1) await clock.settle();
    expect(server.seen).toHaveLength(5);
    await clock.advance(100);
    await until(6);
    expect(server.seen).toHaveLength(6);
    await clock.advance(100);
    await Promise.all(calls);
  });

  test('a reply beyond the limit is refused instead of held', async () => {
    const { api } = await setUp(
      (_request, response) => json(response, 200, { ...pod('a'), fill: 'x'.repeat(5_000) }),
      { maxReplyBytes: 4_000 },
    );
    expect((await failure(api.get(NODES, { name: 'n' }))).message).toContain('longer than 4000');
  });
});

describe('metrics', () => {
  test('each call is told once, with its verb and result', async () => {
    const told: string[] = [];
    const { api } = await setUp(
      (request, response) =>
        request.method === 'GET'
          ? json(response, 200, pod('a'))
          : json(response, 409, { reason: 'Conflict' }),
      {
        metrics: {
          callFinished: ({ verb, plural, code }) => told.push(`${verb} ${plural} ${code}`),
        },
      },
    );
    await api.get(NODES, { name: 'n' });
    await failure(api.update(PODS, pod('a')));
    expect(told).toEqual(['get nodes ok', 'update pods conflict']);
  });
});

const line = (type: string, object: unknown): string => `${JSON.stringify({ type, object })}\n`;

describe('watch', () => {
  const open = (
    api: KubeApiClient,
    onEvent: (event: WatchEvent<KubeObject>) => void,
    signal?: AbortSignal,
  ) =>
    api.watch(
      PODS,
      { resourceVersion: '5', timeoutSeconds: 300 },
      onEvent,
      signal ?? new AbortController().signal,
    );

  test('events arrive in order wherever the bytes were split, and an orderly end resolves', async () => {
    const text = [
      line('ADDED', { ...pod('é-1'), spec: { a: 'x\\ny' } }),
      line('MODIFIED', pod('b')),
      line('DELETED', pod('c')),
      line('BOOKMARK', { kind: 'Pod', metadata: { resourceVersion: '12' } }),
    ].join('');
    const bytes = Buffer.from(text);
    const { api, server } = await setUp((_request, response) => {
      response.writeHead(200);
      let index = 0;
      const drip = (): void => {
        if (index >= bytes.length) response.end();
        else {
          response.write(bytes.subarray(index, index + 7));
          index += 7;
          setImmediate(drip);
        }
      };
      drip();
    });
    const events: string[] = [];
    const end = await open(api, (event) =>
      events.push(
        event.kind === 'bookmark'
          ? `bookmark ${event.resourceVersion}`
          : `${event.kind} ${event.object.metadata.name}`,
      ),
    );
    expect(end).toEqual({ kind: 'closed' });
    expect(events).toEqual(['added é-1', 'modified b', 'deleted c', 'bookmark 12']);
    expect(server.seen[0]?.url).toBe(
      '/api/v1/pods?watch=true&allowWatchBookmarks=true&resourceVersion=5&timeoutSeconds=300',
    );
  });

  const ERRORS: readonly { name: string; answer: Answer; code: KubeErrorCode }[] = [
    {
      name: 'an ERROR event 410',
      answer: (_request, response) => {
        response.writeHead(200);
        response.end(
          line('ERROR', { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' }),
        );
      },
      code: 'gone',
    },
    {
      name: 'a 410 as the whole answer',
      answer: (_request, response) => json(response, 410, { reason: 'Expired' }),
      code: 'gone',
    },
    {
      name: 'an ERROR event 500',
      answer: (_request, response) => {
        response.writeHead(200);
        response.end(line('ERROR', { kind: 'Status', code: 500, message: 'etcd' }));
      },
      code: 'unavailable',
    },
    {
      name: 'a line that is no JSON',
      answer: (_request, response) => {
        response.writeHead(200);
        response.end('{"type":\n');
      },
      code: 'unavailable',
    },
    {
      name: 'an end inside an event',
      answer: (_request, response) => {
        response.writeHead(200);
        response.end('{"type":"ADDED","object":');
      },
      code: 'unavailable',
    },
    {
      name: 'a broken connection',
      answer: (_request, response) => {
        response.writeHead(200);
        response.write(line('ADDED', pod('a')));
        setTimeout(() => response.socket?.destroy(), 20);
      },
      code: 'unavailable',
    },
    {
      name: 'a 429',
      answer: (_request, response) => json(response, 429, {}, { 'retry-after': '1' }),
      code: 'tooManyRequests',
    },
  ];

  test.each(ERRORS)('$name rejects with $code', async ({ answer, code }) => {
    const { api } = await setUp(answer);
    expect(await failure(open(api, () => undefined))).toMatchObject({ name: 'KubeApiError', code });
  });

  test('an abort ends the watch, its connection, and all further events', async () => {
    const { api, server } = await setUp((_request, response) => {
      response.writeHead(200);
      setInterval(() => response.write(line('ADDED', pod('a'))), 5).unref();
    });
    const abort = new AbortController();
    let events = 0;
    const ended = failure(
      open(
        api,
        () => {
          events += 1;
          if (events === 3) abort.abort(new Error('stopped'));
        },
        abort.signal,
      ),
    );
    expect((await ended).code).toBe('unavailable');
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(events).toBe(3);
    expect(server.sockets.size).toBe(0);
  });

  test('a watch outlives the deadline of calls, but not its own time-out by more than the grace', async () => {
    const clock = new FakeClock();
    let opened = false;
    const { api } = await setUp(
      (_request, response) => {
        response.writeHead(200);
        response.write(line('ADDED', pod('a')));
        opened = true;
      },
      { clock },
    );
    let events = 0;
    let ended: KubeApiError | undefined;
    void failure(
      open(api, () => {
        events += 1;
      }),
    ).then((error) => (ended = error));
    await settleUntil(clock, () => opened && events > 0);
    await clock.advance(329_000);
    expect(ended).toBeUndefined();
    await clock.advance(2_000);
    expect(ended?.code).toBe('unavailable');
  });

  test('a handler that throws ends the watch instead of the process', async () => {
    const { api } = await setUp((_request, response) => {
      response.writeHead(200);
      response.write(line('ADDED', pod('a')));
    });
    const error = await failure(
      open(api, () => {
        throw new Error('handler broke');
      }),
    );
    expect(error.code).toBe('unavailable');
    expect(error.message).toContain('handler broke');
  });
});

describe('kubeconfig', () => {
  test('a context without a cluster is refused with what to do', () => {
    const config = new KubeConfig();
    config.loadFromOptions({ clusters: [], users: [], contexts: [], currentContext: 'nowhere' });
    expect(() =>
      createKubeApi({
        source: { kind: 'kubeConfig', kubeConfig: config },
        clock: createSystemClock(),
        log: silentLog,
      }),
    ).toThrow(/"nowhere" names no cluster/);
  });
});
