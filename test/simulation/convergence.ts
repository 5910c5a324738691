import { LABEL } from '../../operator/src/model/labels.ts';
import type { KubeObject } from '../../operator/src/ports/kubeApi.ts';
import { NODES, PODS } from '../../operator/src/schema/kubeKinds.ts';
import type { Node, Pod } from '../../operator/src/schema/kubeObjects.ts';
import {
  ADHOC_JOBS,
  type AdhocJobObject,
  CRON_JOBS,
  type CronJobObject,
  SERVICE_JOBS,
  type ServiceJobObject,
} from '../../operator/src/schema/mezzoKinds.ts';
import { timestamp } from '../support/fakeApi/objectRules.ts';
import type { FakeApiServer } from '../support/fakeApiServer.ts';
import { CAPPED, FILLER } from './jobs.ts';
import type { Oracle } from './oracles.ts';
import {
  amountsOf,
  isMezzo,
  isTerminal,
  jobUidOf,
  NOTHING,
  plus,
  podKey,
  requestsOf,
  slotOf,
} from './podFacts.ts';
import type { WorkloadOptions } from './workload.ts';

export interface Shortfall {
  readonly oracle: Oracle;
  readonly message: string;
}

/** What is still not as it should be in the end; empty when everything has converged. */
export function shortfalls(
  api: FakeApiServer,
  only: WorkloadOptions['only'],
  cronTargets: ReadonlyMap<string, string>,
): readonly Shortfall[] {
  const pods = [...(api.all(PODS) as Iterable<Pod>)].filter(isMezzo);
  const live = pods.filter((pod) => !isTerminal(pod));
  const services = [...(api.all(SERVICE_JOBS) as Iterable<ServiceJobObject>)];
  const adhocs = [...(api.all(ADHOC_JOBS) as Iterable<AdhocJobObject>)];
  const found = [
    ...stuck([...pods.filter((pod) => !keepsItsName(pod, services)), ...services, ...adhocs]),
    ...services.flatMap((job) => serviceShortfalls(job, live)),
    ...strays(live, [...services, ...adhocs]),
    ...idleRoom(api, services, live),
  ];
  if (only === 'everything') {
    const crons = [...(api.all(CRON_JOBS) as Iterable<CronJobObject>)];
    const observed = [...services, ...adhocs, ...crons];
    found.push(...adhocs.flatMap(adhocShortfalls), ...observed.flatMap(unobserved));
    found.push(...crons.flatMap((cron) => missedRun(cron, cronTargets, api.clock.nowMs())));
  }
  return found;
}

const late = (message: string): Shortfall => ({ oracle: 'convergence', message });

/**
 * The dead Pod of an instance that waits for room is kept on purpose, until its successor exists: so its name stays
 * taken. Only the capped job and the filler have instances that may wait for ever.
 */
function keepsItsName(pod: Pod, services: readonly ServiceJobObject[]): boolean {
  const job = services.find(({ metadata }) => metadata.uid === jobUidOf(pod));
  const { name } = job?.metadata ?? {};
  return isTerminal(pod) && (name === CAPPED.job || name === FILLER.job);
}

function stuck(objects: readonly KubeObject[]): readonly Shortfall[] {
  return objects
    .filter(({ metadata }) => metadata.deletionTimestamp !== undefined)
    .map(({ kind, metadata: { name, finalizers = [], deletionTimestamp } }) => ({
      oracle: 'finalizers' as const,
      message: `${kind} ${name} is being deleted since ${deletionTimestamp}, held by ${finalizers.join(', ') || 'its kubelet'}`,
    }));
}

