import type { Kubectl } from '../kubectl.ts';

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason?: string;
  readonly message?: string;
}

interface JobObject {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace: string };
  readonly spec: { readonly role?: string; readonly instances?: number };
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly result?: string;
    readonly counts?: Readonly<Record<string, number>>;
    readonly pending?: { readonly summary: string };
    readonly nextScheduleTime?: string;
    readonly connected?: boolean;
  };
}

interface PodObject {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly deletionTimestamp?: string;
  };
  readonly spec: { readonly nodeName?: string };
  readonly status: {
    readonly phase: string;
    readonly podIP?: string;
    readonly containerStatuses?: readonly {
      readonly state?: { readonly waiting?: { readonly reason?: string } };
    }[];
  };
}

export interface Workload {
  readonly jobs: readonly JobObject[];
  readonly pods: readonly PodObject[];
}

const KINDS = 'servicejobs.mezzo.dev,cronjobs.mezzo.dev,adhocjobs.mezzo.dev,frameworks.mezzo.dev';

type Listed = JobObject | (PodObject & { readonly kind: 'Pod' });

export async function readWorkload(kubectl: Kubectl): Promise<Workload> {
  const text = await kubectl(['get', `${KINDS},pods`, '-A', '-o', 'json']);
  const { items } = JSON.parse(text) as { items: readonly Listed[] };
  const jobs = items.filter((item): item is JobObject => item.kind !== 'Pod');
  const pods = items.filter((item): item is PodObject & { kind: 'Pod' } => item.kind === 'Pod');
  const isTask = ({ metadata }: PodObject) =>
    metadata.labels?.['mezzo.dev/framework'] !== undefined;
  return { jobs, pods: pods.filter(isTask) };
}

/** A Pod's state in the words of the task life cycle. */
function taskState(pod: PodObject): string {
  if (pod.metadata.deletionTimestamp !== undefined) return 'KILLING';
  const waiting = pod.status.containerStatuses?.find((status) => status.state?.waiting);
  switch (pod.status.phase) {
    case 'Running':
      return 'RUNNING';
    case 'Succeeded':
      return 'FINISHED';
    case 'Failed':
      return 'FAILED';
    default:
      return waiting?.state?.waiting?.reason ?? 'STARTING';
  }
}

/** Jobs that have not come to run yet, each with the reasons its object gives. */
export function notRunningYet(workload: Workload): readonly string[] {
  return workload.jobs.filter((job) => !isUp(job, workload)).map(explain);
}

function isUp(job: JobObject, workload: Workload): boolean {
  const running = podsOf(job, workload).filter((pod) => taskState(pod) === 'RUNNING').length;
  switch (job.kind) {
    case 'ServiceJob':
      return running >= (job.spec.instances ?? 1);
    case 'AdhocJob':
      return running > 0 || job.status?.result === 'Succeeded';
    case 'CronJob':
      return isTrue(job, 'Ready');
    case 'Framework':
      return running > 0 || isMezzosOwn(job);
    default:
      return true;
  }
}

/** Mezzo's own job scheduler may be listed as a framework; its tasks belong to their jobs. */
const isMezzosOwn = (job: JobObject): boolean => job.status?.connected === undefined;

const isTrue = (job: JobObject, type: string): boolean =>
  job.status?.conditions?.some((one) => one.type === type && one.status === 'True') ?? false;

function explain(job: JobObject): string {
  const conditions = (job.status?.conditions ?? []).filter((one) => one.status !== 'True');
  const reasons = [
    ...conditions.map((one) => `${one.type} is ${one.status} (${one.reason}): ${one.message}`),
    ...(job.status?.pending === undefined ? [] : [`pending: ${job.status.pending.summary}`]),
  ];
  const why = reasons.length > 0 ? reasons.join('; ') : 'its status says nothing yet';
  return `${job.kind} ${job.metadata.namespace}/${job.metadata.name}: ${why}`;
}

function podsOf(job: JobObject, workload: Workload): readonly PodObject[] {
  const { name, namespace } = job.metadata;
  return workload.pods.filter(({ metadata }) => {
    const labels = metadata.labels ?? {};
    if (metadata.namespace !== namespace) return false;
    if (job.kind === 'Framework') {
      return labels['mezzo.dev/job'] === undefined && labels['mezzo.dev/framework'] === name;
    }
    if (job.kind === 'CronJob') return labels['mezzo.dev/cron-job'] === name;
    return labels['mezzo.dev/job-kind'] === job.kind && labels['mezzo.dev/job'] === name;
  });
}

/** A table of jobs with their tasks. */
export function renderTable(workload: Workload): string {
  const rows = [['JOB', 'ROLE', 'STATUS', 'TASK', 'STATE', 'NODE', 'ADDRESS']];
  for (const job of workload.jobs) {
    const tasks = podsOf(job, workload).map((pod) => [
      pod.metadata.name,
      taskState(pod),
      pod.spec.nodeName ?? '-',
      pod.status.podIP ?? '-',
    ]);
    const head = [`${job.kind}/${job.metadata.name}`, job.spec.role ?? '-', summary(job)];
    const [first = ['-', '-', '-', '-'], ...rest] = tasks;
    rows.push([...head, ...first], ...rest.map((task) => ['', '', '', ...task]));
  }
  const widths = rows[0]?.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths?.[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function summary(job: JobObject): string {
  if (job.status?.result !== undefined) return job.status.result;
  if (job.status?.connected !== undefined) {
    return job.status.connected ? 'connected' : 'disconnected';
  }
  if (isTrue(job, 'Ready')) return 'Ready';
  const first = job.status?.conditions?.find((one) => one.status !== 'True');
  return first?.reason ?? 'unknown';
}
