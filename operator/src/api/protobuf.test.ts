import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { ApiHarness, until } from '../../../test/support/apiHarness.ts';
import { launchOf, taskInfo } from '../../../test/support/frameworkHarness.ts';
import { mutatedBytes, mutatedJson } from '../../../test/support/mutations.ts';
import { frameworkId } from '../model/ids.ts';
import { CALL_CODEC, EVENT_CODEC } from '../schema/mesos/proto/codec.ts';
import type { WireObject } from '../schema/mesos/proto/types.ts';

const PROTOBUF = 'application/x-protobuf';
const GOLDEN = JSON.parse(
  readFileSync(new URL('../schema/mesos/proto/testdata/golden.json', import.meta.url), 'utf8'),
) as {
  readonly calls: readonly { readonly json: WireObject & { type: string }; readonly hex: string }[];
  readonly events: readonly { readonly json: WireObject; readonly hex: string }[];
};

let api: ApiHarness;
beforeEach(async () => {
  api = await ApiHarness.start({ hub: { heartbeatMs: 5_000 } });
});
afterEach(() => api.stop());

const send = async (
  body: Uint8Array | string,
  headers: { readonly [name: string]: string } = {},
): Promise<Response> =>
  await fetch(`${api.url}/api/v1/scheduler`, {
    method: 'POST',
    headers: { 'content-type': PROTOBUF, authorization: 'Bearer alice', ...headers },
    body,
  });

const SUBSCRIBE = {
  type: 'SUBSCRIBE',
  subscribe: { framework_info: { user: 'root', name: 'proto' } },
};

/** A subscriber that reads records as bytes. */
class Subscriber {
  readonly response: Response;
  readonly records: Buffer[] = [];
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;

  constructor(response: Response) {
    this.response = response;
    if (response.body === null) throw new Error('no body');
    this.#reader = response.body.getReader();
    void this.#read();
  }

  get streamId(): string {
    return this.response.headers.get('mesos-stream-id') ?? '';
  }

  events(): WireObject[] {
    return this.records.map((record) => {
      const event = EVENT_CODEC.fromProto(record);
      if (!event.ok) throw new Error(event.refusal);
      return event.value;
    });
  }

  async event(type: string, matches: (event: WireObject) => boolean = () => true) {
    const find = (): WireObject | undefined =>
      this.events().find((one) => one['type'] === type && matches(one));
    await until(type, () => find() !== undefined);
    return find() as WireObject;
  }

  async #read(): Promise<void> {
    let left = Buffer.alloc(0);
    for (;;) {
      const { done, value } = await this.#reader
        .read()
        .catch(() => ({ done: true, value: undefined }));
      if (done || value === undefined) return;
      left = Buffer.concat([left, value]);
      for (;;) {
        const lineEnd = left.indexOf(0x0a);
        const length = Number(left.toString('latin1', 0, Math.max(lineEnd, 0)));
        if (lineEnd < 0 || left.length < lineEnd + 1 + length) break;
        this.records.push(left.subarray(lineEnd + 1, lineEnd + 1 + length));
        left = left.subarray(lineEnd + 1 + length);
      }
    }
  }
}

describe('the stream in protobuf', () => {
  test('records are those of the golden file', async () => {
    const who = new Subscriber(await send(CALL_CODEC.toProto(SUBSCRIBE), { accept: PROTOBUF }));
    expect(who.response.headers.get('content-type')).toBe(PROTOBUF);
    await until('two records', () => who.records.length >= 2);
    const golden = ['SUBSCRIBED', 'HEARTBEAT'].map(
      (type) => GOLDEN.events.find((one) => one.json['type'] === type)?.hex,
    );
    expect(who.records.slice(0, 2).map((one) => one.toString('hex'))).toEqual(golden);
  });

  test.each([
    ['protobuf asks for JSON', PROTOBUF, 'application/json', 'application/json'],
    ['protobuf takes both', PROTOBUF, `${PROTOBUF}, application/json`, 'application/json'],
    ['protobuf takes anything', PROTOBUF, '*/*', 'application/json'],
    ['JSON asks for protobuf', 'application/json', PROTOBUF, PROTOBUF],
  ])('%s', async (_name, type, accept, reply) => {
    const body =
      type === PROTOBUF ? CALL_CODEC.toProto(SUBSCRIBE) : Buffer.from(JSON.stringify(SUBSCRIBE));
    const response = await send(body, { 'content-type': type, accept });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, reply]);
    await response.body?.cancel();
  });

  test('a refused subscription is one ERROR record in protobuf', async () => {
    const info = { user: 'u', name: 'n', role: 'nope' };
    const call = { type: 'SUBSCRIBE', subscribe: { framework_info: info } };
    const who = new Subscriber(await send(CALL_CODEC.toProto(call), { accept: PROTOBUF }));
    expect(await who.event('ERROR')).toMatchObject({
      error: { message: expect.stringContaining("Role 'nope'") },
    });
  });

  test('a task from offer to acknowledgement', async () => {
    const who = new Subscriber(await send(CALL_CODEC.toProto(SUBSCRIBE), { accept: PROTOBUF }));
    const subscribed = await who.event('SUBSCRIBED');
    const { framework_id } = subscribed['subscribed'] as { framework_id: { value: string } };
    const call = async (type: string, body: object): Promise<number> => {
      const bytes = CALL_CODEC.toProto({ type, framework_id, [type.toLowerCase()]: body });
      const response = await send(bytes, { 'mesos-stream-id': who.streamId });
      expect(await response.text()).toBe('');
      return response.status;
    };
    api.world.scheduling.offer(frameworkId(framework_id.value), {
      resources: { cpus: 1000, mem: 2 ** 30 },
    });
    const offers = (await who.event('OFFERS'))['offers'] as { offers: { id: { value: string } }[] };
    const [offer] = offers.offers;
    expect(await call('ACCEPT', launchOf([offer?.id.value ?? ''], [taskInfo('Täsk.1')]))).toBe(202);
    const { update } = await who.event('UPDATE');
    const { status } = update as { status: { [field: string]: string } };
    expect(status).toMatchObject({ task_id: { value: 'Täsk.1' }, state: 'TASK_STARTING' });
    expect(Buffer.from(status['uuid'] ?? '', 'base64')).toHaveLength(16);
    const { task_id, agent_id, uuid } = status;
    expect(await call('ACKNOWLEDGE', { task_id, agent_id, uuid })).toBe(202);
    api.world.run('Täsk.1');
    await who.event('UPDATE', (one) => JSON.stringify(one).includes('TASK_RUNNING'));
  });
});

