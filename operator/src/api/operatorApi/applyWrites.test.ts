import { describe, expect, test } from '@jest/globals';
import { decideWeights } from '../../controllers/operatorCalls/decideWeights.ts';
import type { PlannedWrite } from '../../controllers/operatorCalls/types.ts';
import { KubeApiError, type KubeErrorCode, type WriteOptions } from '../../ports/kubeApi.ts';
import { FRAMEWORKS, ROLES } from '../../schema/mezzoKinds.ts';
import type { AccessQuestion } from '../auth/accessReview.ts';
import { applyWrites, type Writer } from './applyWrites.ts';

const WRITES: readonly PlannedWrite[] = [
  { verb: 'create', ref: ROLES, object: { metadata: { name: 'a' } } },
  { verb: 'patch', ref: ROLES, name: 'b', patch: { spec: { weight: 2 } } },
  { verb: 'delete', ref: FRAMEWORKS, name: 'c', namespace: 'apps' },
];

class Recorder {
  readonly asked: AccessQuestion[] = [];
  readonly sent: string[] = [];
  readonly users = new Set<unknown>();
  failAt: { readonly write: number; readonly code: KubeErrorCode } | undefined;

  writer(impersonate: boolean): Writer {
    const send = (what: string, options: WriteOptions | undefined): Promise<never> => {
      if (this.failAt?.write === this.sent.length)
        return Promise.reject(new KubeApiError(this.failAt.code, 'the server says no'));
      this.sent.push(`${options?.dryRun === true ? 'try' : 'do'} ${what}`);
      this.users.add(options?.impersonate);
      return Promise.resolve({} as never);
    };
    const kube = {
      create: (_ref: unknown, object: { metadata: { name: string } }, options?: WriteOptions) =>
        send(`create ${object.metadata.name}`, options),
      patch: (
        _ref: unknown,
        key: { name: string },
        _type: unknown,
        _body: unknown,
        options?: WriteOptions,
      ) => send(`patch ${key.name}`, options),
      delete: (_ref: unknown, key: { name: string }, options?: WriteOptions) =>
        send(`delete ${key.name}`, options),
    };
    return {
      kube: kube as never,
      principal: { name: 'alice', groups: ['ops'] },
      impersonate,
      access: {
        may: (_who, question) => {
          this.asked.push(question);
          return Promise.resolve({ kind: 'allowed' });
        },
      },
    };
  }
}

describe('applyWrites', () => {
  test('reviews every right, tries every write, then makes them, as the caller', async () => {
    const recorder = new Recorder();
    expect(await applyWrites(WRITES, recorder.writer(true))).toBeUndefined();
    expect(recorder.asked).toEqual([
      { group: 'mezzo.dev', resource: 'roles', verb: 'create' },
      { group: 'mezzo.dev', resource: 'roles', verb: 'patch', name: 'b' },
      { group: 'mezzo.dev', resource: 'frameworks', verb: 'delete', name: 'c', namespace: 'apps' },
    ]);
    expect(recorder.sent).toEqual([
      'try create a',
      'try patch b',
      'try delete c',
      'do create a',
      'do patch b',
      'do delete c',
    ]);
    expect(recorder.users.size).toBeGreaterThan(0);
    for (const user of recorder.users) expect(user).toEqual({ user: 'alice', groups: ['ops'] });
  });

  test('or as the operator itself', async () => {
    const recorder = new Recorder();
    await applyWrites(WRITES, recorder.writer(false));
    expect([...recorder.users]).toEqual([undefined]);
  });

  test.each([
    ['invalid', 'badRequest'],
    ['forbidden', 'forbidden'],
    ['alreadyExists', 'conflict'],
    ['notFound', 'conflict'],
    ['unavailable', 'unavailable'],
    ['unknownOutcome', 'unavailable'],
  ] as const)('%s is told as %s, with what was to be written', async (code, kind) => {
    const recorder = new Recorder();
    recorder.failAt = { write: 1, code };
    expect(await applyWrites(WRITES, recorder.writer(false))).toEqual({
      kind,
      message: 'patch Role b: the server says no',
    });
    expect(recorder.sent).toEqual(['try create a']);
  });

  test('a fault half-way tells how much was done', async () => {
    const recorder = new Recorder();
    recorder.failAt = { write: 5, code: 'conflict' };
    const refusal = await applyWrites(WRITES, recorder.writer(false));
    expect(refusal?.message).toContain('2 change(s) of this call were made before it');
  });

  test('nothing to write is nothing to ask', async () => {
    const recorder = new Recorder();
    const view = {
      agents: [],
      frameworks: [],
      tasks: [],
      roles: [],
      windows: [],
      inverseAnswers: [],
    };
    const plan = decideWeights({ weight_infos: [] }, view);
    expect(plan.ok && (await applyWrites(plan.value, recorder.writer(true)))).toBeUndefined();
    expect(recorder.asked).toEqual([]);
  });
});
