import type { Authenticator, AuthOutcome, CredentialCheck } from './types.ts';

export interface AuthenticatorOptions {
  readonly bearer: CredentialCheck;
  readonly basic?: CredentialCheck | undefined;
  /** Principal of callers without credentials; absent: they are refused. */
  readonly anonymousPrincipal?: string | undefined;
}

/** Chooses the check by the scheme of the header. Wrong credentials never fall back to the anonymous principal. */
export function createAuthenticator(options: AuthenticatorOptions): Authenticator {
  const accepted = options.basic === undefined ? 'a bearer token' : 'a bearer token or HTTP Basic';
  return {
    async authenticate(authorization): Promise<AuthOutcome> {
      if (authorization === undefined) {
        if (options.anonymousPrincipal === undefined)
          return { kind: 'rejected', message: `Authentication is required: send ${accepted}` };
        return {
          kind: 'principal',
          principal: { name: options.anonymousPrincipal, groups: ['system:authenticated'] },
        };
      }
      const [scheme = '', credential = ''] = authorization.split(/ +/, 2);
      switch (scheme.toLowerCase()) {
        case 'bearer':
          return await options.bearer.check(credential);
        case 'basic':
          if (options.basic !== undefined) return await options.basic.check(credential);
          break;
        default:
      }
      return {
        kind: 'rejected',
        message: `The authentication scheme is not accepted: send ${accepted}`,
      };
    },
  };
}
