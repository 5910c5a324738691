import type { KubeObject } from '../ports/kubeApi.ts';
import { microTime } from './timestamps.ts';

export interface LeaseSpec {
  readonly holderIdentity?: string;
  readonly leaseDurationSeconds?: number;
  readonly acquireTime?: string;
  readonly renewTime?: string;
  readonly leaseTransitions?: number;
}

export interface Lease extends KubeObject {
  readonly spec?: LeaseSpec;
}

/** Annotation under which the holder says where it can be reached. */
export const LEADER_ADDRESS_ANNOTATION = 'mezzo.dev/leader-address';

export interface LeaseClaim {
  readonly name: string;
  readonly namespace: string;
  readonly identity: string;
  readonly address?: string | undefined;
  readonly leaseDurationMs: number;
}

/** The lease as its new holder writes it: each change of holder counts one transition, which is the epoch. */
export function acquiredLease(held: Lease | undefined, claim: LeaseClaim, nowMs: number): Lease {
  const now = microTime(nowMs);
  const { [LEADER_ADDRESS_ANNOTATION]: _formerAddress, ...annotations } =
    held?.metadata.annotations ?? {};
  return {
    ...held,
    metadata: {
      ...(held?.metadata ?? { name: claim.name, namespace: claim.namespace }),
      annotations: {
        ...annotations,
        ...(claim.address !== undefined && { [LEADER_ADDRESS_ANNOTATION]: claim.address }),
      },
    },
    spec: {
      ...held?.spec,
      holderIdentity: claim.identity,
      leaseDurationSeconds: Math.ceil(claim.leaseDurationMs / 1000),
      acquireTime: now,
      renewTime: now,
      leaseTransitions: (held?.spec?.leaseTransitions ?? 0) + 1,
    },
  };
}

export function renewedLease(held: Lease, nowMs: number): Lease {
  return { ...held, spec: { ...held.spec, renewTime: microTime(nowMs) } };
}

/** Free for the next one at once. Source: client-go `LeaderElector.release`. */
export function releasedLease(held: Lease, nowMs: number): Lease {
  const { holderIdentity: _holder, ...spec } = held.spec ?? {};
  return { ...held, spec: { ...spec, leaseDurationSeconds: 1, renewTime: microTime(nowMs) } };
}

/**
 * When another's lease may be taken: its own duration after the moment we last saw it change, by our monotonic
 * clock. The timestamps in it are the holder's wall clock and are never compared.
 */
export class LeaseObserver {
  #record = '';
  #changedAtMs = 0;
  #durationMs = 0;

  see(lease: Lease, nowMs: number, defaultDurationMs: number): void {
    const record = JSON.stringify([lease.metadata.uid, lease.spec]);
    if (record === this.#record) return;
    this.#record = record;
    this.#changedAtMs = nowMs;
    const seconds = lease.spec?.leaseDurationSeconds;
    this.#durationMs = seconds === undefined ? defaultDurationMs : seconds * 1000;
  }

  expired(nowMs: number): boolean {
    return nowMs >= this.#changedAtMs + this.#durationMs;
  }
}
