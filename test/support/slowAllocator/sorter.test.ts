import { describe, expect, test } from '@jest/globals';
import { DrfSorter } from './sorter.ts';

const HUNDRED = new Map([
  ['cpus', 100],
  ['mem', 100],
]);

interface Step {
  readonly add?: readonly string[];
  readonly charge?: readonly (readonly [client: string, cpus: number, mem: number])[];
  readonly order: string;
}

interface Row {
  readonly name: string;
  readonly weightsMilli?: Readonly<Record<string, number>>;
  readonly steps: readonly Step[];
}

// Rows S1, S2, S3, S6, S7, S9 and S14 of the Mesos sorter tests, as far as they only add and charge.
const ROWS: readonly Row[] = [
  {
    name: 'DRF',
    steps: [
      {
        add: ['a', 'b'],
        charge: [
          ['a', 5, 5],
          ['b', 6, 6],
        ],
        order: 'a b',
      },
      {
        add: ['c', 'd'],
        charge: [
          ['c', 1, 1],
          ['d', 3, 1],
        ],
        order: 'c d a b',
      },
    ],
  },
  {
    name: 'WDRF',
    weightsMilli: { b: 2000, d: 10_000, e: 100 },
    steps: [
      {
        add: ['a', 'b'],
        charge: [
          ['a', 5, 5],
          ['b', 6, 6],
        ],
        order: 'b a',
      },
      { add: ['c'], charge: [['c', 4, 4]], order: 'b c a' },
      { add: ['d'], charge: [['d', 10, 20]], order: 'd b c a' },
      {
        add: ['e'],
        charge: [
          ['d', 10, 25],
          ['e', 1, 1],
        ],
        order: 'b c d a e',
      },
    ],
  },
  {
    name: 'HierarchicalAllocation',
    steps: [
      { add: ['a', 'b/c', 'b/d'], order: 'a b/c b/d' },
      { charge: [['a', 6, 6]], order: 'b/c b/d a' },
      {
        charge: [
          ['b/c', 4, 4],
          ['b/d', 3, 3],
        ],
        order: 'a b/d b/c',
      },
      { charge: [['a', 2, 2]], order: 'b/d b/c a' },
      { add: ['b/e/f'], order: 'b/e/f b/d b/c a' },
      { charge: [['b/e/f', 3.5, 3.5]], order: 'a b/d b/e/f b/c' },
    ],
  },
  {
    name: 'HierarchicalIterationOrder: a client that has children is a leaf beside them',
    steps: [
      { add: ['a/b', 'c', 'd', 'd/e'], order: 'a/b c d d/e' },
      { charge: [['c', 8, 8]], order: 'a/b d d/e c' },
      {
        charge: [
          ['d', 3, 3],
          ['d/e', 2, 2],
        ],
        order: 'a/b d/e d c',
      },
      { charge: [['a/b', 6, 6]], order: 'd/e d a/b c' },
    ],
  },
  {
    name: 'AddChildToInternal',
    steps: [
      {
        add: ['x/a', 'x/b'],
        charge: [
          ['x/a', 10, 10],
          ['x/b', 6, 6],
        ],
        order: 'x/b x/a',
      },
      { add: ['x'], charge: [['x', 7, 7]], order: 'x/b x x/a' },
      { add: ['z'], charge: [['z', 20, 20]], order: 'z x/b x x/a' },
    ],
  },
  {
    name: 'a leaf that gets a child keeps what it held, as a virtual leaf of weight 1',
    weightsMilli: { x: 10_000 },
    steps: [
      {
        add: ['x', 'y'],
        charge: [
          ['x', 9, 9],
          ['y', 1, 1],
        ],
        order: 'x y',
      },
      { add: ['x/a'], charge: [['x/a', 5, 5]], order: 'y x/a x' },
    ],
  },
];

describe('DrfSorter', () => {
  test.each(ROWS)('$name', ({ weightsMilli, steps }) => {
    const sorter = new DrfSorter({
      totals: HUNDRED,
      weightsMilli: new Map(Object.entries(weightsMilli ?? {})),
      hierarchical: true,
    });
    for (const step of steps) {
      for (const client of step.add ?? []) sorter.addClient(client, true);
      for (const [client, cpus, mem] of step.charge ?? [])
        sorter.charge(client, [{ cpus, mem }], 1);
      expect(sorter.sort().join(' ')).toBe(step.order);
    }
  });

  test('with equal shares the client allocated to less often comes first', () => {
    const sorter = new DrfSorter({ totals: HUNDRED, weightsMilli: new Map(), hierarchical: false });
    sorter.addClient('a', true);
    sorter.addClient('b', true);
    sorter.charge('a', [], 1);
    expect(sorter.sort()).toEqual(['b', 'a']);
  });

  test('an inactive client is left out but still counts for the role above it', () => {
    const sorter = new DrfSorter({ totals: HUNDRED, weightsMilli: new Map(), hierarchical: true });
    sorter.addClient('a', false);
    sorter.addClient('a/c', true);
    sorter.addClient('b', true);
    sorter.charge('a', [{ cpus: 10 }], 1);
    sorter.charge('b', [{ cpus: 6 }], 1);
    sorter.charge('a/c', [{ cpus: 5 }], 1);
    expect(sorter.sort()).toEqual(['b', 'a/c']);
  });

  test('the dominant share is the largest fraction of any resource that exists', () => {
    const totals = new Map([
      ['cpus', 10],
      ['mem', 100],
      ['gpus', 0],
    ]);
    const sorter = new DrfSorter({ totals, weightsMilli: new Map(), hierarchical: true });
    sorter.addClient('a', true);
    sorter.charge('a', [{ cpus: 2, mem: 1, gpus: 5 }], 1);
    expect(sorter.dominantShare('a')).toBe(0.2);
  });
});
