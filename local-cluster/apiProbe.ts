import { Agent, request } from 'node:https';
import type { KeyAndCertificate } from './pki/certificate.ts';

export interface ApiAccess {
  readonly url: string;
  readonly authority: string;
  readonly credentials: KeyAndCertificate;
}

export interface ApiCall {
  readonly method?: 'GET' | 'POST';
  readonly path: string;
  readonly body?: string;
  /** Shared by many calls, so that they share connections. */
  readonly agent?: Agent;
}

export interface ApiAnswer {
  readonly status: number;
  readonly body: string;
}

/** Access as the administrator of a control plane that was started here. */
export function adminAccess(cluster: {
  readonly url: string;
  readonly pki: { readonly authority: KeyAndCertificate; readonly admin: KeyAndCertificate };
}): ApiAccess {
  const { authority, admin } = cluster.pki;
  return { url: cluster.url, authority: authority.certificate, credentials: admin };
}

const TIMEOUT_MS = 30_000;

/** One call to the API server; resolves to status and body, rejects when there is no answer. */
export function apiCall(access: ApiAccess, call: ApiCall): Promise<ApiAnswer> {
  return new Promise((done, failed) => {
    const sent = request(
      `${access.url}${call.path}`,
      {
        method: call.method ?? 'GET',
        headers: call.body === undefined ? {} : { 'content-type': 'application/json' },
        ca: access.authority,
        cert: access.credentials.certificate,
        key: access.credentials.key,
        agent: call.agent ?? false,
        timeout: TIMEOUT_MS,
      },
      (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (text: string) => (body += text));
        response.on('end', () => done({ status: response.statusCode ?? 0, body }));
        response.on('error', failed);
      },
    );
    sent.on('timeout', () => sent.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    sent.on('error', failed);
    sent.end(call.body);
  });
}

export const apiGet = (access: ApiAccess, path: string): Promise<ApiAnswer> =>
  apiCall(access, { path });

/** Creates many objects over a few connections; throws on the first that is refused. */
export async function createAll(
  access: ApiAccess,
  path: string,
  objects: readonly object[],
): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  const rest = objects.values();
  const work = async () => {
    for (const object of rest) {
      const body = JSON.stringify(object);
      const answer = await apiCall(access, { method: 'POST', path, body, agent });
      if (answer.status !== 201) {
        throw new Error(`POST ${path} answered ${answer.status}: ${answer.body.slice(0, 500)}`);
      }
    }
  };
  try {
    await Promise.all(Array.from({ length: 16 }, work));
  } finally {
    agent.destroy();
  }
}
