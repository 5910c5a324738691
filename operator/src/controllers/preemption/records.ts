import type { z } from 'zod';
import { agentId, rolePath } from '../../model/ids.ts';
import type { JobKind } from '../../model/job.ts';
import { jobKeyOf } from '../../model/job.ts';
import { subtract, sumOf } from '../../model/resources.ts';
import type { ResourceRef } from '../../ports/kubeApi.ts';
import type { PreemptedRecord, PreemptionRecord } from '../../schema/crd/common.ts';
import {
  ADHOC_JOBS,
  type AdhocJobObject,
  SERVICE_JOBS,
  type ServiceJobObject,
} from '../../schema/mezzoKinds.ts';
import { parseResources } from '../../schema/quantity.ts';
import type { CapacityHold } from '../job/decideMatch.ts';
import { type TaskView, taskViewOf } from '../task/taskView.ts';
import type { World } from '../world.ts';

export type Preemption = z.infer<typeof PreemptionRecord>;
export type Preempted = z.infer<typeof PreemptedRecord>;
export type JobObject = ServiceJobObject | AdhocJobObject;

/** Records kept in one status: the newest, so that the object stays small. */
const KEPT = 10;

const OPEN: ReadonlySet<Preemption['phase']> = new Set(['Intended', 'Evicting', 'Held']);

export const isOpen = (record: Preemption): boolean => OPEN.has(record.phase);

/** The job behind a key, whatever its kind. */
export function findJob(
  world: World,
  jobKey: string,
): { readonly ref: ResourceRef; readonly job: JobObject } | undefined {
  const [kind, namespace = '', name = ''] = jobKey.split('/');
  if (kind === 'ServiceJob') {
    const job = world.serviceJobs.get({ namespace, name });
    return job === undefined ? undefined : { ref: SERVICE_JOBS, job };
  }
  const job = kind === 'AdhocJob' ? world.adhocJobs.get({ namespace, name }) : undefined;
  return job === undefined ? undefined : { ref: ADHOC_JOBS, job };
}

/**
 * Capacity that open preemptions keep for their instances; read from the objects, so it survives a restart.
 * What live victims still use cannot be held yet: the hold grows as they go, and so neither an agent nor a role's limit
 * is ever charged for both.
 */
export function holdsOf(world: World): readonly CapacityHold[] {
  return claimsOf(world).map(({ hold, victims }) => ({
    ...hold,
    resources: subtract(hold.resources, sumOf(victims.map((task) => task.resources))),
  }));
}

/** An open preemption: what it will hold in the end, and the victims that still live. */
export interface Claim {
  readonly hold: CapacityHold;
  readonly victims: readonly TaskView[];
}

/** Open preemptions of all jobs. */
export function claimsOf(world: World): readonly Claim[] {
  return [
    ...world.serviceJobs.list().flatMap((job) => claimsOfJob(world, 'ServiceJob', job)),
    ...world.adhocJobs.list().flatMap((job) => claimsOfJob(world, 'AdhocJob', job)),
  ];
}

const NO_CLAIMS: readonly Claim[] = [];

function claimsOfJob(world: World, kind: JobKind, job: JobObject): readonly Claim[] {
  const { preemptions } = job.status ?? {};
  if (preemptions === undefined || preemptions.length === 0) return NO_CLAIMS;
  return preemptions.filter(isOpen).map((record) => ({
    hold: {
      agent: agentId(record.agent),
      role: rolePath(job.spec.role),
      jobKey: jobKeyOf(kind, job.metadata.namespace ?? '', job.metadata.name),
      instance: record.instance,
      resources: parseResources(record.resources),
    },
    victims: liveVictims(world, record),
  }));
}

/** Victims of a record that still hold resources. */
export function liveVictims(world: World, record: Preemption): readonly TaskView[] {
  return record.victims.flatMap((victim) => {
    const [namespace = '', name = ''] = victim.pod.split('/');
    const pod = world.pods.get({ namespace, name });
    if (pod === undefined || pod.metadata.uid !== victim.uid) return [];
    const task = taskViewOf(pod);
    return task.terminal ? [] : [task];
  });
}

/** The list with `record` added or replaced by id, open ones always kept, ended ones only as far as there is room. */
export function withRecord(
  records: readonly Preemption[] | undefined,
  record: Preemption,
): Preemption[] {
  const others = (records ?? []).filter((one) => one.id !== record.id);
  const all = [...others, record];
  const surplus = all.length - KEPT;
  if (surplus <= 0) return all;
  const dropped = new Set(all.filter((one) => !isOpen(one)).slice(0, surplus));
  return all.filter((one) => !dropped.has(one)).slice(-KEPT);
}

export function withPreempted(
  records: readonly Preempted[] | undefined,
  record: Preempted,
): Preempted[] {
  if (records?.some((one) => one.id === record.id && one.pod === record.pod)) return [...records];
  return [...(records ?? []), record].slice(-KEPT);
}
