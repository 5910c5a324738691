import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import type { CancelTimer, Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';

/** A certificate with its key, as PEM. */
export interface KeyPair {
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface CertificateOptions {
  /** Folder with `tls.crt` and `tls.key`, as a mounted Secret has them. */
  readonly dir: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Mounted Secrets change a minute after their object; looking more often finds nothing earlier. */
const LOOK_MS = 10_000;

/** Reads a certificate. Rejects with the folder named when a file is missing or the two do not belong together. */
export async function readCertificate(dir: string): Promise<KeyPair> {
  try {
    const [cert, key] = await Promise.all([
      readFile(join(dir, 'tls.crt')),
      readFile(join(dir, 'tls.key')),
    ]);
    // Throws on what is no certificate, no key, or a key of another certificate.
    createSecureContext({ cert, key });
    return { cert, key };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`no usable certificate in ${dir} (tls.crt, tls.key): ${why}`, { cause });
  }
}

/**
 * Calls `onChange` with every certificate that replaces `current`. One that cannot be used is logged, and the former
 * stays: a half-written Secret must not end the service.
 */
export function watchCertificate(
  current: KeyPair,
  onChange: (next: KeyPair) => void,
  { dir, clock, log }: CertificateOptions,
): CancelTimer {
  let known = current;
  let isStopped = false;
  let cancel: CancelTimer = () => {};
  const look = async (): Promise<void> => {
    try {
      const next = await readCertificate(dir);
      if (!isStopped && !(next.cert.equals(known.cert) && next.key.equals(known.key))) {
        known = next;
        onChange(next);
        log.info('certificate reloaded', { dir });
      }
    } catch (error) {
      log.error('certificate not reloaded; the former stays', { error });
    }
    if (!isStopped) cancel = clock.setTimer(LOOK_MS, () => void look());
  };
  cancel = clock.setTimer(LOOK_MS, () => void look());
  return () => {
    isStopped = true;
    cancel();
  };
}
