import { createHash, timingSafeEqual } from 'node:crypto';
import type { AuthOutcome, CredentialCheck } from './types.ts';

/** Secrets of the principals that use HTTP Basic, by name; read anew for each check, so that a changed Secret counts. */
export type BasicSecrets = () => ReadonlyMap<string, string>;

const digestOf = (text: string): Buffer => createHash('sha256').update(text).digest();
const REJECTED: AuthOutcome = { kind: 'rejected', message: 'Unknown principal or wrong secret' };

/** HTTP Basic for clients that know nothing newer. Takes the same time whether the principal exists or not. */
export function createBasicCheck(secrets: BasicSecrets): CredentialCheck {
  return {
    check(credential) {
      const decoded = Buffer.from(credential, 'base64').toString('utf8');
      const colon = decoded.indexOf(':');
      const name = colon < 0 ? decoded : decoded.slice(0, colon);
      const given = colon < 0 ? '' : decoded.slice(colon + 1);
      const expected = secrets().get(name);
      const equal = timingSafeEqual(digestOf(given), digestOf(expected ?? ''));
      const usable = expected !== undefined && expected !== '';
      return Promise.resolve(
        equal && usable
          ? { kind: 'principal', principal: { name, groups: ['system:authenticated'] } }
          : REJECTED,
      );
    },
  };
}
