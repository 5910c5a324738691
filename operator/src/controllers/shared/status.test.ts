import { describe, expect, test } from '@jest/globals';
import { FakeClock } from '../../../../test/support/fakeClock.ts';
import { OperatorWorld } from '../../../../test/support/operatorWorld.ts';
import { ROLES, type RoleObject } from '../../schema/mezzoKinds.ts';
import { isoTime, type StoredCondition, withCondition } from './conditions.ts';
import { writeStatus } from './statusWriter.ts';

const condition = (type: string, status: 'True' | 'False', at: string): StoredCondition => ({
  type,
  status,
  reason: 'R',
  message: 'm',
  observedGeneration: 1,
  lastTransitionTime: at,
});
const set = (before: readonly StoredCondition[] | undefined, status: 'True' | 'False') =>
  withCondition(before, { type: 'Ready', status, reason: 'New', message: 'new' }, 2, 'now');

describe('setting a condition', () => {
  test('the time moves when the status does', () => {
    expect(set([condition('Ready', 'False', 'then')], 'True')).toMatchObject([
      { lastTransitionTime: 'now' },
    ]);
  });
  test('and stays when only reason and message do', () => {
    expect(set([condition('Ready', 'True', 'then')], 'True')).toEqual([
      {
        type: 'Ready',
        status: 'True',
        reason: 'New',
        message: 'new',
        observedGeneration: 2,
        lastTransitionTime: 'then',
      },
    ]);
  });
  test('others are kept, in order of type, so that the same set is the same text', () => {
    const before = [condition('Zoned', 'True', 'then'), condition('Active', 'True', 'then')];
    expect(set(before, 'True').map((one) => one.type)).toEqual(['Active', 'Ready', 'Zoned']);
  });
  test('the first one needs no list', () => {
    expect(set(undefined, 'True')).toHaveLength(1);
  });
  test('times are whole seconds, as Kubernetes writes them', () => {
    expect(isoTime(Date.UTC(2026, 0, 1, 0, 0, 1, 999))).toBe('2026-01-01T00:00:01Z');
  });
});

describe('writing a status', () => {
  const world = () => {
    const all = new OperatorWorld(new FakeClock());
    const role = all.make(ROLES, 'web', { path: 'web' }) as RoleObject;
    return { all, role };
  };
  test('that differs is sent and comes back as stored', async () => {
    const { all, role } = world();
    const written = await writeStatus<RoleObject>(all.kube, ROLES, role, { tasks: 3 });
    expect(written.status?.tasks).toBe(3);
    expect(written.metadata.resourceVersion).not.toBe(role.metadata.resourceVersion);
  });
  test('that is the same in another order, or undefined where it was absent, is not sent', async () => {
    const { all, role } = world();
    const stored = await writeStatus<RoleObject>(all.kube, ROLES, role, {
      tasks: 3,
      dominantShare: '1%',
    });
    const before = all.api.resourceVersion;
    const same = { dominantShare: '1%', tasks: 3, used: undefined };
    expect(await writeStatus<RoleObject>(all.kube, ROLES, stored, same as never)).toBe(stored);
    expect(all.api.resourceVersion).toBe(before);
  });
  test('decided from an old version is refused', async () => {
    const { all, role } = world();
    await writeStatus<RoleObject>(all.kube, ROLES, role, { tasks: 3 });
    await expect(
      writeStatus<RoleObject>(all.kube, ROLES, role, { tasks: 4 }),
    ).rejects.toMatchObject({ code: 'conflict' });
  });
});
