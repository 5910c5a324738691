import { join } from 'node:path';
import {
  describeEnd,
  type Lifetime,
  type ManagedProcess,
  startProcess,
} from './support/managedProcess.ts';
import { waitFor } from './support/waitFor.ts';

export interface Etcd {
  readonly url: string;
  readonly process: ManagedProcess;
  /** Forgets every revision up to now: a watch or a list from before is answered 410. */
  compact(): Promise<void>;
  /** Deletes every key that begins so, past the API server and all finalizers. */
  deleteUnder(prefix: string): Promise<void>;
}

export interface EtcdOptions {
  readonly binary: string;
  readonly dir: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly lifetime: Lifetime;
}

const READY_TIMEOUT_MS = 20_000;

/** Starts a single etcd on loopback; it does not sync to disk, since nothing here outlives the machine. */
export async function startEtcd(options: EtcdOptions): Promise<Etcd> {
  const url = `http://127.0.0.1:${options.clientPort}`;
  const peer = `http://127.0.0.1:${options.peerPort}`;
  const process = await startProcess({
    name: 'etcd',
    command: options.binary,
    dir: options.dir,
    lifetime: options.lifetime,
    args: [
      '--name=mezzo',
      `--data-dir=${join(options.dir, 'etcd')}`,
      `--listen-client-urls=${url}`,
      `--advertise-client-urls=${url}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=mezzo=${peer}`,
      '--unsafe-no-fsync',
      '--log-level=warn',
    ],
  });
  const healthy = async () => ((await fetch(`${url}/health`)).ok ? true : undefined);
  await waitFor('etcd', healthy, {
    timeoutMs: READY_TIMEOUT_MS,
    giveUp: () => process.ended() && 'it ended',
  }).catch(async (error: unknown) => {
    throw new Error(await describeEnd(process), { cause: error });
  });
  return {
    url,
    process,
    compact: () => compact(url),
    deleteUnder: (prefix) => deleteUnder(url, prefix),
  };
}

async function compact(url: string): Promise<void> {
  const range = await post(url, '/v3/kv/range', { key: Buffer.from('x').toString('base64') });
  const revision = (range as { header?: { revision?: string } }).header?.revision;
  if (revision === undefined) throw new Error('etcd answered a range without its revision');
  await post(url, '/v3/kv/compaction', { revision, physical: true });
}

async function deleteUnder(url: string, prefix: string): Promise<void> {
  const key = Buffer.from(prefix);
  const end = Buffer.from(prefix);
  // etcd's way to say "with this prefix": up to the next key that has another one.
  end[end.length - 1] = (end[end.length - 1] ?? 0) + 1;
  const range = { key: key.toString('base64'), range_end: end.toString('base64') };
  await post(url, '/v3/kv/deleterange', range);
}

async function post(url: string, path: string, body: object): Promise<unknown> {
  const response = await fetch(url + path, {
    method: 'POST',
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`etcd ${path} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}
