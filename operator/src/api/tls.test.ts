import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import express from 'express';
import { createAuthority, issue } from '../../../local-cluster/pki/certificate.ts';
import { until } from '../../../test/support/apiHarness.ts';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { silentLog } from '../../../test/support/frameworkHarness.ts';
import { type RunningServer, startServer } from './server.ts';

const authority = createAuthority('test authority');
let dir: string;
let clock: FakeClock;
let errors: string[];
let server: RunningServer | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'mezzo-tls-'));
  clock = new FakeClock();
  errors = [];
  server = undefined;
});
afterEach(async () => {
  const closing = server?.close(10);
  await clock.advance(10);
  await closing;
  rmSync(dir, { recursive: true });
});

function write(commonName: string): void {
  const pair = issue(authority, { commonName, hosts: ['127.0.0.1'] });
  writeFileSync(join(dir, 'tls.crt'), pair.certificate);
  writeFileSync(join(dir, 'tls.key'), pair.key);
}

async function start(): Promise<void> {
  const app = express();
  app.get('/', (_request, response) => {
    response.send('hello');
  });
  const log = { ...silentLog, error: (message: string) => errors.push(message) };
  server = await startServer({ app, host: '127.0.0.1', port: 0, clock, log, tlsDir: dir });
}

/** Common name of the certificate that a new connection is shown. */
async function shown(): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect(
      {
        host: '127.0.0.1',
        port: server?.port ?? 0,
        ca: authority.certificate,
      },
      () => {
        resolve(String(socket.getPeerCertificate().subject.CN));
        socket.destroy();
      },
    );
    socket.on('error', reject);
  });
}

test('serves over TLS', async () => {
  write('first');
  await start();
  const body = await new Promise<string>((resolve, reject) => {
    get(
      `https://127.0.0.1:${server?.port}/`,
      { ca: authority.certificate, agent: false },
      (reply) => {
        reply.setEncoding('utf8').on('data', resolve);
      },
    ).on('error', reject);
  });
  expect(body).toBe('hello');
});

test('a certificate that was replaced is shown to new connections', async () => {
  write('first');
  await start();
  expect(await shown()).toBe('first');
  write('second');
  expect(await shown()).toBe('first');
  await until('the second', async () => {
    await clock.advance(10_000);
    return (await shown()) === 'second';
  });
  expect(errors).toEqual([]);
});

test('one that cannot be used is told of, and the former stays until there is a good one', async () => {
  write('first');
  await start();
  writeFileSync(join(dir, 'tls.key'), issue(authority, { commonName: 'other' }).key);
  await until('the complaint', async () => {
    await clock.advance(10_000);
    return errors.length > 0;
  });
  expect(errors[0]).toBe('certificate not reloaded; the former stays');
  expect(await shown()).toBe('first');
  write('third');
  await until('the third', async () => {
    await clock.advance(10_000);
    return (await shown()) === 'third';
  });
});

test('without a usable certificate the start fails and says where', async () => {
  const complaint = `no usable certificate in ${dir} (tls.crt, tls.key)`;
  await expect(start()).rejects.toThrow(complaint);
  write('first');
  writeFileSync(join(dir, 'tls.key'), issue(authority, { commonName: 'other' }).key);
  await expect(start()).rejects.toThrow(complaint);
});