function serviceShortfalls(job: ServiceJobObject, live: readonly Pod[]): readonly Shortfall[] {
  const { name, uid } = job.metadata;
  if (name === FILLER.job) return [];
  const own = live.filter((pod) => jobUidOf(pod) === uid);
  const running = own.filter(({ status }) => status?.phase === 'Running');
  const asked = job.spec.instances ?? 1;
  const wanted = name === CAPPED.job ? Math.floor(CAPPED.limitMillis / CAPPED.eachMillis) : asked;
  if (running.length !== wanted || own.length !== wanted) {
    return [
      late(
        `ServiceJob ${name}: ${running.length} of ${wanted} instances run, ${own.length} live Pods`,
      ),
    ];
  }
  const old = running.filter(({ spec }) => spec.containers[0]?.image !== job.spec.template.image);
  return old.map((pod) =>
    late(
      `ServiceJob ${name}: ${podKey(pod)} runs ${pod.spec.containers[0]?.image}, not ${job.spec.template.image}`,
    ),
  );
}

/** While the filler waits, no node may have room for one more of it. */
function idleRoom(
  api: FakeApiServer,
  services: readonly ServiceJobObject[],
  live: readonly Pod[],
): readonly Shortfall[] {
  const filler = services.find(({ metadata }) => metadata.name === FILLER.job);
  if (filler === undefined) return [];
  const own = live.filter((pod) => jobUidOf(pod) === filler.metadata.uid);
  if (own.length >= (filler.spec.instances ?? 1)) return [];
  return [...(api.all(NODES) as Iterable<Node>)].flatMap(({ metadata: { name }, status }) => {
    const here = [...(api.all(PODS) as Iterable<Pod>)].filter(
      (pod) => pod.spec.nodeName === name && !isTerminal(pod),
    );
    const taken = here.map(requestsOf).reduce(plus, NOTHING);
    const freeMillis = (amountsOf(status?.allocatable).cpuMillis ?? 0) - taken.cpuMillis;
    if (freeMillis < FILLER.eachMillis) return [];
    return [late(`${name} has ${freeMillis}m cpu free while the filler waits`)];
  });
}

function adhocShortfalls({ metadata, spec, status }: AdhocJobObject): readonly Shortfall[] {
  if (status?.result === undefined)
    return [late(`AdhocJob ${metadata.name} has no result: ${JSON.stringify(status?.counts)}`)];
  const isSure =
    spec.template.env?.some(({ name, value }) => name === 'SIM_EXIT_CODE' && value === '0') ===
    true;
  return isSure && status.result === 'Failed'
    ? [late(`AdhocJob ${metadata.name} failed though each run exits 0`)]
    : [];
}

/** Time an operator may take to start a run once nothing disturbs it. */
const CRON_SLACK_MS = 20_000;

/** The newest target of a cron job (each fires every minute) must have had its run; CancelNew may rightly skip it. */
function missedRun(
  { metadata, spec }: CronJobObject,
  targets: ReadonlyMap<string, string>,
  nowMs: number,
): readonly Shortfall[] {
  if (spec.collisionPolicy === 'CancelNew') return [];
  const targetMs = Math.floor((nowMs - CRON_SLACK_MS) / 60_000) * 60_000;
  if (targetMs <= Date.parse(metadata.creationTimestamp ?? '')) {
    return [late(`CronJob ${metadata.name} has had no target yet`)];
  }
  const target = `${metadata.uid}@${timestamp(targetMs)}`;
  return targets.has(target)
    ? []
    : [late(`CronJob ${metadata.name} has no run for ${timestamp(targetMs)}`)];
}

function strays(
  live: readonly Pod[],
  jobs: readonly (ServiceJobObject | AdhocJobObject)[],
): readonly Shortfall[] {
  const byUid = new Map(jobs.map((job) => [job.metadata.uid, job]));
  return live
    .filter((pod) => {
      const job = byUid.get(jobUidOf(pod));
      return (
        job === undefined ||
        Number(pod.metadata.labels?.[LABEL.instance]) >= (job.spec.instances ?? 1)
      );
    })
    .map((pod) => late(`stray Pod ${podKey(pod)} of ${slotOf(pod) ?? 'no job'}`));
}

function unobserved(object: KubeObject): readonly Shortfall[] {
  const { status, metadata, kind } = object as ServiceJobObject;
  if (status?.observedGeneration === metadata.generation) return [];
  return [
    late(
      `${kind} ${metadata.name}: observedGeneration ${status?.observedGeneration}, generation ${metadata.generation}`,
    ),
  ];
}
