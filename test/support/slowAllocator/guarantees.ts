import { add, capTo, isEmpty, min, subtract } from '../../../operator/src/model/resources.ts';
import type { AgentLedger, Draft } from './agentLedger.ts';
import {
  agentFault,
  type Candidate,
  headroomLeft,
  isAllocatable,
  isRefused,
  visibleDraft,
} from './checks.ts';
import { type Cycle, grant } from './cycle.ts';
import { roomAfter } from './quotaTree.ts';

/**
 * First stage: roles with an unmet guarantee take what they lack from each agent, before anybody else is served.
 *
 * The offer also carries the role's own reservations, revocable capacity, and as much of the rest as limits and the
 * guarantees of others leave. Guarantees are given even when together they exceed the cluster.
 * Source: Mesos `hierarchical.cpp`, first loop of `__generateOffers`.
 */
export function satisfyGuarantees(cycle: Cycle, ledgers: readonly AgentLedger[]): void {
  for (const ledger of ledgers)
    for (const path of cycle.roleSorter.sort()) {
      if (ledger.isExhausted()) break;
      const role = path as Candidate['role'];
      if (isEmpty(cycle.quota.claim(role))) continue;
      for (const id of cycle.frameworkSorters.get(role)?.sort() ?? []) {
        const framework = cycle.frameworks.get(id as Candidate['framework']['id']);
        if (framework === undefined) continue;
        const draft = guaranteedDraft({ cycle, ledger, framework, role });
        if (draft !== undefined) grant(cycle, ledger, framework.id, role, draft);
      }
    }
}

function guaranteedDraft(candidate: Candidate): Draft | undefined {
  const { cycle, role } = candidate;
  if (agentFault(candidate) !== undefined) return undefined;
  const visible = visibleDraft(candidate, 'own');
  if (!isAllocatable(candidate, visible)) return undefined;
  const granted = capTo(
    min(visible.unreserved, cycle.quota.claim(role)),
    cycle.quota.hardRoom(role),
  );
  if (isEmpty(granted)) return undefined;
  const withinLimits = capTo(
    subtract(visible.unreserved, granted),
    roomAfter(cycle.quota.roomBesideGuarantees(role), granted),
  );
  const additional = capTo(withinLimits, headroomLeft(cycle, role, granted));
  const draft = { ...visible, unreserved: add(granted, additional) };
  return isAllocatable(candidate, draft) && !isRefused(candidate, draft) ? draft : undefined;
}
