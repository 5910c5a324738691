import { describe, expect, test } from '@jest/globals';
import { taskPod } from '../../../test/support/operatorWorld.ts';
import type { KubeObject, ResourceRef } from '../ports/kubeApi.ts';
import { PODS } from '../schema/kubeKinds.ts';
import { AGENTS, QUOTAS, ROLES, SERVICE_JOBS } from '../schema/mezzoKinds.ts';
import { readObject, substituteFor } from './readObject.ts';

const object = (spec: unknown, status?: unknown): KubeObject =>
  ({ metadata: { name: 'a', resourceVersion: '7' }, spec, status }) as KubeObject;
const JOB = { role: 'web', template: { image: 'app:1', resources: { cpus: '1', mem: '1Gi' } } };

function errorOf(ref: ResourceRef, raw: KubeObject): unknown {
  try {
    readObject(ref)(raw);
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('an object on its way into the cache', () => {
  test.each<[string, ResourceRef, KubeObject]>([
    ['that is as its type promises', SERVICE_JOBS, object(JOB)],
    ['with a field of a newer version', SERVICE_JOBS, object({ ...JOB, colour: 'blue' })],
    ['of a built-in kind', PODS, taskPod()],
  ])('%s passes as it is', (_what, ref, raw) => {
    expect(readObject(ref)(raw)).toBe(raw);
  });

  test.each<[string, ResourceRef, KubeObject, string]>([
    [
      'a field of another type',
      SERVICE_JOBS,
      object({ ...JOB, instances: 'two' }),
      'spec.instances: ',
    ],
    ['a field that is missing', SERVICE_JOBS, object({ template: JOB.template }), 'spec.role: '],
    ['no spec at all', ROLES, object(undefined), 'spec: '],
    [
      'a status nobody wrote like that',
      ROLES,
      object({ path: 'web' }, { tasks: 'many' }),
      'status.tasks: ',
    ],
  ])('with %s is refused, and the field is named', (_what, ref, raw, path) => {
    expect((errorOf(ref, raw) as Error).message).toMatch(new RegExp(`^${path}`));
  });
});

describe('what stands in for an object that cannot be read', () => {
  const standIn = (ref: ResourceRef, raw: KubeObject) => substituteFor(ref)(raw, errorOf(ref, raw));

  test('a Quota closes its role', () => {
    expect(standIn(QUOTAS, object({ role: 'web', limits: { cpus: 'lots' } }))).toEqual({
      metadata: { name: 'a', resourceVersion: '7' },
      spec: { role: 'web', limits: { cpus: '0', mem: '0' } },
    });
  });
  test('a Quota that does not even tell its role, and any other kind, is left out', () => {
    expect(standIn(QUOTAS, object({ limits: {} }))).toBeUndefined();
    expect(standIn(SERVICE_JOBS, object({}))).toBeUndefined();
  });
  test('an Agent is frozen; one whose report alone is wrong goes on without it', () => {
    expect(standIn(AGENTS, object({ freeze: 'maybe' }))).toMatchObject({ spec: { freeze: true } });
    const reportWrong = object({ mode: 'Shared' }, { tasks: 'many' });
    const standing = standIn(AGENTS, reportWrong);
    expect(standing).toMatchObject({ spec: { mode: 'Shared' } });
    expect(standing).not.toHaveProperty('status');
  });
});
