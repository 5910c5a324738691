import { checkServerIdentity } from 'node:tls';
import { Agent } from 'undici';

export interface OperatorConnectionOptions {
  /** Where the operator was said to be: its certificate must be for this host. */
  readonly url: string;
  /** PEM of the authority that signed the operator's certificate; the system's own without it. */
  readonly ca: string | undefined;
  readonly connections: number;
  readonly timeoutMs: number;
}

/**
 * Connections to the operator and to wherever it redirects. A standby redirects to the address of the leader's Pod, which
 * no certificate is for; the leader has the same certificate, so the name that was configured is what is checked there too.
 */
export function operatorConnection(options: OperatorConnectionOptions): Agent {
  const host = new URL(options.url).hostname.replace(/^\[(.*)\]$/, '$1');
  return new Agent({
    connections: options.connections,
    connect: {
      timeout: options.timeoutMs,
      checkServerIdentity: (_asked: string, certificate) => checkServerIdentity(host, certificate),
      ...(options.ca === undefined ? {} : { ca: options.ca }),
    },
  });
}
