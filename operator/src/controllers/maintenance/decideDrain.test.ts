import { describe, expect, test } from '@jest/globals';
import { type DrainInput, type DrainTask, decideDrain } from './decideDrain.ts';

const task = (key: string, more: Partial<DrainTask> = {}): DrainTask => ({
  key,
  jobKey: 'ServiceJob/apps/shop',
  ready: true,
  deleting: false,
  ...more,
});

const decide = (given: Partial<DrainInput> & { readonly spareOfShop?: number }) =>
  decideDrain({
    agents: [],
    concurrency: 1,
    honoursJobs: true,
    spare:
      given.spareOfShop === undefined
        ? new Map()
        : new Map([['ServiceJob/apps/shop', given.spareOfShop]]),
    ...given,
  });
const moved = (given: Parameters<typeof decide>[0]): readonly string[] =>
  decide(given).flatMap((step) => step.move);

describe('agents', () => {
  test('are emptied a few at a time, in order; empty ones take no turn', () => {
    const agents = [
      { name: 'a', tasks: [] },
      { name: 'b', tasks: [task('b1')] },
      { name: 'c', tasks: [task('c1')] },
    ];
    expect(decide({ agents }).map(({ name, state }) => `${name} ${state}`)).toEqual([
      'a Drained',
      'b Draining',
      'c Frozen',
    ]);
    expect(moved({ agents, concurrency: 2 })).toEqual(['b1', 'c1']);
  });
});

describe('tasks', () => {
  const three = [{ name: 'a', tasks: [task('a1'), task('a2'), task('a3')] }];
  test('of a job without a minimum all move', () => {
    expect(moved({ agents: three })).toEqual(['a1', 'a2', 'a3']);
  });
  test('of a job with one move as far as it can spare them', () => {
    expect(moved({ agents: three, spareOfShop: 2 })).toEqual(['a1', 'a2']);
    expect(decide({ agents: three, spareOfShop: 0 })).toMatchObject([
      { state: 'Draining', move: [], waitsFor: ['ServiceJob/apps/shop'], tasksLeft: 3 },
    ]);
  });
  test('all agents share what a job can spare', () => {
    const agents = ['a', 'b'].map((name) => ({ name, tasks: [task(`${name}1`)] }));
    expect(moved({ agents, concurrency: 2, spareOfShop: 1 })).toEqual(['a1']);
  });
  test('of a job below its minimum do not move', () => {
    expect(moved({ agents: three, spareOfShop: -1 })).toEqual([]);
  });
  test('all move once the deadline has passed', () => {
    expect(moved({ agents: three, spareOfShop: 0, honoursJobs: false })).toHaveLength(3);
  });
  test('that do not serve cost nothing; those told to go are told again until their Pod goes', () => {
    const tasks = [
      task('new', { ready: false }),
      task('told', { ready: false }),
      task('going', { ready: false, deleting: true }),
      task('serving'),
    ];
    expect(moved({ agents: [{ name: 'a', tasks }], spareOfShop: 0 })).toEqual(['new', 'told']);
  });
  test('of frameworks move in any case', () => {
    const tasks = [task('f1', { jobKey: undefined })];
    expect(moved({ agents: [{ name: 'a', tasks }], spareOfShop: 0 })).toEqual(['f1']);
  });
});
