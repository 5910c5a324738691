import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '../../ports/clock.ts';
import type { KubeApi, KubeObject } from '../../ports/kubeApi.ts';
import type { Logger } from '../../ports/logger.ts';
import { TOKEN_REVIEWS } from '../../schema/kubeKinds.ts';
import { ExpiringCache } from './expiringCache.ts';
import type { AuthOutcome, CredentialCheck } from './types.ts';

const GOOD_MS = 60_000;
const BAD_MS = 5_000;
const MAX_CACHED = 4_096;
const MAX_TOKEN_LENGTH = 16_384;

const ReviewStatus = z.object({
  authenticated: z.boolean().optional(),
  audiences: z.array(z.string()).optional(),
  user: z
    .object({
      // A token that is refused has a user without a name.
      username: z.string().optional(),
      uid: z.string().optional(),
      groups: z.array(z.string()).optional(),
      extra: z.record(z.string(), z.array(z.string())).optional(),
    })
    .optional(),
});

export interface TokenReviewOptions {
  readonly kube: Pick<KubeApi, 'create'>;
  readonly clock: Clock;
  readonly log: Logger;
  /** The audience a token must have been issued for; tokens for the API server itself are no proof here. */
  readonly audience: string;
}

/** Bearer tokens, asked of the API server. Answers are kept by digest: good ones 60 s, bad ones 5 s. */
export function createTokenReview(options: TokenReviewOptions): CredentialCheck {
  const cache = new ExpiringCache<AuthOutcome>(options.clock, MAX_CACHED);
  return {
    async check(token) {
      if (token === '' || token.length > MAX_TOKEN_LENGTH) return rejected(options.audience);
      const digest = createHash('sha256').update(token).digest('base64');
      const cached = cache.get(digest);
      if (cached !== undefined) return cached;
      const outcome = await review(token, options);
      if (outcome.kind !== 'unavailable')
        cache.set(digest, outcome, outcome.kind === 'principal' ? GOOD_MS : BAD_MS);
      return outcome;
    },
  };
}

async function review(token: string, options: TokenReviewOptions): Promise<AuthOutcome> {
  const { kube, log, audience } = options;
  try {
    const reply = await kube.create<KubeObject & { spec: unknown; status?: unknown }>(
      TOKEN_REVIEWS,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        metadata: { name: '' },
        spec: { token, audiences: [audience] },
      },
    );
    return verdictOf(ReviewStatus.parse(reply.status ?? {}), audience);
  } catch (error) {
    log.warn('token could not be reviewed', { error });
    return { kind: 'unavailable', message: 'Tokens cannot be reviewed at the moment; try again' };
  }
}

function verdictOf(status: z.infer<typeof ReviewStatus>, audience: string): AuthOutcome {
  const { user } = status;
  if (status.authenticated !== true || user?.username === undefined || user.username === '')
    return rejected(audience);
  if (status.audiences?.includes(audience) !== true) return rejected(audience);
  return {
    kind: 'principal',
    principal: {
      name: user.username,
      groups: user.groups ?? [],
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      ...(user.extra === undefined ? {} : { extra: user.extra }),
    },
  };
}

const rejected = (audience: string): AuthOutcome => ({
  kind: 'rejected',
  message: `The bearer token is not valid for audience '${audience}'`,
});
