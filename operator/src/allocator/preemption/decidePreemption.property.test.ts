import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import { agentId, offerId, rolePath } from '../../model/ids.ts';
import { add, fits, resources, shortfall, subtract, sumOf } from '../../model/resources.ts';
import { decidePreemption } from './decidePreemption.ts';
import { reclaimedFrom, ruleFor, TIER_RANK } from './rules.ts';
import type {
  PreemptionAgent,
  PreemptionCandidate,
  PreemptionInput,
  RunningTask,
} from './types.ts';

const AGENTS = ['A1', 'A2'].map(agentId);
const ROLES = ['eng', 'eng/web', 'batch'].map(rolePath);
const tiers = fc.constantFrom('production' as const, 'preemptible' as const, 'revocable' as const);
const amounts = (most: number) =>
  fc.record({ cpus: fc.nat(most), mem: fc.nat(most) }).map(resources);

const candidates: fc.Arbitrary<PreemptionCandidate> = fc.record({
  jobKey: fc.constantFrom('j0', 'j1'),
  instance: fc.constant(0),
  role: fc.constantFrom(...ROLES),
  tier: tiers,
  priority: fc.nat(2),
  resources: amounts(8),
});

const tasks: fc.Arbitrary<readonly RunningTask[]> = fc
  .array(
    fc.record({
      agent: fc.constantFrom(...AGENTS),
      role: fc.constantFrom(...ROLES),
      tier: tiers,
      priority: fc.nat(2),
      resources: amounts(4),
      revocable: amounts(2),
      startedAtMs: fc.nat(2),
      jobKey: fc.constantFrom('j1', 'j2', 'j3'),
      terminating: fc.nat(7).map((eighth) => eighth === 0),
    }),
    { maxLength: 9 },
  )
  .map((list) => list.map((one, index) => ({ ...one, podKey: `t${index}`, uid: `u${index}` })));

const agents: fc.Arbitrary<readonly PreemptionAgent[]> = fc.tuple(
  ...AGENTS.map((id) =>
    fc.record({
      id: fc.constant(id),
      total: fc.constant({ cpus: 8, mem: 8 }),
      free: amounts(2),
      heldForOthers: fc.oneof(fc.constant({}), amounts(1)),
      rescindable: fc.array(amounts(2), { maxLength: 2 }).map((list) =>
        list.map((one, index) => ({
          offer: offerId(`${id}-${index}`),
          role: rolePath('x'),
          resources: one,
        })),
      ),
    }),
  ),
);

const inputs: fc.Arbitrary<PreemptionInput> = fc
  .record({
    candidate: candidates,
    agents,
    tasks,
    limit: fc.option(fc.integer({ min: 0, max: 12 }), { nil: undefined }),
    base: fc.nat(3),
  })
  .map(({ candidate, agents: some, tasks: running, limit, base }) => ({
    candidate,
    agents: some,
    tasks: running,
    quota: {
      roles:
        limit === undefined
          ? []
          : [{ path: rolePath('eng'), weightMilli: 1000, guarantees: {}, limits: { cpus: limit } }],
      consumed: new Map([
        [
          'eng',
          add(
            { cpus: base },
            sumOf(running.filter((one) => one.role.startsWith('eng')).map((one) => one.resources)),
          ),
        ],
      ]),
    },
  }));

/** All of the rules again, as plainly as possible: every subset on every agent. */
function bestByBruteForce(input: PreemptionInput): readonly string[] | undefined {
  let best:
    | { readonly cost: readonly (number | string)[]; readonly names: readonly string[] }
    | undefined;
  for (const agent of input.agents) {
    const here = input.tasks.filter((one) => one.agent === agent.id);
    const eligible = here.filter((one) => ruleFor(input.candidate, one) !== undefined);
    for (let mask = 1; mask < 2 ** eligible.length; mask++) {
      const chosen = eligible.filter((_one, index) => (mask >> index) % 2 === 1);
      if (chosen.length > 8 || !works(input, agent, chosen)) continue;
      const cost = costOf(input, agent, chosen);
      if (best === undefined || isLess(cost, best.cost))
        best = { cost, names: chosen.map((one) => one.podKey).toSorted() };
    }
  }
  return best?.names;
}

function available(input: PreemptionInput, agent: PreemptionAgent, chosen: readonly RunningTask[]) {
  const ending = input.tasks.filter((one) => one.agent === agent.id && one.terminating);
  return subtract(
    sumOf([
      agent.free,
      ...agent.rescindable.map((one) => one.resources),
      ...[...ending, ...chosen].map((one) => reclaimedFrom(input.candidate, one)),
    ]),
    agent.heldForOthers,
  );
}

