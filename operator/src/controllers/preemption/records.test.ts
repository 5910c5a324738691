import { describe, expect, test } from '@jest/globals';
import { isOpen, type Preemption, withPreempted, withRecord } from './records.ts';

const record = (id: string, phase: Preemption['phase']): Preemption => ({
  id,
  phase,
  preemptor: 'ServiceJob/apps/vip',
  instance: 0,
  rule: 'TierAboveVictims',
  agent: 'node-1',
  victims: [],
  resources: {},
  graceDeadline: '2026-01-01T00:00:30Z',
  startedAt: '2026-01-01T00:00:00Z',
});
const many = (count: number, phase: Preemption['phase']): Preemption[] =>
  Array.from({ length: count }, (_, index) => record(`r${index}`, phase));
const idsOf = (records: readonly { readonly id: string }[]): string[] =>
  records.map((one) => one.id);

describe('the history in a status', () => {
  test('takes a record in, or replaces the one of its id', () => {
    expect(idsOf(withRecord(undefined, record('a', 'Intended')))).toEqual(['a']);
    const changed = withRecord(
      [record('a', 'Intended'), record('b', 'Held')],
      record('a', 'Evicting'),
    );
    expect(changed.map((one) => `${one.id} ${one.phase}`)).toEqual(['b Held', 'a Evicting']);
  });
  test('keeps the ten newest, dropping the oldest that has ended', () => {
    expect(idsOf(withRecord(many(10, 'Completed'), record('new', 'Intended')))).toEqual([
      ...idsOf(many(10, 'Completed')).slice(1),
      'new',
    ]);
  });
  test('drops ended ones before an open one, however old', () => {
    const full = [record('open', 'Held'), ...many(9, 'Abandoned')];
    expect(idsOf(withRecord(full, record('new', 'Intended')))).toEqual([
      'open',
      ...idsOf(many(9, 'Abandoned')).slice(1),
      'new',
    ]);
  });
  test.each<[Preemption['phase'], boolean]>([
    ['Intended', true],
    ['Evicting', true],
    ['Held', true],
    ['Completed', false],
    ['Abandoned', false],
  ])('%s is open: %s', (phase, open) => {
    expect(isOpen(record('r', phase))).toBe(open);
  });
});

describe('the history of those who lost', () => {
  const lost = (id: string) => ({
    id,
    pod: 'apps/p',
    by: 'x',
    rule: 'y',
    at: '2026-01-01T00:00:00Z',
  });
  test('tells of each eviction once', () => {
    expect(withPreempted([lost('a')], lost('a'))).toEqual([lost('a')]);
  });
  test('keeps the ten newest', () => {
    const full = Array.from({ length: 10 }, (_, index) => lost(`r${index}`));
    expect(idsOf(withPreempted(full, lost('new')))).toEqual([...idsOf(full).slice(1), 'new']);
  });
});
