import { connect, type Socket } from 'node:net';
import { createApp } from '../../operator/src/api/app.ts';
import { createAuthenticator } from '../../operator/src/api/auth/authenticator.ts';
import { createBasicCheck } from '../../operator/src/api/auth/basic.ts';
import type { CredentialCheck } from '../../operator/src/api/auth/types.ts';
import type { AppOptions, Leadership } from '../../operator/src/api/context.ts';
import type { OperatorApiOptions } from '../../operator/src/api/operatorApi/options.ts';
import { type RunningServer, startServer } from '../../operator/src/api/server.ts';
import type { FrameworkHubConfig } from '../../operator/src/controllers/framework/types.ts';
import type { AgentReport } from '../../operator/src/schema/http/agentReport.ts';
import { createSystemClock } from '../../operator/src/store/system/systemClock.ts';
import { AN_AGENT, clusterOf } from './clusterOf.ts';
import { FrameworkHarness, silentLog } from './frameworkHarness.ts';

/** Takes tokens of the form `name` or `name@node`; `away` stands for an API server that does not answer. */
const TOKENS: CredentialCheck = {
  check(token) {
    if (token === 'away') return Promise.resolve({ kind: 'unavailable', message: 'away' });
    const [name = '', node] = token.split('@');
    if (name === '' || name === 'bad')
      return Promise.resolve({ kind: 'rejected', message: 'bad token' });
    const extra = { 'authentication.kubernetes.io/node-name': [node ?? ''] };
    return Promise.resolve({
      kind: 'principal',
      principal: { name, groups: [], ...(node === undefined ? {} : { extra }) },
    });
  },
};

export const AGENT_ACCOUNT = 'system:serviceaccount:mezzo-system:mezzo-agent';

/** The real app on a real socket over the framework harness and the machine's clock. */
export class ApiHarness {
  readonly world: FrameworkHarness;
  readonly reports: AgentReport[] = [];
  leadership: Leadership | undefined;
  live = true;
  server!: RunningServer;
  readonly #sockets: Socket[] = [];

  private constructor(config: Partial<FrameworkHubConfig>) {
    this.world = new FrameworkHarness(createSystemClock(), config);
  }

  static async start(
    options: Partial<AppOptions> & {
      readonly anonymous?: string;
      readonly hub?: Partial<FrameworkHubConfig>;
      readonly maxConnections?: number;
    } = {},
  ): Promise<ApiHarness> {
    const harness = new ApiHarness(options.hub ?? {});
    const app = createApp(harness.#appOptions(options));
    const { clock } = harness.world;
    harness.server = await startServer({
      app,
      host: '127.0.0.1',
      port: 0,
      clock,
      log: silentLog,
      ...(options.maxConnections === undefined ? {} : { maxConnections: options.maxConnections }),
    });
    return harness;
  }

  #appOptions(options: Parameters<typeof ApiHarness.start>[0] = {}): AppOptions {
    return {
      clock: this.world.clock,
      log: silentLog,
      leadership: () => this.leadership ?? { kind: 'self', hub: this.world.hub },
      authenticator: createAuthenticator({
        bearer: TOKENS,
        basic: createBasicCheck(() => new Map([['old-client', 'secret']])),
        anonymousPrincipal: options.anonymous,
      }),
      advertisedAddress: '10.0.0.9:5050',
      probes: {
        live: () => ({ ok: this.live, detail: {} }),
        ready: () => ({ ok: true, detail: {} }),
      },
      metrics: () => Promise.resolve({ contentType: 'text/plain; version=0.0.4', body: 'up 1\n' }),
      views: {
        roles: () => [
          {
            role: 'eng',
            weight: 1,
            dominantSharePpm: 1,
            guaranteed: {},
            limit: { cpus: 2000 },
            reserved: {},
            consumed: { cpus: 1500 },
            tasks: 1,
            allocated: { cpus: 1500, mem: 2 ** 30 },
            offered: {},
            used: {},
            revocable: {},
          },
        ],
        jobs: () => [],
        agents: () => [
          {
            agent: 'node-1',
            capacity: { cpus: 4000, mem: 2 ** 31 },
            foreign: {},
            revocableCapacity: {},
            schedulable: true,
            reason: undefined,
            tasks: 1,
            allocated: { cpus: 1500 },
            offered: {},
            used: {},
            revocable: {},
          },
        ],
        tasks: () => [],
        watchStalenessSeconds: () => new Map(),
        isLeader: () => true,
      },
      operatorApi: this.operatorApi,
      agents: {
        serviceAccount: AGENT_ACCOUNT,
        allowAnonymous: false,
        onReport: (report) => this.reports.push(report),
      },
      ...options,
    };
  }

