import { consumptionOf } from '../../allocator/quotaCheck.ts';
import type { AllocatorAgent } from '../../allocator/types.ts';
import { shortHash, stableJson } from '../../model/hash.ts';
import { rolePath } from '../../model/ids.ts';
import { type JobKind, jobKeyOf, type TaskGroup } from '../../model/job.ts';
import { amountOf, resources, subtract, sumOf } from '../../model/resources.ts';
import type { KubeObject } from '../../ports/kubeApi.ts';
import type { AdhocJobObject, ServiceJobObject } from '../../schema/mezzoKinds.ts';
import { formatResources, parseQuantity, parseResources } from '../../schema/quantity.ts';
import { DEFAULT_ROLE, type RoleTable, roleTableOf } from '../role/roleTable.ts';
import { attributesOf } from '../scheduling/agents.ts';
import { reservedForOthers } from '../scheduling/reservedForOthers.ts';
import type { GatheredSnapshot } from '../scheduling/snapshot.ts';
import { isoTime } from '../shared/conditions.ts';
import { type TaskView, taskViewOf, timeOf } from '../task/taskView.ts';
import type { World } from '../world.ts';
import { decidePendingReport } from './decidePendingReport.ts';
import type { JobFacts, JobFault, PendingReport } from './types.ts';

type JobObject = ServiceJobObject | AdhocJobObject;

export interface GatherOptions {
  readonly world: World;
  readonly snapshot: () => GatheredSnapshot;
  readonly rejectionOf: (jobKey: string) => JobFault | undefined;
  readonly nowMs: number;
  readonly retentionMs: number;
}

/** Reads everything the decision about one job needs. */
export function gatherJob<T extends JobObject>(
  kind: JobKind,
  object: T,
  options: GatherOptions,
): JobFacts<T['spec'], NonNullable<T['status']>> {
  const group = groupOf(kind, object);
  const tasks = tasksOf(options.world, group.jobUid);
  const status = (object.status ?? {}) as NonNullable<T['status']>;
  const roles = roleTableOf(options.world.roles.list(), options.world.quotas.list());
  const fault = jobFault(object, group, roles);
  const hasEnded = 'result' in status;
  const mayWait =
    fault === undefined &&
    !hasEnded &&
    tasks.filter((task) => !task.terminal).length < (object.spec.instances ?? 1);
  return {
    kind,
    key: group.jobKey,
    namespace: object.metadata.namespace ?? '',
    name: object.metadata.name,
    uid: group.jobUid,
    uidHash: shortHash(group.jobUid),
    generation: object.metadata.generation ?? 0,
    stopping: object.metadata.deletionTimestamp !== undefined,
    spec: object.spec,
    status,
    group,
    templateHash: templateHashOf(object),
    tasks,
    fault,
    rejection: options.rejectionOf(group.jobKey),
    pendingReport: mayWait ? reportOf(group, tasks, options) : undefined,
    pendingSinceMs: timeOf(status.pending?.since) ?? options.nowMs,
    nowMs: options.nowMs,
    isoOf: isoTime,
    parseTime: (iso) => Date.parse(iso),
    retentionMs: options.retentionMs,
  };
}

export function tasksOf(world: World, jobUid: string): readonly TaskView[] {
  return world.pods.byIndex('jobUid', jobUid).map(taskViewOf);
}

/** Needs of one instance: a revocable task borrows its CPU and owns its memory. */
export function groupOf(
  kind: JobKind,
  object: KubeObject & { readonly spec: JobObject['spec'] },
): TaskGroup {
  const tier = object.spec.tier ?? 'preemptible';
  const wanted = parseResources(object.spec.template.resources);
  const { cpus, ...others } = wanted;
  const split =
    tier === 'revocable'
      ? { resources: resources(others), revocable: resources({ cpus }) }
      : { resources: wanted, revocable: {} };
  return {
    jobKey: jobKeyOf(kind, object.metadata.namespace ?? '', object.metadata.name),
    jobUid: object.metadata.uid ?? '',
    role: rolePath(object.spec.role),
    tier,
    priority: object.spec.priority ?? 0,
    ...split,
    constraints: object.spec.constraints ?? [],
  };
}

