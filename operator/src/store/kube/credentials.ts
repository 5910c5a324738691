import { readFileSync } from 'node:fs';
import type { RequestOptions } from 'node:https';
import { KubeConfig } from '@kubernetes/client-node';
import type { Clock } from '../../ports/clock.ts';
import { KubeApiError } from '../../ports/kubeApi.ts';

/** Where the address of the API server and the right to speak to it come from. */
export type KubeConfigSource =
  | { readonly kind: 'kubeConfig'; readonly kubeConfig: KubeConfig }
  | { readonly kind: 'file'; readonly path: string }
  /** The ServiceAccount files of the Pod this process runs in. */
  | { readonly kind: 'inCluster' }
  /** `KUBECONFIG`, `~/.kube/config`, then the Pod's files. */
  | { readonly kind: 'default' };

export interface TlsMaterial {
  readonly ca?: string | Buffer;
  readonly cert?: string | Buffer;
  readonly key?: string | Buffer;
  readonly rejectUnauthorized?: boolean;
  readonly servername?: string;
}

export interface Credential {
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: TlsMaterial;
  /** Differs whenever connections made with the former material must not be used for new calls. */
  readonly tlsFingerprint: string;
}

/** How long a credential is used before files and exec plug-ins are asked again. client-go re-reads within a minute. */
const FRESH_MS = 30_000;

export function loadKubeConfig(source: KubeConfigSource): KubeConfig {
  if (source.kind === 'kubeConfig') return source.kubeConfig;
  const kubeConfig = new KubeConfig();
  switch (source.kind) {
    case 'file':
      kubeConfig.loadFromFile(source.path);
      break;
    case 'inCluster':
      kubeConfig.loadFromCluster();
      break;
    case 'default':
      kubeConfig.loadFromDefault();
      break;
  }
  return kubeConfig;
}

/**
 * The current credential of a kubeconfig user: client certificate, static token, token file, exec plug-in.
 * Files are read again at least every 30 s, and at once after `invalidate` (the server said 401).
 */
export class Credentials {
  readonly server: string;
  readonly #kubeConfig: KubeConfig;
  readonly #clock: Clock;
  #held: { readonly credential: Credential; readonly readAtMs: number } | undefined;
  #reading: Promise<Credential> | undefined;

  constructor(kubeConfig: KubeConfig, clock: Clock) {
    const cluster = kubeConfig.getCurrentCluster();
    if (cluster === null)
      throw new Error(
        `kubeconfig: the current context "${kubeConfig.getCurrentContext()}" names no cluster; set one with kubectl config use-context`,
      );
    if (cluster.proxyUrl !== undefined)
      throw new Error(
        `kubeconfig: cluster "${cluster.name}" sets proxy-url, which is not supported; reach the API server directly`,
      );
    this.server = cluster.server.replace(/\/+$/, '');
    this.#kubeConfig = kubeConfig;
    this.#clock = clock;
  }

  /** Errors: `unauthorized` when a file cannot be read or a plug-in fails and nothing older is at hand. */
  async current(): Promise<Credential> {
    const held = this.#held;
    if (held !== undefined && this.#clock.monotonicMs() - held.readAtMs < FRESH_MS)
      return held.credential;
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  invalidate(): void {
    this.#held = undefined;
  }

  async #read(): Promise<Credential> {
    try {
      const credential = await readCredential(this.#kubeConfig);
      this.#held = { credential, readAtMs: this.#clock.monotonicMs() };
      return credential;
    } catch (error) {
      if (this.#held !== undefined) return this.#held.credential;
      throw new KubeApiError(
        'unauthorized',
        `cannot read the credentials of kubeconfig user "${this.#kubeConfig.getCurrentUser()?.name ?? ''}": ${String(error)}`,
        { cause: error },
      );
    }
  }
}

async function readCredential(kubeConfig: KubeConfig): Promise<Credential> {
  const applied: RequestOptions = {};
  await kubeConfig.applyToHTTPSOptions(applied);
  const tls: TlsMaterial = {
    ...pick(applied, 'ca'),
    ...pick(applied, 'cert'),
    ...pick(applied, 'key'),
    ...(applied.rejectUnauthorized === false && { rejectUnauthorized: false }),
    ...(applied.servername !== undefined && { servername: applied.servername }),
  };
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(applied.headers ?? {}))
    if (value !== undefined) headers[name.toLowerCase()] = String(value);
  const token = tokenOfFile(kubeConfig);
  if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
  if (typeof applied.auth === 'string')
    headers['authorization'] = `Basic ${Buffer.from(applied.auth).toString('base64')}`;
  return { headers, tls, tlsFingerprint: fingerprint(tls) };
}

function pick(
  options: RequestOptions,
  name: 'ca' | 'cert' | 'key',
): { [part in 'ca' | 'cert' | 'key']?: string | Buffer } {
  const value = options[name];
  return typeof value === 'string' || Buffer.isBuffer(value) ? { [name]: value } : {};
}

/** client-node caches the file for 60 s by the wall clock and cannot be told of a 401, so it is read here. */
function tokenOfFile(kubeConfig: KubeConfig): string | undefined {
  const provider = kubeConfig.getCurrentUser()?.authProvider as
    | { config?: { tokenFile?: string } }
    | undefined;
  const path = provider?.config?.tokenFile;
  return path === undefined ? undefined : readFileSync(path, 'utf8').trim();
}

function fingerprint(tls: TlsMaterial): string {
  return JSON.stringify([
    String(tls.ca ?? ''),
    String(tls.cert ?? ''),
    String(tls.key ?? ''),
    tls.rejectUnauthorized ?? true,
    tls.servername ?? '',
  ]);
}
