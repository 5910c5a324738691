import { request } from 'node:https';
import type { KeyAndCertificate } from './pki/certificate.ts';

export interface ApiAccess {
  readonly url: string;
  readonly authority: string;
  readonly credentials: KeyAndCertificate;
}

const TIMEOUT_MS = 5_000;

/** One GET on the API server; resolves to status and body, rejects when there is no answer. */
export function apiGet(access: ApiAccess, path: string): Promise<{ status: number; body: string }> {
  return new Promise((done, failed) => {
    const call = request(
      `${access.url}${path}`,
      {
        ca: access.authority,
        cert: access.credentials.certificate,
        key: access.credentials.key,
        agent: false,
        timeout: TIMEOUT_MS,
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => done({ status: response.statusCode ?? 0, body }));
        response.on('error', failed);
      },
    );
    call.on('timeout', () => call.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    call.on('error', failed);
    call.end();
  });
}
