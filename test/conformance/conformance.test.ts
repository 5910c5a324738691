import { spawn } from 'node:child_process';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ApiHarness } from '../support/apiHarness.ts';
import { ALL_RULES } from './allRules.ts';
import { type Rule, sectionOf } from './rule.ts';
import { type Outcome, runSuite } from './runSuite.ts';
import { decode, encode, misfitOf } from './wire/protobuf.ts';

// The suite itself: it must fail on servers that are wrong, and not on the real app.

const ends: (() => Promise<unknown> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const run = (
  url: string,
  rules: readonly Rule[],
  authorization?: string,
): Promise<readonly Outcome[]> =>
  runSuite({
    target: { url: new URL(url), authorization },
    roles: ['*', 'conformance/a', 'conformance/b'],
    rules,
    agentsPretend: true,
    cleansUp: false,
  });

const byId = (...ids: string[]): readonly Rule[] =>
  ids.map((id) => {
    const rule = ALL_RULES.find((one) => one.id === id);
    if (rule === undefined) throw new Error(`there is no rule ${id}`);
    return rule;
  });

const quick = ALL_RULES.filter((rule) => rule.offers === undefined);

/** The real app behind a proxy that spoils what passes. */
async function spoiled(
  spoil: {
    readonly status?: (status: number) => number;
    readonly headers?: { readonly [name: string]: string | undefined };
    readonly chunk?: (chunk: Buffer) => readonly Buffer[];
  } = {},
): Promise<string> {
  const api = await ApiHarness.start();
  ends.push(() => api.stop());
  return await listen(
    createServer((incoming, outgoing) => {
      const onward = request(
        api.url + incoming.url,
        { method: incoming.method ?? 'GET', headers: incoming.headers },
        (answer) => {
          const headers = { ...answer.headers, ...spoil.headers };
          outgoing.writeHead(
            spoil.status?.(answer.statusCode ?? 0) ?? answer.statusCode ?? 0,
            headers,
          );
          outgoing.flushHeaders();
          answer.on('data', (chunk: Buffer) => {
            for (const part of spoil.chunk?.(chunk) ?? [chunk]) outgoing.write(part);
          });
          answer.on('end', () => outgoing.end());
          answer.on('error', () => outgoing.destroy());
        },
      );
      onward.on('error', () => outgoing.destroy());
      outgoing.on('close', () => onward.destroy());
      incoming.pipe(onward);
    }),
  );
}

describe('the suite fails on a wrong server', () => {
  test('no rule passes where everything is answered with 200', async () => {
    const server = createServer((incoming, outgoing) => {
      incoming.resume();
      outgoing.writeHead(200, { 'content-type': 'text/plain' }).end('fine');
    });
    const outcomes = await run(await listen(server), quick, 'Bearer x');
    const wrong = outcomes.filter((one) => one.kind === 'failed');
    const others = outcomes.filter((one) => one.kind !== 'failed');
    // A master promises nothing but 200 of its health, and who serves unknown callers is not asked to refuse them.
    expect(others.map((one) => `${one.kind} ${one.rule}`)).toEqual([
      'passed 1.1/health',
      'skipped 1.3/no-credentials',
      'skipped 1.3/no-credentials',
    ]);
    expect(wrong.length).toBeGreaterThan(200);
    for (const one of wrong) {
      expect(one.expected).not.toBe('');
      expect(one.got).not.toBe('');
    }
  }, 60_000);

  const rows: readonly [string, Parameters<typeof spoiled>[0], string, RegExp][] = [
    ['nothing', {}, '1.2/record-per-chunk', /^$/],
    ['200 for 202', { status: (status) => (status === 202 ? 200 : status) }, '1.4/suppress', /200/],
    [
      'a content type with a charset',
      { headers: { 'content-type': 'application/json; charset=utf-8' } },
      '1.2/stream-head',
      /charset/,
    ],
    [
      'a stream id that is no UUID',
      { headers: { 'mesos-stream-id': 'one' } },
      '1.2/stream-id',
      /one/,
    ],
    [
      'a record in two chunks',
      { chunk: (chunk) => [chunk.subarray(0, 9), chunk.subarray(9)] },
      '1.2/record-per-chunk',
      /chunk/,
    ],
    [
      'a field no proto has',
      {
        chunk: (chunk) => {
          const json = chunk
            .toString()
            .slice(chunk.indexOf('\n') + 1)
            .replace('{', '{"mood":"good",');
          return [Buffer.from(`${json.length}\n${json}`)];
        },
      },
      '1.2/record-per-chunk',
      /mood/,
    ],
  ];
  test.each(rows)('%s', async (_name, spoil, id, got) => {
    const rules = byId(id).map((rule) => ({ ...rule, wires: ['json' as const] }));
    const [outcome] = await run(await spoiled(spoil), rules, 'Bearer alice');
    expect(outcome?.got ?? '').toMatch(got);
    expect(outcome?.kind).toBe(got.source === '^$' ? 'passed' : 'failed');
  });

  test('the command prints a line per failure, then the count, and exits with 1', async () => {
    const server = createServer((incoming, outgoing) => {
      incoming.resume();
      outgoing.writeHead(500).end();
    });
    const url = await listen(server);
    const child = spawn(process.execPath, [
      '--no-warnings',
      join(import.meta.dirname, 'cli.ts'),
      '--url',
      url,
      '--only',
      '1.3',
    ]);
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(1);
    const lines = output.trim().split('\n');
    expect(lines.at(-1)).toMatch(/^0 passed, \d\d failed$/);
    expect(lines).toContainEqual(
      expect.stringMatching(/^FAILED 1\.3\/garbage \[protobuf\] §1\.3 .*expected 400; got 500/),
    );
  });
});

test('the real app over a fake API server keeps the rules of HTTP and of statuses', async () => {
  const api = await ApiHarness.start();
  ends.push(() => api.stop());
  const rules = quick.filter(
    (rule) =>
      ['1.2', '1.3', '1.4'].includes(sectionOf(rule)) &&
      // The harness takes any token.
      rule.id !== '1.3/bad-credentials',
  );
  const outcomes = await run(api.url, rules, 'Bearer alice');
  const told = outcomes
    .filter((one) => one.kind !== 'passed')
    .map((one) => `${one.rule} [${one.wire}]: expected ${one.expected}; got ${one.got}`);
  expect(told).toEqual([]);
}, 30_000);

describe("the suite's own codec", () => {
  test('reads what it wrote', () => {
    const call = {
      framework_id: { value: 'f' },
      type: 'ACCEPT',
      accept: {
        offer_ids: [{ value: 'a' }, { value: 'b' }],
        operations: [
          {
            type: 'LAUNCH',
            launch: {
              task_infos: [
                {
                  name: 't',
                  task_id: { value: 't' },
                  agent_id: { value: 'n' },
                  resources: [{ name: 'cpus', type: 'SCALAR', scalar: { value: 0.1 } }],
                  max_completion_time: { nanoseconds: -1 },
                  limits: { mem: { value: 64 } },
                  data: 'aGVsbG8=',
                },
              ],
            },
          },
        ],
        filters: { refuse_seconds: 1.5 },
      },
    };
    expect(decode('Call', encode('Call', call))).toEqual(call);
  });

  test.each([
    [{ type: 'HEARTBEAT' }, undefined],
    [{ type: 'NOISE' }, 'Event.type is "NOISE", which is no Event.Type'],
    [{ type: 'RESCIND', rescind: {} }, 'Event.rescind lacks the required offer_id'],
    [
      { type: 'OFFERS', offers: { offers: [] } },
      'Event.offers.offers is an empty list, which is to be left out',
    ],
    [{ type: 'ERROR', error: { message: 3 } }, 'Event.error.message is 3, which is no string'],
  ])('judges %j', (event, misfit) => {
    expect(misfitOf('Event', event)).toBe(misfit);
  });
});
