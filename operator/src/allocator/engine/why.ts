import type { AgentId } from '../../model/ids.ts';
import { type Resources, shortfall } from '../../model/resources.ts';
import { comparePaths } from '../rolePaths.ts';
import { HOLD_BACK_CHECKS } from '../types.ts';
import { type AgentInfo, Need } from './agentTable.ts';
import type { FrameworkRecord } from './clientTable.ts';
import type { Core } from './core.ts';
import type { EngineCheck, EngineHeldBack } from './types.ts';

interface Cause {
  agents: number;
  nearest: { readonly agent: AgentId; readonly shortfall: Resources } | undefined;
}

/** Faults in the order in which they are looked for; an agent is counted under its first. */
const ORDER: readonly EngineCheck[] = [
  'FrameworkInactive',
  'RoleSuppressed',
  'BackedOff',
  'HoardingOffers',
  'AgentUnschedulable',
  'AgentNotListed',
  'AgentLacksCapability',
  'RemoteRegion',
  'GpuAgentHidden',
  'ConstraintNotMet',
  ...HOLD_BACK_CHECKS,
  'NotInLastRun',
].filter((check, at, all) => all.indexOf(check) === at) as readonly EngineCheck[];

/**
 * Why a framework was offered nothing in a role, agent by agent, by the state the last run left behind.
 *
 * Agents that the last run did offer are not counted. Costs one look at every agent when asked, nothing before.
 */
export function whyNot(core: Core, id: string, path: string): readonly EngineHeldBack[] {
  const { agents } = core.ledger;
  const client = core.findClient(id, path);
  if (client === undefined) return [];
  const causes = new Map<EngineCheck, Cause>();
  for (const agent of agents.inOrder()) {
    if (core.cycle.book.has(client, agent)) continue;
    const { check, missing } = faultOf(core, client, agent);
    const cause = causes.get(check) ?? { agents: 0, nearest: undefined };
    causes.set(check, cause);
    cause.agents++;
    if (missing === undefined || Object.keys(missing).length === 0) continue;
    if (cause.nearest === undefined || isNearer(missing, cause.nearest.shortfall))
      cause.nearest = { agent: agents.ids[agent] as AgentId, shortfall: missing };
  }
  return ORDER.flatMap((check) => {
    const cause = causes.get(check);
    if (cause === undefined) return [];
    const nearest = cause.nearest === undefined ? {} : { nearest: cause.nearest };
    return [{ check, agents: cause.agents, ...nearest }];
  });
}

function faultOf(
  core: Core,
  client: number,
  agent: number,
): { readonly check: EngineCheck; readonly missing?: Resources } {
  const fault = clientFault(core, client) ?? agentFault(core, client, agent);
  return fault === undefined ? amountFault(core, client, agent) : { check: fault };
}

function clientFault(core: Core, client: number): EngineCheck | undefined {
  const { clients, roles } = core.ledger;
  const framework = clients.framework[client] as FrameworkRecord;
  if (!framework.active) return 'FrameworkInactive';
  if (framework.suppressed.has(roles.paths[clients.role[client] as number] as string))
    return 'RoleSuppressed';
  if (framework.backedOffUntilMs > core.nowMs) return 'BackedOff';
  return core.cycle.hoarding[client] === 1 ? 'HoardingOffers' : undefined;
}

function agentFault(core: Core, client: number, agent: number): EngineCheck | undefined {
  const { agents, clients } = core.ledger;
  const info = agents.info[agent] as AgentInfo;
  if (!info.schedulable) return 'AgentUnschedulable';
  if (!info.listed) return 'AgentNotListed';
  const lacks = (agents.needs[agent] as number) & ~(clients.handles[client] as number);
  if ((lacks & (Need.singleRole | Need.topLevelRole)) !== 0) return 'AgentLacksCapability';
  if ((lacks & Need.remoteRegion) !== 0) return 'RemoteRegion';
  if ((lacks & Need.gpu) !== 0) return 'GpuAgentHidden';
  return core.cycle.isVisible(client, agent) ? undefined : 'ConstraintNotMet';
}

function amountFault(
  core: Core,
  client: number,
  agent: number,
): { readonly check: EngineCheck; readonly missing?: Resources } {
  const { cycle, ledger } = core;
  const { clients, quota } = ledger;
  const { draft } = cycle;
  const minimum = clients.minimum[client] as number;
  draft.gather(client, agent, 'own and ancestors');
  if (draft.pieces.isEmpty()) return { check: 'NothingFree' };
  const missing = (): Resources => missingFor(core, minimum);
  if (!cycle.accepts(minimum)) return { check: 'BelowMinAllocatable', missing: missing() };
  const role = clients.role[client] as number;
  if (quota.limited.size > 0) cycle.capToRoom(role);
  cycle.capToTiers(client);
  if (!cycle.accepts(minimum)) return { check: 'LimitReached', missing: missing() };
  if (quota.guaranteed.size > 0) cycle.capToHeadroom(role);
  if (!cycle.accepts(minimum)) return { check: 'HeldForGuarantees', missing: missing() };
  if (cycle.isRefused(client, agent)) return { check: 'RefusedByFilter' };
  // It could be offered now: the last run came too early for it, or did not look at the agent.
  return { check: quota.guaranteed.size > 0 ? 'HeldForGuarantees' : 'NotInLastRun' };
}

/** What the draft lacks for the set that it comes nearest to. */
function missingFor(core: Core, minimum: number): Resources {
  const { space, minimums } = core.ledger;
  const have = space.write(core.cycle.draft.sum.data, 0);
  const [nearest] = minimums
    .sets(minimum)
    .toSorted((left, right) => shortfallPpm(left, have) - shortfallPpm(right, have));
  return nearest === undefined ? {} : shortfall(nearest, have);
}

/** Total over names of how far `have` falls short of `want`, in parts per million of `want`. */
function shortfallPpm(want: Resources, have: Resources): number {
  let ppm = 0;
  for (const name in want) {
    const wanted = want[name] ?? 0;
    const missing = wanted - (have[name] ?? 0);
    if (missing > 0) ppm += Math.ceil((missing / wanted) * 1_000_000);
  }
  return ppm;
}

/** Agents come in order of id, so only a smaller shortfall is nearer. */
function isNearer(missing: Resources, than: Resources): boolean {
  const names = [...new Set([...Object.keys(missing), ...Object.keys(than)])].sort(comparePaths);
  for (const name of names) {
    const difference = (missing[name] ?? 0) - (than[name] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
