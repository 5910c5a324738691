import type { AgentLedger } from './agentLedger.ts';
import { type Candidate, judge } from './checks.ts';
import { type Cycle, grant } from './cycle.ts';
import type { Funnel } from './funnel.ts';

/**
 * Second stage: what is left on each agent goes to roles and frameworks in order of their shares, within limits and
 * beside what unmet guarantees keep. The first that is eligible takes all it may.
 * Source: Mesos `hierarchical.cpp`, second loop of `__generateOffers`.
 */
export function offerRest(cycle: Cycle, ledgers: readonly AgentLedger[], funnel: Funnel): void {
  for (const ledger of ledgers)
    for (const path of cycle.roleSorter.sort()) {
      const role = path as Candidate['role'];
      for (const id of cycle.frameworkSorters.get(role)?.sort() ?? []) {
        const framework = cycle.frameworks.get(id as Candidate['framework']['id']);
        if (framework === undefined) continue;
        const verdict = judge({ cycle, ledger, framework, role });
        if (verdict.fit) grant(cycle, ledger, framework.id, role, verdict.draft);
        else funnel.note(framework, role, ledger.agent.id, verdict);
      }
    }
}
