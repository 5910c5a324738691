import { type QuotaExcess, type RoleConsumption, wouldExceed } from '../../allocator/quotaCheck.ts';
import type { AllocatorAgent } from '../../allocator/types.ts';
import type { TaskGroup } from '../../model/job.ts';
import { amountOf, isEmpty, type Resources, shortfall } from '../../model/resources.ts';
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
    check: row.check,
    agents: row.agents,
    ...(row.nearest === undefined
      ? {}
      : { nearestAgent: row.nearest.agent, shortfall: input.format(row.nearest.lacks) }),
  }));
  return { summary: summaryOf(input, ordered, fitting, excess), heldBack: heldBackRows };
}

interface HeldBack {
  readonly check: string;
  readonly lacks?: Resources;
}

function heldBack(agent: AllocatorAgent, input: PendingReportInput): HeldBack | undefined {
  if (!agent.schedulable) return { check: agent.unschedulableReason ?? 'AgentUnschedulable' };
  const broken = brokenConstraint(input.group.constraints, agent.attributes, input.sameJobPerValue);
  if (broken !== undefined) return { check: `Constraint:${broken.attribute}`.slice(0, 64) };
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
  if (input.agents.length === 0) return 'there are no agents: no node has joined the cluster';
  const parts = rows.slice(0, 4).map((row) => sentenceOf(row, input));
  if (fitting > 0)
    parts.unshift(`${fitting} of ${input.agents.length} agents have room; waiting for an offer`);
  else parts.unshift(`none of ${input.agents.length} agents fits`);
  return parts.join('; ');
}

function sentenceOf(row: Row, input: PendingReportInput): string {
  const agents = row.agents === 1 ? '1 agent' : `${row.agents} agents`;
  if (row.nearest === undefined) return `${agents}: ${row.check}`;
  const lacks = Object.entries(input.format(row.nearest.lacks))
    .map(([name, amount]) => `${name} ${amount}`)
    .join(', ');
  return `${agents}: ${row.check}, nearest ${row.nearest.agent} lacks ${lacks}`;
}
