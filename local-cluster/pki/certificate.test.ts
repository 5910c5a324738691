import { X509Certificate } from 'node:crypto';
import { connect, createServer } from 'node:tls';
import { describe, expect, test } from '@jest/globals';
import { createAuthority, issue } from './certificate.ts';

describe('certificates of a local cluster', () => {
  const authority = createAuthority('test-ca');

  test('are signed by their authority and carry user and groups', () => {
    const { certificate } = issue(authority, {
      commonName: 'system:node:n1',
      organizations: ['system:nodes', 'other'],
    });
    const parsed = new X509Certificate(certificate);
    const root = new X509Certificate(authority.certificate);
    expect(root.ca).toBe(true);
    expect(parsed.ca).toBe(false);
    expect(parsed.verify(root.publicKey)).toBe(true);
    expect(parsed.subject).toBe('O=system:nodes\nO=other\nCN=system:node:n1');
    expect(parsed.issuer).toBe('CN=test-ca');
  });

  test('answer for their names and addresses and for no other', () => {
    const hosts = ['localhost', 'kubernetes.default.svc', '127.0.0.1', '10.200.255.1'];
    const parsed = new X509Certificate(issue(authority, { commonName: 'api', hosts }).certificate);
    expect(parsed.checkHost('kubernetes.default.svc')).toBe('kubernetes.default.svc');
    expect(parsed.checkIP('10.200.255.1')).toBe('10.200.255.1');
    expect(parsed.checkIP('10.200.255.2')).toBeUndefined();
  });

  test('serve a TLS connection that asks for a client certificate', async () => {
    const server = issue(authority, { commonName: 'server', hosts: ['localhost'] });
    const client = issue(authority, { commonName: 'client' });
    const ca = authority.certificate;
    const listener = createServer(
      { key: server.key, cert: server.certificate, ca, requestCert: true },
      (socket) => socket.end(String(socket.getPeerCertificate().subject.CN)),
    );
    await new Promise<void>((done) => listener.listen(0, '127.0.0.1', done));
    const address = listener.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const options = { port, host: '127.0.0.1', servername: 'localhost', ca };
    const socket = connect({ ...options, key: client.key, cert: client.certificate });
    let heard = '';
    for await (const chunk of socket) heard += String(chunk);
    expect(heard).toBe('client');
    await new Promise((done) => listener.close(done));
  });
});
