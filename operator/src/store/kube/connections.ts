import { Agent, type Dispatcher } from 'undici';
import type { TlsMaterial } from './credentials.ts';

/** Calls are kept apart by purpose, so that a burst of one never waits behind another's. */
export type Purpose = 'watch' | 'read' | 'write';

const READ_CONNECTIONS = 8;
const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;

/**
 * Long-lived connection pools, one per purpose, made anew when certificates change.
 *
 * HTTP/1.1 by choice: with HTTP/2 all watches would share one connection, and one stalled flow-control window or
 * one reset would end them all together. Time-outs of undici are off: each call carries its own deadline.
 */
export class Connections {
  readonly #writeConnections: number;
  #pools: { readonly fingerprint: string; readonly byPurpose: Record<Purpose, Agent> } | undefined;

  constructor(writeConnections: number) {
    this.#writeConnections = writeConnections;
  }

  pool(purpose: Purpose, tls: TlsMaterial, fingerprint: string): Dispatcher {
    if (this.#pools?.fingerprint !== fingerprint) {
      const former = this.#pools;
      this.#pools = {
        fingerprint,
        byPurpose: {
          watch: createAgent(tls, undefined),
          read: createAgent(tls, READ_CONNECTIONS),
          write: createAgent(tls, this.#writeConnections),
        },
      };
      if (former !== undefined) void closeInOrder(former.byPurpose);
    }
    return this.#pools.byPurpose[purpose];
  }

  /** Breaks every connection; calls under way fail. */
  async destroy(): Promise<void> {
    const pools = this.#pools;
    this.#pools = undefined;
    if (pools !== undefined)
      await Promise.all(Object.values(pools.byPurpose).map((agent) => agent.destroy()));
  }
}

function createAgent(tls: TlsMaterial, connections: number | undefined): Agent {
  return new Agent({
    allowH2: false,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connections: connections ?? null,
    connect: {
      ...tls,
      timeout: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelay: 30_000,
    },
  });
}

/** Waits for calls under way: watches end by their own time-out, after at most ten minutes. */
async function closeInOrder(byPurpose: Record<Purpose, Agent>): Promise<void> {
  await Promise.allSettled(Object.values(byPurpose).map((agent) => agent.close()));
}
