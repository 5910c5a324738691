import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AgentReport } from '../../../operator/src/schema/http/agentReport.ts';
import { HttpReportSender } from './httpReportSender.ts';

const REPORT: AgentReport = {
  node: 'node-1',
  atMs: 1,
  nodeUsage: { cpuMillis: 1, memoryBytes: 2 },
  pods: [{ uid: '22222222-aaaa-4bbb-8ccc-000000000002', cpuMillis: 1, memoryBytes: 2 }],
};

interface Received {
  readonly method: string | undefined;
  readonly authorization: string | undefined;
  readonly type: string | undefined;
  readonly body: string;
}

type Answer = (response: ServerResponse) => void;
const ok: Answer = (response) => response.writeHead(204).end();

/** A real HTTP server on loopback that answers as told and keeps what it got. */
class Receiver {
  readonly received: Received[] = [];
  answer: Answer = ok;
  readonly #server: Server = createServer((request, response) => {
    void this.#receive(request, response);
  });

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/agent/v1/report`;
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    this.received.push({
      method: request.method,
      authorization: request.headers.authorization,
      type: request.headers['content-type'],
      body: Buffer.concat(chunks).toString(),
    });
    this.answer(response);
  }
}

let leader: Receiver;
let standby: Receiver;
let directory: string;
const senders: HttpReportSender[] = [];

beforeEach(async () => {
  leader = await new Receiver().start();
  standby = await new Receiver().start();
  directory = await mkdtemp(join(tmpdir(), 'mezzo-sender-'));
});

afterEach(async () => {
  await Promise.all(senders.splice(0).map((sender) => sender.close()));
  await Promise.all([leader.stop(), standby.stop()]);
  await rm(directory, { recursive: true });
});

function senderTo(url: string, tokenFile?: string): HttpReportSender {
  const sender = new HttpReportSender({ url, tokenFile, caFile: undefined, timeoutMs: 1000 });
  senders.push(sender);
  return sender;
}

const redirectTo =
  (location: string, status = 307): Answer =>
  (response) =>
    response.writeHead(status, { location }).end();

describe('HttpReportSender', () => {
  test('posts the report as JSON with the current token', async () => {
    const tokenFile = join(directory, 'token');
    await writeFile(tokenFile, 'first\n');
    const sender = senderTo(leader.url, tokenFile);
    expect(await sender.send(REPORT)).toEqual({ kind: 'accepted' });
    await writeFile(tokenFile, 'rotated\n');
    expect(await sender.send(REPORT)).toEqual({ kind: 'accepted' });
    expect(leader.received.map(({ authorization }) => authorization)).toEqual([
      'Bearer first',
      'Bearer rotated',
    ]);
    const [first] = leader.received;
    expect(first).toMatchObject({ method: 'POST', type: 'application/json' });
    expect(AgentReport.parse(JSON.parse(first?.body ?? ''))).toEqual(REPORT);
  });

  test.each([
    { status: 401, headers: {}, retryAfterMs: undefined },
    { status: 500, headers: {}, retryAfterMs: undefined },
    { status: 429, headers: { 'retry-after': '7' }, retryAfterMs: 7000 },
    { status: 429, headers: { 'retry-after': 'soon' }, retryAfterMs: undefined },
  ])('answer $status is a failure that says so', async ({ status, headers, retryAfterMs }) => {
    leader.answer = (response) => response.writeHead(status, headers).end('no');
    expect(await senderTo(leader.url).send(REPORT)).toEqual({
      kind: 'failed',
      reason: `the operator answered ${status}`,
      retryAfterMs,
    });
  });

  test('nobody there, no token file: failures, never exceptions', async () => {
    const { url } = leader;
    await leader.stop();
    expect(await senderTo(url).send(REPORT)).toMatchObject({ kind: 'failed' });
    expect(await senderTo(standby.url, join(directory, 'none')).send(REPORT)).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('ENOENT'),
    });
    expect(standby.received).toEqual([]);
  });

  test('a standby sends on to the leader, which is remembered', async () => {
    standby.answer = redirectTo(leader.url);
    const sender = senderTo(standby.url);
    expect(await sender.send(REPORT)).toEqual({ kind: 'accepted' });
    expect(await sender.send(REPORT)).toEqual({ kind: 'accepted' });
    expect(standby.received).toHaveLength(1);
    expect(leader.received).toHaveLength(2);
  });

  test('a leader that fails is forgotten: the next report asks the address of the flag', async () => {
    standby.answer = redirectTo(leader.url);
    const sender = senderTo(standby.url);
    await sender.send(REPORT);
    leader.answer = (response) => response.writeHead(503).end();
    expect(await sender.send(REPORT)).toMatchObject({ kind: 'failed' });
    standby.answer = ok;
    expect(await sender.send(REPORT)).toEqual({ kind: 'accepted' });
    expect(standby.received).toHaveLength(2);
  });

  test('two redirects in a row are no leader', async () => {
    standby.answer = redirectTo(leader.url);
    leader.answer = redirectTo(standby.url, 308);
    expect(await senderTo(standby.url).send(REPORT)).toMatchObject({
      kind: 'failed',
      reason: expect.stringContaining('redirected twice'),
    });
  });

  test('a redirect elsewhere than http is refused', async () => {
    standby.answer = redirectTo('file:///etc/passwd');
    expect(await senderTo(standby.url).send(REPORT)).toMatchObject({ kind: 'failed' });
  });

  test('a receiver that never answers is given up', async () => {
    leader.answer = () => undefined;
    const startMs = performance.now();
    expect(await senderTo(leader.url).send(REPORT)).toMatchObject({ kind: 'failed' });
    expect(performance.now() - startMs).toBeLessThan(4000);
  });
});