function works(
  input: PreemptionInput,
  agent: PreemptionAgent,
  chosen: readonly RunningTask[],
): boolean {
  const need = input.candidate.resources;
  if (!fits(need, agent.total) || !fits(need, available(input, agent, chosen))) return false;
  const limit = input.quota.roles[0]?.limits['cpus'];
  if (limit === undefined || !input.candidate.role.startsWith('eng') || need['cpus'] === undefined)
    return true;
  const going = input.tasks.filter(
    (one) =>
      one.agent === agent.id &&
      one.role.startsWith('eng') &&
      (one.terminating || chosen.includes(one)),
  );
  const consumed = input.quota.consumed.get('eng')?.['cpus'] ?? 0;
  const given = sumOf(going.map((one) => one.resources))['cpus'] ?? 0;
  return consumed - given + need['cpus'] <= limit;
}

function costOf(
  input: PreemptionInput,
  agent: PreemptionAgent,
  chosen: readonly RunningTask[],
): readonly (number | string)[] {
  const descending = (numbers: readonly number[]) => numbers.toSorted((a, b) => b - a);
  const heldToo = Object.entries(agent.heldForOthers).filter(
    ([name]) => (input.candidate.resources[name] ?? 0) > 0,
  );
  const demand = add(input.candidate.resources, Object.fromEntries(heldToo));
  const unheld = { ...agent, heldForOthers: {} };
  const deficit = shortfall(demand, available(input, unheld, []));
  const surplus = subtract(
    sumOf(chosen.map((one) => reclaimedFrom(input.candidate, one))),
    deficit,
  );
  const ppm = Object.entries(surplus).map(([name, amount]) =>
    Math.floor((amount * 1_000_000) / (agent.total[name] ?? 1)),
  );
  return [
    chosen.length,
    ...descending(chosen.map((one) => TIER_RANK[one.tier] * 1000 + one.priority)),
    ...descending(chosen.map((one) => -one.startedAtMs)),
    ppm.reduce((sum, one) => sum + one, 0),
    agent.id,
    chosen
      .map((one) => one.podKey)
      .toSorted()
      .join('\n'),
  ];
}

function isLess(left: readonly (number | string)[], right: readonly (number | string)[]): boolean {
  for (const [index, value] of left.entries()) {
    const other = right[index] ?? '';
    if (value !== other) return value < other;
  }
  return false;
}

describe('decidePreemption', () => {
  test('finds the least damaging victims, as every-subset search does', () => {
    let compared = 0;
    fc.assert(
      fc.property(inputs, (input) => {
        const decision = decidePreemption(input);
        const isPatient =
          decision.kind === 'none' &&
          decision.reasons.some((one) =>
            ['FitsWithoutPreemption', 'PendingRelease', 'RevocableCandidate'].includes(one.check),
          );
        if (isPatient) return;
        const expected = bestByBruteForce(input);
        if (decision.kind === 'none') {
          expect(expected).toBeUndefined();
          return;
        }
        if (decision.victims.length === 0) return;
        compared++;
        expect(decision.victims.map((one) => one.podKey)).toEqual(expected);
      }),
      { numRuns: 1500 },
    );
    expect(compared).toBeGreaterThan(30);
  });

  test('what a plan takes is enough, and every part of it is needed', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const plan = decidePreemption(input);
        if (plan.kind === 'none') return;
        const agent = input.agents.find((one) => one.id === plan.agent);
        if (agent === undefined) throw new Error('the plan names an agent that was not given');
        const taken = agent.rescindable.filter((one) => plan.rescind.includes(one.offer));
        const after = { ...agent, rescindable: taken };
        // Taking offers back is done only where it is enough at once, without tasks that are still ending.
        const isAtOnce = plan.victims.length === 0;
        const counted = isAtOnce
          ? { ...input, tasks: input.tasks.filter((one) => !one.terminating) }
          : input;
        expect(works(counted, after, plan.victims)).toBe(true);
        for (const victim of plan.victims)
          expect(
            works(
              counted,
              after,
              plan.victims.filter((one) => one !== victim),
            ),
          ).toBe(false);
        for (const offer of taken) {
          const without = { ...after, rescindable: taken.filter((one) => one !== offer) };
          expect(works(counted, without, plan.victims)).toBe(false);
        }
      }),
      { numRuns: 700 },
    );
  });

  test('no preemption ever goes sideways or up, so no chain of them is a loop', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const plan = decidePreemption(input);
        if (plan.kind === 'none') return;
        const rankOf = (one: { tier: RunningTask['tier']; priority: number }) =>
          TIER_RANK[one.tier] * 1000 + one.priority;
        for (const victim of plan.victims)
          expect(rankOf(victim)).toBeLessThan(rankOf(input.candidate));
      }),
      { numRuns: 700 },
    );
  });

  test('the order of agents and tasks does not matter', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const turned = {
          ...input,
          agents: input.agents.toReversed(),
          tasks: input.tasks.toReversed(),
        };
        expect(decidePreemption(turned)).toEqual(decidePreemption(input));
      }),
      { numRuns: 500 },
    );
  });
});
