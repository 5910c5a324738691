import { describe, expect, test } from '@jest/globals';
import type { ClusterView } from '../clusterView/types.ts';
import { decideWeights } from './decideWeights.ts';

const VIEW: ClusterView = {
  agents: [],
  frameworks: [],
  tasks: [],
  roles: [],
  windows: [],
  inverseAnswers: [],
};
const decide = (weight: number) =>
  decideWeights({ weight_infos: [{ role: 'eng/web', weight }] }, VIEW);

describe('UPDATE_WEIGHTS', () => {
  test.each([0.001, 0.1, 1, 1.001, 2.5, 999_999.999, 1_000_000])(
    '%s becomes the weight of a Role object, unchanged',
    (weight) => {
      expect(decide(weight)).toMatchObject({
        ok: true,
        value: [{ verb: 'create', object: { spec: { path: 'eng/web', weight } } }],
      });
    },
  );

  test.each([
    [0, /weights must be positive/],
    [-1.5, /weights must be positive/],
    [Number.NaN, /weights must be positive/],
    [0.0004, /at most three decimal places/],
    [1 / 3, /at most three decimal places/],
    [1.0005, /at most three decimal places/],
    [1_000_000.001, /from 0.001 to 1000000/],
    [Number.POSITIVE_INFINITY, /from 0.001 to 1000000/],
  ])('%s is refused', (weight, message) => {
    expect(decide(weight)).toMatchObject({
      ok: false,
      refusal: { kind: 'badRequest', message: expect.stringMatching(message) },
    });
  });
});
