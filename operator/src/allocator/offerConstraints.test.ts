import { describe, expect, test } from '@jest/globals';
import { agentId, frameworkId, rolePath } from '../model/ids.ts';
import { allocate } from './allocate.ts';
import {
  type ConstraintPredicate,
  constraintsFault,
  meetsConstraints,
  type RoleConstraints,
} from './offerConstraints.ts';
import type { AllocatorFramework } from './types.ts';

const AGENT = {
  attributes: { rack: 'r1', hostname: 'node-1', 'topology.kubernetes.io/zone': 'z1' },
};
const rack = (predicate: ConstraintPredicate, attribute = 'rack'): RoleConstraints => ({
  groups: [[{ selector: { attribute }, predicate }]],
});

describe('one constraint', () => {
  test.each<[string, RoleConstraints, boolean]>([
    ['an attribute that is there', rack({ kind: 'exists' }), true],
    ['an attribute that is not', rack({ kind: 'exists' }, 'ssd'), false],
    ['one that should not be there', rack({ kind: 'notExists' }), false],
    ['one that is not there, as wished', rack({ kind: 'notExists' }, 'ssd'), true],
    ['the same text', rack({ kind: 'textEquals', value: 'r1' }), true],
    ['another text', rack({ kind: 'textEquals', value: 'r' }), false],
    ['no text at all', rack({ kind: 'textEquals', value: '' }, 'ssd'), false],
    ['not this text', rack({ kind: 'textNotEquals', value: 'r1' }), false],
    ['absent is not this text', rack({ kind: 'textNotEquals', value: 'r1' }, 'ssd'), true],
    ['a pattern of all of it', rack({ kind: 'textMatches', pattern: 'r[0-9]' }), true],
    ['a pattern of a part of it', rack({ kind: 'textMatches', pattern: 'r' }), false],
    ['absent matches nothing', rack({ kind: 'textMatches', pattern: '.*' }, 'ssd'), false],
    ['not a pattern', rack({ kind: 'textNotMatches', pattern: 'r.' }), false],
    ['absent is not a pattern', rack({ kind: 'textNotMatches', pattern: '.*' }, 'ssd'), true],
    ['a name of the prototype is no attribute', rack({ kind: 'exists' }, 'constructor'), false],
  ])('%s', (_name, constraints, expected) => {
    expect(meetsConstraints(AGENT, constraints)).toBe(expected);
  });
});

test('groups are alternatives, a group needs all', () => {
  const zone = {
    selector: { pseudo: 'ZONE' },
    predicate: { kind: 'textEquals', value: 'z1' },
  } as const;
  const host = {
    selector: { pseudo: 'HOSTNAME' },
    predicate: { kind: 'textEquals', value: 'x' },
  } as const;
  expect(meetsConstraints(AGENT, { groups: [[zone, host]] })).toBe(false);
  expect(meetsConstraints(AGENT, { groups: [[host], [zone]] })).toBe(true);
});

test.each<[RoleConstraints, string]>([
  [{ groups: [] }, 'no groups'],
  [{ groups: [[]] }, 'groups[0] is empty'],
  [
    rack({ kind: 'textMatches', pattern: '(?=x)' }),
    'groups[0].attribute_constraints[0]: not a pattern',
  ],
])('%j is refused', (constraints, why) => {
  expect(constraintsFault(constraints)).toContain(why);
});

describe('in an allocation cycle', () => {
  const cycle = (more: Partial<AllocatorFramework>) =>
    allocate(
      {
        agents: ['r1', 'r2'].map((one) => ({
          id: agentId(`on-${one}`),
          total: { cpus: 500, mem: 2 ** 30 },
          revocable: {},
          reservations: [],
          attributes: { rack: one },
          schedulable: true,
          hasGpus: false,
        })),
        roles: [],
        frameworks: [
          {
            id: frameworkId('f'),
            roles: [rolePath('eng')],
            suppressedRoles: [],
            active: true,
            capabilities: { revocable: false, gpu: false },
            ...more,
          },
        ],
        allocations: [],
        filters: [],
      },
      { nowMs: 0, seed: 1, minAllocatable: [], mode: 'mezzo', fairnessExclude: [] },
    );

  test('only agents that meet them are offered, and the reason for the others is known', () => {
    const plan = cycle({ constraints: { eng: rack({ kind: 'textEquals', value: 'r2' }) } });
    expect(plan.offers.map((one) => one.agent)).toEqual(['on-r2']);
    expect(plan.reasons).toMatchObject([{ check: 'ConstraintNotMet', agents: 1 }]);
  });

  test('constraints of another role bind nobody', () => {
    const plan = cycle({ constraints: { ops: rack({ kind: 'notExists' }) } });
    expect(plan.offers).toHaveLength(2);
  });

  test('the smallest offer of the role counts before the others', () => {
    expect(cycle({ minAllocatableByRole: { eng: [{ cpus: 501 }] } }).offers).toEqual([]);
    expect(
      cycle({ minAllocatable: [{ cpus: 501 }], minAllocatableByRole: { eng: [{ cpus: 1 }] } })
        .offers,
    ).toHaveLength(2);
  });
});
