import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { request } from 'undici';
import { createAuthority, issue } from '../../../local-cluster/pki/certificate.ts';
import { operatorConnection } from './operatorConnection.ts';

// `localhost` stands for the Service of the operator, 127.0.0.1 for the Pod a standby redirects to.

const authority = createAuthority('operators');
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(hosts: readonly string[]): Promise<number> {
  const pair = issue(authority, { commonName: 'operator', hosts });
  const server = createServer({ cert: pair.certificate, key: pair.key }, (_asked, response) =>
    response.end('here'),
  );
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function ask(port: number, ca: string | undefined = authority.certificate): Promise<string> {
  const url = 'https://localhost:1/agent/v1/report';
  const dispatcher = operatorConnection({ url, ca, connections: 1, timeoutMs: 2_000 });
  try {
    const reply = await request(`https://127.0.0.1:${port}/`, { dispatcher });
    return await reply.body.text();
  } finally {
    await dispatcher.destroy();
  }
}

test('a redirect to an address is followed when the certificate there is for the configured name', async () => {
  expect(await ask(await serve(['localhost']))).toBe('here');
});

test('a certificate for the address alone is not enough: it could be anybody of that authority', async () => {
  await expect(ask(await serve(['127.0.0.1']))).rejects.toThrow(/localhost/);
});

test('a certificate of another authority is refused', async () => {
  const other = createAuthority('others').certificate;
  await expect(ask(await serve(['localhost']), other)).rejects.toThrow(/certificate/);
});