  get operatorApi(): OperatorApiOptions {
    return {
      cluster: () => ({ ...clusterOf(this.world), agents: [AN_AGENT] }),
      access: { may: () => Promise.resolve({ kind: 'allowed' }) },
      kube: this.world.kube,
      impersonate: false,
      facts: () => ({
        id: 'mezzo-1',
        pid: 'master@10.0.0.9:5050',
        hostname: 'master.test',
        ip: '10.0.0.9',
        port: 5050,
        startMs: 1_000,
        electedMs: 2_000,
        buildUser: 'mezzo',
        capabilities: [],
      }),
      flags: { http_port: '5050' },
      logLevel: 'info',
      onChange: () => () => undefined,
    };
  }

  get url(): string {
    return `http://127.0.0.1:${this.server.port}`;
  }

  async post(
    body: unknown,
    headers: { readonly [name: string]: string } = {},
    path = '/api/v1/scheduler',
  ): Promise<Response> {
    return await fetch(this.url + path, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'content-type': 'application/json', authorization: 'Bearer alice', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  }

  async get(path: string, headers: { readonly [name: string]: string } = {}): Promise<Response> {
    return await fetch(this.url + path, { redirect: 'manual', headers });
  }

  /** Subscribes over a bare socket, for tests that look at bytes or do not read. */
  async rawSubscribe(info: object = {}, headers: readonly string[] = []): Promise<RawStream> {
    const body = JSON.stringify({
      type: 'SUBSCRIBE',
      subscribe: { framework_info: { user: 'root', name: 'raw', ...info } },
    });
    const stream = await this.rawRequest(
      [
        'POST /api/v1/scheduler HTTP/1.1',
        'Host: test',
        'Authorization: Bearer alice',
        'Content-Type: application/json',
        `Content-Length: ${Buffer.byteLength(body)}`,
        ...headers,
        '',
        body,
      ].join('\r\n'),
    );
    return stream;
  }

  async rawRequest(text: string): Promise<RawStream> {
    const socket = connect(this.server.port, '127.0.0.1');
    this.#sockets.push(socket);
    const stream = new RawStream(socket);
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
    socket.write(text);
    return stream;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.world.stop();
    await this.server.close(100);
  }
}

/** What came over a socket so far, and how it ended. */
export class RawStream {
  readonly socket: Socket;
  bytes = Buffer.alloc(0);
  ended = false;
  closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (data: Buffer) => {
      this.bytes = Buffer.concat([this.bytes, data]);
    });
    socket.on('error', () => {});
    socket.on('end', () => {
      this.ended = true;
    });
    socket.on('close', () => {
      this.closed = true;
    });
  }

  get head(): string {
    return this.bytes.subarray(0, this.bytes.indexOf('\r\n\r\n')).toString('latin1');
  }

  header(name: string): string | undefined {
    const line = this.head
      .split('\r\n')
      .find((one) => one.toLowerCase().startsWith(`${name.toLowerCase()}:`));
    return line?.slice(name.length + 1).trim();
  }

  /** The HTTP chunks so far, without the closing one. */
  chunks(): string[] {
    const { all } = this.#chunked();
    return all;
  }

  /** True once the closing chunk has come. */
  get finished(): boolean {
    return this.#chunked().finished;
  }

  /** The events so far; throws when a chunk is not exactly one record. */
  events(): { readonly type: string; readonly [field: string]: unknown }[] {
    return this.chunks().map((chunk) => {
      const [length = '', json = '', ...rest] = chunk.split('\n');
      if (rest.length > 0) throw new Error(`more than one line feed in ${chunk}`);
      if (!/^[1-9]\d*$/.test(length)) throw new Error(`length ${JSON.stringify(length)}`);
      if (Buffer.byteLength(json) !== Number(length))
        throw new Error(`length ${length} of ${json}`);
      return JSON.parse(json) as { readonly type: string };
    });
  }

  #chunked(): { all: string[]; finished: boolean } {
    const all: string[] = [];
    let at = this.bytes.indexOf('\r\n\r\n');
    if (at < 0) return { all, finished: false };
    at += 4;
    for (;;) {
      const lineEnd = this.bytes.indexOf('\r\n', at);
      if (lineEnd < 0) return { all, finished: false };
      const size = Number.parseInt(this.bytes.subarray(at, lineEnd).toString('latin1'), 16);
      if (size === 0) return { all, finished: true };
      const end = lineEnd + 2 + size;
      if (this.bytes.length < end + 2) return { all, finished: false };
      all.push(this.bytes.subarray(lineEnd + 2, end).toString('utf8'));
      at = end + 2;
    }
  }
}

/** Waits until `condition` holds; fails after `limitMs` naming `what`. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  limitMs = 5_000,
): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
