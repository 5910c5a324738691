import { type QuotaExcess, type RoleConsumption, wouldExceed } from '../../allocator/quotaCheck.ts';
import { tierExcess } from '../../allocator/tierCheck.ts';
import type { AllocatorAgent } from '../../allocator/types.ts';
import type { TaskGroup } from '../../model/job.ts';
import { amountOf, isEmpty, type Resources, shortfall } from '../../model/resources.ts';
import { tierExcessSentence } from '../scheduling/tierGate.ts';
import { brokenConstraint } from './constraints.ts';
import type { PendingReport } from './types.ts';

export interface PendingReportInput {
  readonly group: TaskGroup;
  readonly agents: readonly AllocatorAgent[];
  readonly freeOn: (agent: AllocatorAgent) => {
    readonly resources: Resources;
    readonly revocable: Resources;
  };
  readonly sameJobPerValue: (attribute: string, value: string) => number;
  readonly consumption: RoleConsumption;
  readonly format: (amounts: Resources) => { readonly [name: string]: string };
}

interface Row {
  readonly check: string;
  agents: number;
  nearest?: { readonly agent: string; readonly lacks: Resources; readonly size: number };
}

/**
 * Why instances of a group find no place: each agent is counted under the first check that keeps it back, with the
 * nearest fit of each check.
 * Source: the order of Marathon's offer-match reasons and Aurora's nearest fit.
 */
export function decidePendingReport(input: PendingReportInput): PendingReport {
  const rows = new Map<string, Row>();
  let fitting = 0;
  for (const agent of input.agents) {
    const held = heldBack(agent, input);
    if (held === undefined) fitting += 1;
    else countIn(rows, agent, held);
  }
  const excess = wouldExceed(input.consumption, input.group.role, input.group.resources);
  const ordered = [...rows.values()].toSorted(
    (left, right) => right.agents - left.agents || (left.check < right.check ? -1 : 1),
  );
  const heldBackRows = ordered.slice(0, 16).map((row) => ({
    // Names of extended resources may be longer than the field.
    check: row.check.slice(0, 64),
    agents: row.agents,
    ...(row.nearest === undefined
      ? {}
      : { nearestAgent: row.nearest.agent, shortfall: input.format(row.nearest.lacks) }),
  }));
  const summary = summaryOf(input, ordered, fitting, excess).slice(0, MAX_SUMMARY);
  return { summary, heldBack: heldBackRows };
}

/** As long as `status.pending.summary` may be. */
const MAX_SUMMARY = 2048;

interface HeldBack {
  readonly check: string;
  readonly lacks?: Resources;
}

function heldBack(agent: AllocatorAgent, input: PendingReportInput): HeldBack | undefined {
  if (!agent.schedulable) return { check: agent.unschedulableReason ?? 'AgentUnschedulable' };
  const broken = brokenConstraint(input.group.constraints, agent.attributes, input.sameJobPerValue);
  if (broken !== undefined) return { check: `Constraint:${broken.attribute}` };
  const free = input.freeOn(agent);
  const lacks = shortfall(input.group.resources, free.resources);
  const lacksRevocable = shortfall(input.group.revocable, free.revocable);
  if (!isEmpty(lacks)) return { check: `Insufficient:${Object.keys(lacks)[0]}`, lacks };
  if (!isEmpty(lacksRevocable))
    return {
      check: `InsufficientRevocable:${Object.keys(lacksRevocable)[0]}`,
      lacks: lacksRevocable,
    };
  return undefined;
}

function countIn(rows: Map<string, Row>, agent: AllocatorAgent, held: HeldBack): void {
  const row: Row = rows.get(held.check) ?? { check: held.check, agents: 0 };
  rows.set(held.check, row);
  row.agents += 1;
  if (held.lacks === undefined) return;
  const size = amountOf(held.lacks, 'cpus') + amountOf(held.lacks, 'mem') / 2 ** 20;
  if (row.nearest === undefined || size < row.nearest.size)
    row.nearest = { agent: agent.id, lacks: held.lacks, size };
}

function summaryOf(
  input: PendingReportInput,
  rows: readonly Row[],
  fitting: number,
  excess: QuotaExcess | null,
): string {
  if (excess !== null) {
    const text = (amount: number): string =>
      Object.values(input.format({ [excess.resource]: amount }))[0] ?? '0';
    return `role ${excess.role} is at its limit: ${excess.resource} limit ${text(excess.limit)}, consumed ${text(excess.consumed)}, one instance needs ${text(excess.requested)}; raise the Quota or stop other work of the role`;
  }
  const { consumption, group } = input;
  const overTier = tierExcess(consumption.roles, consumption.tierUse ?? new Map(), group);
  if (overTier !== null) return tierExcessSentence(overTier);
  if (input.agents.length === 0) return 'there are no agents: no node has joined the cluster';
  const first =
    fitting > 0
      ? `${fitting} of ${input.agents.length} agents ${fitting === 1 ? 'has' : 'have'} room; waiting for an offer`
      : input.agents.length === 1
        ? 'the only agent does not fit'
        : `none of ${input.agents.length} agents fits`;
  return [first, ...rows.slice(0, 4).map((row) => sentenceOf(row, input))].join('; ');
}

function sentenceOf(row: Row, input: PendingReportInput): string {
  const sentence = `${row.agents} ${row.agents === 1 ? 'agent' : 'agents'} ${wordsFor(row)}`;
  if (row.nearest === undefined) return sentence;
  const lacks = Object.entries(input.format(row.nearest.lacks))
    .map(([name, amount]) => `${amount} ${name}`)
    .join(', ');
  return `${sentence} (nearest: ${row.nearest.agent}, which lacks ${lacks})`;
}

/** The check of a row in words: of one agent, of several. */
function wordsFor({ check, agents }: Row): string {
  const [kind = '', ...rest] = check.split(':');
  const [one, several] = CHECK_WORDS[kind] ?? [
    `is held back by ${check}`,
    `are held back by ${check}`,
  ];
  return (agents === 1 ? one : several).replace('%', rest.join(':'));
}

const CHECK_WORDS: { readonly [check: string]: readonly [string, string] } = {
  Insufficient: ['has too little % free', 'have too little % free'],
  InsufficientRevocable: ['lends too little revocable %', 'lend too little revocable %'],
  Constraint: ['breaks the constraint on %', 'break the constraint on %'],
  NodeNotReady: ['is not ready', 'are not ready'],
  NodeCordoned: ['is cordoned', 'are cordoned'],
  NodeTainted: ['has a taint that keeps tasks away', 'have taints that keep tasks away'],
  NodeDeleting: ['is being deleted', 'are being deleted'],
  AgentFrozen: ['is frozen (spec.freeze)', 'are frozen (spec.freeze)'],
  InMaintenance: ['is in a maintenance window', 'are in a maintenance window'],
  PodLimitReached: ['runs as many Pods as it may', 'run as many Pods as they may'],
};
