import { beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { anyCodePoint } from '../../../test/support/anyCodePoint.ts';
import { FakeClock } from '../../../test/support/fakeClock.ts';
import { silentLog } from '../../../test/support/frameworkHarness.ts';
import { rolePath } from '../model/ids.ts';
import { type KubeApi, KubeApiError } from '../ports/kubeApi.ts';
import { createAccessReview } from './auth/accessReview.ts';
import { createAuthenticator } from './auth/authenticator.ts';
import { createBasicCheck } from './auth/basic.ts';
import { ExpiringCache } from './auth/expiringCache.ts';
import { createTokenReview } from './auth/tokenReview.ts';
import { isShallow } from './jsonBody.ts';
import { accepts } from './mediaType.ts';
import { RateLimit } from './rateLimit.ts';
import { encodeJsonRecord } from './recordIo.ts';

let clock: FakeClock;
beforeEach(() => {
  clock = new FakeClock();
});

describe('encodeJsonRecord', () => {
  test('the length counts bytes and characters alike, and there is one line feed', () => {
    fc.assert(
      fc.property(fc.jsonValue({ stringUnit: anyCodePoint }), (value) => {
        const record = encodeJsonRecord(value);
        const [length = '', json = '', ...rest] = record.split('\n');
        expect(rest).toEqual([]);
        expect(Buffer.byteLength(record, 'utf8')).toBe(record.length);
        expect(Number(length)).toBe(json.length);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
  test('bytes of one record', () => {
    expect(encodeJsonRecord({ type: 'ERROR', error: { message: 'é\n😀' } })).toBe(
      '59\n{"type":"ERROR","error":{"message":"\\u00e9\\n\\ud83d\\ude00"}}',
    );
  });
});

describe('isShallow', () => {
  const depthOf = (value: unknown): number =>
    value === null || typeof value !== 'object'
      ? 0
      : 1 + Math.max(0, ...Object.values(value).map(depthOf));
  test('agrees with the depth of any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 0, max: 7 }), (value, limit) => {
        const bytes = Buffer.from(JSON.stringify(value));
        expect(isShallow(bytes, limit)).toBe(depthOf(value) <= limit);
      }),
    );
  });
  test('brackets in texts do not count', () => {
    expect(isShallow(Buffer.from('["[[[[", "\\"[[[", "\\\\", "["]'), 1)).toBe(true);
  });
});

test.each([
  [undefined, true],
  ['', true],
  ['application/json', true],
  ['APPLICATION/JSON', true],
  ['application/*;q=0.1', true],
  ['*/*;q=0.1, application/json;q=0', false],
  ['application/xml', false],
])('Accept %j takes JSON: %j', (header, expected) => {
  expect(accepts(header, 'application/json')).toBe(expected);
});

describe('RateLimit', () => {
  test('a burst, then the rate; clients do not share', async () => {
    const limit = new RateLimit({ clock, perSecond: 2, burst: 3, maxKeys: 10 });
    const take = (key: string, times: number): boolean[] =>
      Array.from({ length: times }, () => limit.take(key));
    expect(take('a', 4)).toEqual([true, true, true, false]);
    expect(limit.take('b')).toBe(true);
    await clock.advance(500);
    expect(take('a', 2)).toEqual([true, false]);
    await clock.advance(60_000);
    expect(take('a', 4)).toEqual([true, true, true, false]);
  });
  test('remembers a bounded number of clients', () => {
    const limit = new RateLimit({ clock, perSecond: 1, burst: 1, maxKeys: 2 });
    expect(['a', 'a', 'b', 'c', 'a'].map((key) => limit.take(key))).toEqual([
      true,
      false,
      true,
      true,
      true,
    ]);
  });
});

test('ExpiringCache forgets by time and by number', async () => {
  const cache = new ExpiringCache<number>(clock, 2);
  cache.set('a', 1, 100);
  cache.set('b', 2, 1000);
  await clock.advance(100);
  expect([cache.get('a'), cache.get('b')]).toEqual([undefined, 2]);
  cache.set('c', 3, 1000);
  cache.set('d', 4, 1000);
  expect([cache.get('b'), cache.get('c'), cache.get('d')]).toEqual([undefined, 3, 4]);
});

/** Answers reviews with what the test says and counts them. */
class Reviews implements Pick<KubeApi, 'create'> {
  asked: { spec: { token?: string; audiences?: string[]; user?: string } }[] = [];
  status: unknown = {};
  away = false;
  create = (async (_ref: unknown, object: { spec: object }) => {
    this.asked.push(object);
    if (this.away) throw new KubeApiError('unavailable', 'away');
    return { ...object, status: this.status };
  }) as never as KubeApi['create'];
}

describe('token review', () => {
  const user = {
    username: 'system:serviceaccount:a:b',
    uid: 'u',
    groups: ['g'],
    extra: { 'authentication.kubernetes.io/node-name': ['n1'] },
  };
  let reviews: Reviews;
  const check = (): ReturnType<typeof createTokenReview> =>
    createTokenReview({ kube: reviews, clock, log: silentLog, audience: 'mezzo' });
  beforeEach(() => {
    reviews = new Reviews();
    reviews.status = { authenticated: true, audiences: ['mezzo'], user };
  });

  test('a good token is its user, asked for our audience, once in 60 s', async () => {
    const review = check();
    const outcome = await review.check('good');
    expect(outcome).toEqual({
      kind: 'principal',
      principal: { name: user.username, uid: 'u', groups: ['g'], extra: user.extra },
    });
    expect(reviews.asked[0]?.spec).toEqual({ token: 'good', audiences: ['mezzo'] });
    await clock.advance(59_000);
    await review.check('good');
    expect(reviews.asked).toHaveLength(1);
    await clock.advance(1_001);
    await review.check('good');
    expect(reviews.asked).toHaveLength(2);
  });

  test.each([
    ['not authenticated', { authenticated: false }],
    ['what a real API server says of garbage', { user: {}, error: 'invalid bearer token' }],
    [
      'a user without a name',
      { authenticated: true, audiences: ['mezzo'], user: { username: '' } },
    ],
    ['no user', { authenticated: true, audiences: ['mezzo'] }],
    ['another audience', { authenticated: true, audiences: ['https://kubernetes'], user }],
    ['no audience told: the server ignored ours', { authenticated: true, user }],
  ])('%s is rejected, for five seconds', async (_name, status) => {
    reviews.status = status;
    const review = check();
    expect((await review.check('t')).kind).toBe('rejected');
    await review.check('t');
    expect(reviews.asked).toHaveLength(1);
    await clock.advance(5_001);
    await review.check('t');
    expect(reviews.asked).toHaveLength(2);
  });

  test('an API server that is away is no verdict, and is not remembered', async () => {
    const review = check();
    reviews.away = true;
    expect((await review.check('t')).kind).toBe('unavailable');
    reviews.away = false;
    expect((await review.check('t')).kind).toBe('principal');
  });
});

describe('basic', () => {
  const check = createBasicCheck(
    () =>
      new Map([
        ['a', 'x:y'],
        ['system:admin', 'p'],
        ['empty', ''],
      ]),
  );
  test.each([
    ['a:x:y', 'principal'],
    ['a:x', 'rejected'],
    ['a', 'rejected'],
    ['b:x:y', 'rejected'],
    ['empty:', 'rejected'],
    ['system:admin:p', 'rejected'],
    ['', 'rejected'],
  ])('%j is %s', async (credential, kind) => {
    expect((await check.check(btoa(credential))).kind).toBe(kind);
  });
});

test('the scheme chooses the check, in any case', async () => {
  const seen: string[] = [];
  const spy = (name: string) => ({
    check: (credential: string) => {
      seen.push(`${name} ${credential}`);
      return Promise.resolve({ kind: 'rejected', message: '' } as const);
    },
  });
  const authenticator = createAuthenticator({ bearer: spy('bearer'), basic: spy('basic') });
  await authenticator.authenticate('bEaReR t');
  await authenticator.authenticate('BASIC c');
  await authenticator.authenticate('Negotiate n');
  expect(seen).toEqual(['bearer t', 'basic c']);
});

describe('access review', () => {
  const alice = { name: 'alice', groups: ['g'], extra: { k: ['v'] } };
  test('asks for the verb offer on the role, and for creating Pods', async () => {
    const reviews = new Reviews();
    reviews.status = { allowed: true };
    const review = createAccessReview({ kube: reviews, clock, log: silentLog });
    expect(await review.mayOffer(alice, rolePath('eng/web'))).toEqual({ kind: 'allowed' });
    expect(await review.mayCreatePods(alice, 'tenants')).toEqual({ kind: 'allowed' });
    const who = { user: 'alice', groups: ['g'], extra: { k: ['v'] } };
    expect(reviews.asked.map((one) => one.spec)).toEqual([
      {
        ...who,
        resourceAttributes: {
          group: 'mezzo.dev',
          resource: 'roles',
          verb: 'offer',
          name: 'eng/web',
        },
      },
      {
        ...who,
        resourceAttributes: { group: '', resource: 'pods', verb: 'create', namespace: 'tenants' },
      },
    ]);
  });

  test('denies unless allowed, names the permission, and asks again soon', async () => {
    const reviews = new Reviews();
    const review = createAccessReview({ kube: reviews, clock, log: silentLog });
    expect(await review.mayOffer(alice, rolePath('eng'))).toEqual({
      kind: 'denied',
      missing: 'offer roles.mezzo.dev "eng"',
    });
    reviews.status = { allowed: true };
    expect((await review.mayOffer(alice, rolePath('eng'))).kind).toBe('denied');
    await clock.advance(5_001);
    expect((await review.mayOffer(alice, rolePath('eng'))).kind).toBe('allowed');
    expect((await review.mayOffer({ ...alice, groups: [] }, rolePath('eng'))).kind).toBe('allowed');
    expect(reviews.asked).toHaveLength(3);
    reviews.away = true;
    expect((await review.mayOffer(alice, rolePath('other'))).kind).toBe('unavailable');
  });
});
