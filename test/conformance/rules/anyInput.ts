import * as fc from 'fast-check';
import { mutatedBytes, mutatedJson } from '../../support/mutations.ts';
import { expectThat } from '../mismatch.ts';
import type { Rule } from '../rule.ts';
import { bodyOf } from '../session.ts';
import { decode, type Json } from '../wire/protobuf.ts';
import { CALLS } from './calls.ts';

const RUNS = 300;
/** What a call may be answered with, however it is spoilt; 501 is for the type UNKNOWN. */
const ALLOWED: readonly number[] = [200, 202, 400, 403, 409, 501];

/** TEARDOWN would end the stream the others are tried on. */
function isTeardown(body: Buffer): boolean {
  try {
    return decode('Call', body)['type'] === 'TEARDOWN';
  } catch {
    return false;
  }
}

/** §1.3: whatever is sent, the answer is one of the contract and nobody else feels it. */
export const ANY_INPUT_RULES: readonly Rule[] = [
  {
    id: '1.3/mutations',
    title: `${RUNS} calls changed at random are answered 2xx or 4xx, and the stream lives on`,
    async run(c) {
      const session = await c.subscribe();
      const framework_id = { value: session.frameworkId };
      const framework_info = c.info({ id: framework_id });
      const calls: Json[] = [
        ...Object.entries(CALLS).map(([type, { body }]) => ({
          type,
          framework_id,
          ...(body === undefined ? {} : { [type.toLowerCase()]: body }),
        })),
        { type: 'SUBSCRIBE', framework_id, subscribe: { framework_info } },
        { type: 'UPDATE_FRAMEWORK', framework_id, update_framework: { framework_info } },
      ];
      const seeded = { seed: Number.parseInt(c.mark, 16), numRuns: RUNS };
      const bodies =
        c.wire === 'json'
          ? fc.sample(mutatedJson(calls), seeded).map((text) => Buffer.from(text))
          : fc
              .sample(mutatedBytes(calls.map((call) => bodyOf('protobuf', call))), seeded)
              .map((bytes) => Buffer.from(bytes))
              .filter((body) => !isTeardown(body));
      for (const body of bodies) {
        const headers = { 'Mesos-Stream-Id': session.streamId };
        const { status } = await c.post({ body, headers });
        const shown = c.wire === 'json' ? body.toString('utf8') : body.toString('hex');
        expectThat('2xx, 4xx or 501', ALLOWED.includes(status), `${status} for ${shown}`);
      }
      await session.ok('SUPPRESS');
    },
  },
];
