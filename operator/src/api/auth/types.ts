import type { Principal } from '../../controllers/framework/types.ts';

export type AuthOutcome =
  | { readonly kind: 'principal'; readonly principal: Principal }
  /** No or bad credentials; `message` says which kinds are accepted, never what was wrong with a secret. */
  | { readonly kind: 'rejected'; readonly message: string }
  /** Nobody could be asked; the caller may be in the right. */
  | { readonly kind: 'unavailable'; readonly message: string };

/** Finds out who calls from an `Authorization` header. */
export interface Authenticator {
  authenticate(authorization: string | undefined): Promise<AuthOutcome>;
}

/** One way to prove who one is. */
export interface CredentialCheck {
  check(credential: string): Promise<AuthOutcome>;
}