describe('refused protobuf', () => {
  const faultOf = async (body: Uint8Array): Promise<[number, string]> => {
    const response = await send(body);
    const { error } = (await response.json()) as { error: { message: string } };
    return [response.status, error.message];
  };

  test.each([
    ['nothing', '', "Expecting 'type' to be present and a known call type"],
    [
      'a framework without a name',
      '1001 1a060a040a026d65',
      'subscribe.framework_info.name: required field is missing',
    ],
    ['half a message', '1001 1aff', 'malformed protobuf: the message ends early, at byte 4'],
    ['no body', '1004', "Expecting 'decline' to be present"],
    ['no framework id', '1005', "Expecting 'framework_id' to be present"],
  ])('%s: 400 that says what is wrong', async (_name, hex, message) => {
    const body = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    expect(await faultOf(body)).toEqual([400, `Failed to validate scheduler call: ${message}`]);
  });

  test('a uuid of 15 bytes: 400', async () => {
    const call = GOLDEN.calls.find((one) => one.json.type === 'ACKNOWLEDGE')?.json;
    const acknowledge = { ...(call?.['acknowledge'] as object), uuid: 'AAECAwQFBgcICQoLDA0O' };
    const [status, message] = await faultOf(CALL_CODEC.toProto({ ...call, acknowledge }));
    expect([status, message]).toEqual([400, expect.stringContaining("'acknowledge.uuid'")]);
  });
});

describe('mutations of every call', () => {
  /** What a call that is well-formed enough may be answered with; never 5xx but for calls that are not served. */
  const ALLOWED = new Set([200, 202, 400, 403, 404, 409, 415, 501]);

  const check = async (bodies: fc.Arbitrary<{ type: string; body: Uint8Array | string }>) => {
    const who = new Subscriber(await send(CALL_CODEC.toProto(SUBSCRIBE), { accept: PROTOBUF }));
    const { framework_id } = (await who.event('SUBSCRIBED'))['subscribed'] as {
      framework_id: never;
    };
    expect(framework_id).toEqual({ value: 'mezzo-1-0000' });
    const headers = { 'mesos-stream-id': who.streamId };
    await fc.assert(
      fc.asyncProperty(bodies, async ({ type, body }) => {
        const response = await send(body, { ...headers, 'content-type': type });
        expect(ALLOWED).toContain(response.status);
        await response.body?.cancel();
      }),
      { numRuns: 400 },
    );
    expect((await api.get('/health')).status).toBe(200);
    expect(api.world.hub.frameworks().some((one) => one.id === 'mezzo-1-0000')).toBe(true);
  };

  /** Not TEARDOWN: it would end the subscriber the others are tried on. */
  const CALLS = GOLDEN.calls.filter((one) => one.json.type !== 'TEARDOWN');

  test('in protobuf: bytes changed, cut and put in', async () => {
    const bytes = mutatedBytes(CALLS.map((one) => Buffer.from(one.hex, 'hex')));
    await check(bytes.map((body) => ({ type: PROTOBUF, body })));
  }, 60_000);

  test('in JSON: values replaced, removed and doubled', async () => {
    const texts = mutatedJson(CALLS.map((one) => one.json));
    await check(texts.map((body) => ({ type: 'application/json', body })));
  }, 60_000);
});
