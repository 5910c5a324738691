import { add, amountOf, type Resources, sumOf } from '../model/resources.ts';
import { PoolKind } from './engine/agentTable.ts';
import type { Core } from './engine/core.ts';
import { NONE } from './engine/roleTree.ts';
import type { AgentFacts, Allocation } from './types.ts';

/** What the ledger has wrong of one agent, by what it was told of it; undefined when the sums agree. */
export function faultOnAgent(core: Core, { agent, allocations }: AgentFacts): string | undefined {
  if (agent === undefined) return undefined;
  const { agents, pools, space } = core.ledger;
  const row = agents.find(agent.id);
  if (row === undefined) return `agent ${agent.id} is not in the ledger`;
  const sums = { total: {}, taken: {}, lent: {} } as Record<'total' | 'taken' | 'lent', Sum>;
  for (let pool = agents.firstPool[row] as number; pool !== NONE; ) {
    const isLent = pools.kind[pool] === PoolKind.revocable;
    for (let k = 0; k < space.names.length; k++) {
      const name = space.names[k] as string;
      const total = pools.total.data[pool * space.stride + k] as number;
      const taken = total - (pools.free.data[pool * space.stride + k] as number);
      if (!isLent) credit(sums.total, name, total);
      if (!pools.isShared(pool)) credit(isLent ? sums.lent : sums.taken, name, taken);
    }
    pool = pools.next[pool] as number;
  }
  const isTaken = (one: Allocation): boolean => one.kind !== 'hold';
  const taken = sumOf(allocations.filter(isTaken).map((one) => one.resources));
  const lent = sumOf(allocations.map((one) => one.revocable));
  return (
    difference(`agent ${agent.id}: its total`, sums.total, agent.total) ??
    difference(`agent ${agent.id}: what is taken`, sums.taken, taken) ??
    difference(`agent ${agent.id}: what is lent`, sums.lent, lent)
  );
}

/** Frameworks whose part in the sorters is not the sum of what they were said to have. */
export function faultsOfClients(core: Core, all: Iterable<AgentFacts>): readonly string[] {
  const { ledger } = core;
  const expected = new Map<number, Resources>();
  // Holds and shared volumes are not simply sums.
  const unclear = new Set<number>();
  for (const { allocations } of all)
    for (const one of allocations) {
      const client = core.findClient(one.framework, one.role);
      if (client === undefined) continue;
      if (one.kind === 'hold' || one.volumes !== undefined) unclear.add(client);
      const sum = add(one.resources, one.revocable);
      expected.set(client, add(expected.get(client) ?? {}, sum));
    }
  const faults: string[] = [];
  for (const framework of ledger.frameworks.values())
    for (const [path, client] of framework.clients) {
      if (unclear.has(client)) continue;
      const at = client * ledger.space.stride;
      const is = ledger.space.write(ledger.clients.shares.allocated.data, at);
      const fault = difference(`${framework.id} in ${path}`, is, expected.get(client) ?? {});
      if (fault !== undefined) faults.push(fault);
    }
  return faults;
}

type Sum = { [name: string]: number };

function credit(sum: Sum, name: string, amount: number): void {
  sum[name] = (sum[name] ?? 0) + amount;
}

function difference(what: string, is: Resources, be: Resources): string | undefined {
  for (const name of new Set([...Object.keys(is), ...Object.keys(be)]))
    if (amountOf(is, name) !== amountOf(be, name))
      return `${what}, ${name}: ${amountOf(is, name)}, not ${amountOf(be, name)}`;
  return undefined;
}
