import { describe, expect, test } from '@jest/globals';
import { type Call, parseCall, refuseMsOf, uuidFromBase64, uuidToBase64 } from './call.ts';

const ID = { value: 'fw-1' };
const INFO = { user: 'root', name: 'example' };

function accepted(json: unknown): Call {
  const parsed = parseCall(json);
  if (!parsed.ok) throw new Error(parsed.refusal);
  return parsed.value;
}
const refusal = (json: unknown): string => {
  const parsed = parseCall(json);
  return parsed.ok ? 'accepted' : parsed.refusal;
};

describe('parseCall reads what stout reads', () => {
  test.each([
    {
      name: 'null means unset',
      json: {
        type: 'SUBSCRIBE',
        framework_id: null,
        subscribe: { framework_info: { ...INFO, id: null, role: null, capabilities: null } },
      },
      path: ['body', 'framework_info', 'role'],
      expected: undefined,
    },
    {
      name: 'a numeric string is a number',
      json: {
        type: 'SUBSCRIBE',
        subscribe: { framework_info: { ...INFO, failover_timeout: '6.5e2' } },
      },
      path: ['body', 'framework_info', 'failover_timeout'],
      expected: 650,
    },
    {
      name: 'a lone object is a list of one',
      json: { type: 'DECLINE', framework_id: ID, decline: { offer_ids: { value: 'o1' } } },
      path: ['body', 'offer_ids'],
      expected: [{ value: 'o1' }],
    },
    {
      name: 'unknown fields are ignored',
      json: { type: 'TEARDOWN', framework_id: ID, teardown: { now: true }, extra: 1 },
      path: ['body'],
      expected: {},
    },
    {
      name: 'an unknown optional enum name is dropped',
      json: {
        type: 'SUBSCRIBE',
        subscribe: { framework_info: { ...INFO, capabilities: [{ type: 'TELEPATHY' }] } },
      },
      path: ['body', 'framework_info', 'capabilities'],
      expected: [{ type: undefined }],
    },
    {
      name: 'nulls inside a list are dropped',
      json: { type: 'REVIVE', framework_id: ID, revive: { roles: [null, 'eng'] } },
      path: ['body', 'roles'],
      expected: ['eng'],
    },
    {
      name: 'REVIVE needs no body',
      json: { type: 'REVIVE', framework_id: ID },
      path: ['body', 'roles'],
      expected: [],
    },
  ])('$name', ({ json, path, expected }) => {
    let value: unknown = accepted(json);
    for (const step of path) value = (value as { [key: string]: unknown })[step];
    expect(value).toEqual(expected);
  });

  test('a __proto__ field lends no fields', () => {
    expect(
      refusal(JSON.parse('{"framework_id":{"value":"f"},"__proto__":{"type":"REVIVE"}}')),
    ).toMatch(/'type'/);
  });
});

describe('parseCall refuses, naming the field', () => {
  test.each([
    ['a list', [], /call/],
    ['a text', 'SUBSCRIBE', /call/],
    ['no type', { framework_id: ID }, /'type'/],
    ['an unknown type', { type: 'LAUNCH_MISSILES', framework_id: ID }, /'type'/],
    ['a missing body', { type: 'ACCEPT', framework_id: ID }, /'accept'/],
    ['a missing framework id', { type: 'REVIVE' }, /'framework_id'/],
    [
      'SUBSCRIBE without a user',
      { type: 'SUBSCRIBE', subscribe: { framework_info: { name: 'x' } } },
      /framework_info\.user/,
    ],
    [
      'ids that differ',
      { type: 'SUBSCRIBE', framework_id: ID, subscribe: { framework_info: INFO } },
      /framework_info\.id/,
    ],
    [
      'a uuid that is none',
      {
        type: 'ACKNOWLEDGE',
        framework_id: ID,
        acknowledge: { agent_id: ID, task_id: ID, uuid: 'AAAA' },
      },
      /'acknowledge\.uuid'/,
    ],
    [
      'a number for an id',
      { type: 'DECLINE', framework_id: ID, decline: { offer_ids: [{ value: 3 }] } },
      /decline\.offer_ids\[0\]\.value/,
    ],
    [
      'a word for a number',
      {
        type: 'DECLINE',
        framework_id: ID,
        decline: { offer_ids: [], filters: { refuse_seconds: 'soon' } },
      },
      /refuse_seconds/,
    ],
  ] as const)('%s', (_name, json, message) => {
    expect(refusal(json)).toMatch(message);
  });
});

describe('refuseMsOf', () => {
  test.each([
    [undefined, 5_000],
    [{}, 5_000],
    [{ refuse_seconds: 0 }, 0],
    [{ refuse_seconds: 1.5 }, 1_500],
    [{ refuse_seconds: -3 }, 5_000],
    [{ refuse_seconds: Number.NaN }, 5_000],
    [{ refuse_seconds: 1e300 }, 31_536_000_000],
    [{ refuse_seconds: Number.POSITIVE_INFINITY }, 31_536_000_000],
  ])('%j is %d ms', (filters, expected) => {
    expect(refuseMsOf(filters)).toBe(expected);
  });
});

test('a UUID survives base64', () => {
  const uuid = '6ccd8dd2-1e64-4b2c-9c7f-0123456789ab';
  expect(uuidFromBase64(uuidToBase64(uuid))).toBe(uuid);
});
