import { comparePaths } from '../../../operator/src/allocator/rolePaths.ts';
import {
  type AllocatorFramework,
  type HeldBack,
  HOLD_BACK_CHECKS,
} from '../../../operator/src/allocator/types.ts';
import type { AgentId, RolePath } from '../../../operator/src/model/ids.ts';
import { isEmpty, type Resources, sumOf } from '../../../operator/src/model/resources.ts';
import type { Verdict } from './checks.ts';
import { type Cycle, offerKey } from './cycle.ts';

interface Cause {
  readonly framework: AllocatorFramework;
  readonly role: RolePath;
  readonly check: HeldBack['check'];
  readonly agents: AgentId[];
  nearest?: { readonly agent: AgentId; readonly shortfall: Resources };
}

/** Collects, for every framework and role, which check held back how many agents. */
export class Funnel {
  private readonly causes = new Map<string, Cause>();

  note(
    framework: AllocatorFramework,
    role: RolePath,
    agent: AgentId,
    verdict: Extract<Verdict, { fit: false }>,
  ): void {
    const key = `${framework.id}\n${role}\n${verdict.check}`;
    const cause = this.causes.get(key) ?? { framework, role, check: verdict.check, agents: [] };
    this.causes.set(key, cause);
    cause.agents.push(agent);
    const missing = verdict.shortfall;
    if (missing === undefined || isEmpty(missing)) return;
    if (cause.nearest === undefined || isNearer(agent, missing, cause.nearest))
      cause.nearest = { agent, shortfall: missing };
  }

  /** Reasons by framework, role and order of the checks; agents that were offered after all are not counted. */
  reasons(cycle: Cycle): readonly HeldBack[] {
    const held: HeldBack[] = [...frameworkFaults(cycle)];
    for (const cause of this.causes.values()) {
      const { framework, role, check, nearest } = cause;
      const agents = cause.agents.filter(
        (agent) => !cycle.offers.has(offerKey(framework.id, role, agent)),
      ).length;
      if (agents === 0) continue;
      held.push({
        framework: framework.id,
        role,
        check,
        agents,
        ...(nearest === undefined ? {} : { nearest }),
      });
    }
    return held.toSorted(
      (left, right) =>
        comparePaths(left.framework, right.framework) ||
        comparePaths(left.role, right.role) ||
        HOLD_BACK_CHECKS.indexOf(left.check) - HOLD_BACK_CHECKS.indexOf(right.check),
    );
  }
}

/** Frameworks that are in no sort at all: every agent is held back from them. */
function frameworkFaults(cycle: Cycle): readonly HeldBack[] {
  const agents = cycle.ledgers.length;
  if (agents === 0) return [];
  return cycle.snapshot.frameworks.flatMap((framework) =>
    framework.roles.flatMap((role): HeldBack[] => {
      if (!framework.active)
        return [{ framework: framework.id, role, check: 'FrameworkInactive', agents }];
      if (framework.suppressedRoles.includes(role))
        return [{ framework: framework.id, role, check: 'RoleSuppressed', agents }];
      return [];
    }),
  );
}

function isNearer(
  agent: AgentId,
  missing: Resources,
  than: { readonly agent: AgentId; readonly shortfall: Resources },
): boolean {
  const names = Object.keys(sumOf([missing, than.shortfall])).toSorted(comparePaths);
  for (const name of names) {
    const difference = (missing[name] ?? 0) - (than.shortfall[name] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return agent < than.agent;
}