/** Changes when what an instance is or where it may run changes; scaling does not. */
export function templateHashOf({ spec }: { readonly spec: JobObject['spec'] }): string {
  const { template, tier, constraints } = spec;
  const hash =
    templateHashes.get(spec) ?? shortHash(stableJson({ template, tier, constraints }), 10);
  templateHashes.set(spec, hash);
  return hash;
}

const templateHashes = new WeakMap<JobObject['spec'], string>();

/** The first reason why the job cannot run as written. */
export function jobFault(
  object: JobObject,
  group: TaskGroup,
  roles: RoleTable,
): JobFault | undefined {
  const role = roles.roleOf.get(group.role);
  if (role === undefined && group.role !== DEFAULT_ROLE) {
    const known = [...roles.roleOf.keys()].slice(0, 8).join(', ');
    return {
      reason: 'RoleNotFound',
      message: `spec.role \`${group.role}\` does not exist; create a Role object with spec.path \`${group.role}\`${known === '' ? '' : `, or use one of: ${known}`}`,
    };
  }
  const namespace = object.metadata.namespace ?? '';
  const { namespaces, tiers } = role?.spec ?? {};
  if (namespaces !== undefined && namespaces.length > 0 && !namespaces.includes(namespace)) {
    return {
      reason: 'NamespaceNotAllowed',
      message: `role \`${group.role}\` may not be used from namespace ${namespace}; its spec.namespaces allows: ${namespaces.slice(0, 8).join(', ')}`,
    };
  }
  if (tiers !== undefined && tiers.length > 0 && !tiers.includes(group.tier)) {
    return {
      reason: 'TierNotAllowed',
      message: `spec.tier \`${group.tier}\` is not allowed in role \`${group.role}\`; its spec.tiers allows: ${tiers.join(', ')}`,
    };
  }
  return unreadableAmount(object) ?? overLimit(group, roles);
}

/** An amount too large to count would count as none. */
function unreadableAmount(object: JobObject): JobFault | undefined {
  for (const [name, text] of Object.entries(object.spec.template.resources)) {
    if (parseQuantity(name, text) !== undefined) continue;
    return {
      reason: 'InvalidQuantity',
      message: `spec.template.resources.${name}: \`${text}\` is not an amount that can be counted; write one such as 500m, 2 or 512Mi`,
    };
  }
  return undefined;
}

/** One instance that is larger than a limit of its role (or of a role above) can never run. */
function overLimit(group: TaskGroup, roles: RoleTable): JobFault | undefined {
  for (const spec of roles.specs) {
    if (group.role !== spec.path && !group.role.startsWith(`${spec.path}/`)) continue;
    for (const name in spec.limits) {
      const limit = amountOf(spec.limits, name);
      const needed = amountOf(group.resources, name);
      if (needed <= limit) continue;
      const text = (amount: number): string => formatResources({ [name]: amount })[name] ?? '';
      return {
        reason: 'QuotaExceeded',
        message: `spec.template.resources.${name}: one instance needs ${text(needed)}, the limit of role \`${spec.path}\` is ${text(limit)}; lower it or raise the Quota`,
      };
    }
  }
  return undefined;
}

function reportOf(
  group: TaskGroup,
  tasks: readonly TaskView[],
  options: GatherOptions,
): PendingReport {
  const { snapshot } = options.snapshot();
  const taken = Map.groupBy(
    snapshot.allocations.filter((one) => one.kind !== 'offer'),
    (one) => one.agent,
  );
  const freeOn = (agent: AllocatorAgent) => {
    const here = taken.get(agent.id) ?? [];
    const free = subtract(agent.total, sumOf(here.map((one) => one.resources)));
    return {
      resources: subtract(free, reservedForOthers(agent, group.role, here)),
      revocable: subtract(agent.revocable, sumOf(here.map((one) => one.revocable))),
    };
  };
  const live = tasks.filter((task) => !task.terminal);
  const valueOn = (agent: string, attribute: string): string | undefined => {
    const node = options.world.nodes.get({ name: agent });
    return node === undefined
      ? undefined
      : attributesOf(node, options.world.agents.get({ name: agent }))[attribute];
  };
  return decidePendingReport({
    group,
    agents: snapshot.agents,
    freeOn,
    sameJobPerValue: (attribute, value) =>
      live.filter((task) => valueOn(task.agent, attribute) === value).length,
    consumption: consumptionOf({
      ...snapshot,
      allocations: snapshot.allocations.filter((one) => one.kind !== 'offer'),
    }),
    format: formatResources,
  });
}
