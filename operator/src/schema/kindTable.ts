import type { z } from 'zod';
import type { ResourceRef } from '../ports/kubeApi.ts';
import { AdhocJob } from './crd/adhocJob.ts';
import { Agent } from './crd/agent.ts';
import { CronJob } from './crd/cronJob.ts';
import { Framework } from './crd/framework.ts';
import { MaintenanceWindow } from './crd/maintenanceWindow.ts';
import { Quota } from './crd/quota.ts';
import { Reservation } from './crd/reservation.ts';
import { Role } from './crd/role.ts';
import { ServiceJob } from './crd/serviceJob.ts';
import {
  ADHOC_JOBS,
  AGENTS,
  CRON_JOBS,
  FRAMEWORKS,
  MAINTENANCE_WINDOWS,
  QUOTAS,
  RESERVATIONS,
  ROLES,
  SERVICE_JOBS,
} from './mezzoKinds.ts';

/** A column of `kubectl get`; `wide` ones appear with `-o wide` only. */
export interface PrinterColumn {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  readonly jsonPath: string;
  readonly description: string;
  readonly wide?: true;
}

/** Everything about a kind that is not a field of its objects. */
export interface KindEntry {
  readonly ref: ResourceRef;
  /** Explicit, so that `kubectl get role`, `quota` and `cronjob` keep meaning the built-in kinds. */
  readonly singular: string;
  readonly shortName: string;
  readonly schema: z.ZodType;
  readonly columns: readonly PrinterColumn[];
  /** Fields that `kubectl get --field-selector` and watches may select on. */
  readonly selectableFields: readonly string[];
  readonly scale?: {
    readonly specReplicasPath: string;
    readonly statusReplicasPath: string;
    readonly labelSelectorPath: string;
  };
}

/** Every kind belongs to this category: `kubectl get mezzo -A`. */
export const CATEGORY = 'mezzo';

const text = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  type: 'string',
  jsonPath,
  description,
});
const count = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  type: 'integer',
  jsonPath,
  description,
});
const decimal = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  type: 'number',
  jsonPath,
  description,
});
const flag = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  type: 'boolean',
  jsonPath,
  description,
});
const date = (name: string, jsonPath: string, description: string): PrinterColumn => ({
  name,
  type: 'date',
  jsonPath,
  description,
});
const wide = (column: PrinterColumn): PrinterColumn => ({ ...column, wide: true });

const condition = (type: string): PrinterColumn =>
  text(
    type,
    `.status.conditions[?(@.type=="${type}")].status`,
    `Status of the condition ${type}: True, False or Unknown.`,
  );
const reason = (type: string): PrinterColumn =>
  wide(
    text(
      'Reason',
      `.status.conditions[?(@.type=="${type}")].reason`,
      `Why the condition ${type} is as it is.`,
    ),
  );
const AGE = date('Age', '.metadata.creationTimestamp', 'Time since the object was created.');

/** Amounts of one ledger figure, CPU and memory side by side. */
const amounts = (title: string, path: string, what: string): readonly PrinterColumn[] => [
  text(`${title} CPU`, `${path}.cpus`, `CPUs ${what}.`),
  text(`${title} Mem`, `${path}.mem`, `Memory ${what}.`),
];

/** The kinds of Mezzo, in the order documents list them. CRDs, references and tests are made from this table. */
export const KIND_TABLE = [
  {
    ref: ROLES,
    singular: 'mezzorole',
    shortName: 'mrole',
    schema: Role,
    selectableFields: ['.spec.path'],
    columns: [
      text('Path', '.spec.path', 'Path of the role in the role tree.'),
      decimal('Weight', '.spec.weight', 'Weight among the siblings of the role.'),
      text('Share', '.status.dominantShare', 'Dominant share of the cluster the role holds.'),
      ...amounts('Allocated', '.status.allocated', 'allocated to tasks of the role and below'),
      ...amounts('Offered', '.status.offered', 'in offers that are not answered yet'),
      ...amounts('Reserved', '.status.reserved', 'reserved to the role and below').map(wide),
      ...amounts('Used', '.status.used', 'those tasks really use').map(wide),
      ...amounts('Guaranteed', '.status.guaranteed', 'kept for the role').map(wide),
      ...amounts('Limit', '.status.limit', 'the role may hold at most').map(wide),
      wide(count('Tasks', '.status.tasks', 'Live tasks of the role and below.')),
      condition('Ready'),
      AGE,
    ],
  },
  {
    ref: QUOTAS,
    singular: 'mezzoquota',
    shortName: 'mquota',
    schema: Quota,
    selectableFields: ['.spec.role'],
    columns: [
      text('Role', '.spec.role', 'Path of the role the quota binds.'),
      ...amounts('Limit', '.spec.limits', 'the role may hold at most'),
      ...amounts('Consumed', '.status.consumed', 'counted against the quota'),
      ...amounts('Guarantee', '.spec.guarantees', 'kept for the role').map(wide),
      ...amounts('Headroom', '.status.headroom', 'left below the limit').map(wide),
      condition('Ready'),
      text(
        'OverCommitted',
        '.status.conditions[?(@.type=="OverCommitted")].status',
        'True while more is consumed than the limit, or guaranteed than the agents can hold.',
      ),
      reason('Ready'),
      AGE,
    ],
  },
  {
    ref: RESERVATIONS,
    singular: 'reservation',
    shortName: 'mres',
    schema: Reservation,
    selectableFields: ['.spec.role', '.spec.agent'],
    columns: [
      text('Role', '.spec.role', 'Role the resources are reserved to.'),
      text('CPU', '.spec.resources.cpus', 'CPUs reserved on each agent.'),
      text('Mem', '.spec.resources.mem', 'Memory reserved on each agent.'),
      count('Agents', '.status.wanted', 'Agents asked for.'),
      count('Bound', '.status.boundCount', 'Agents the reservation is bound on.'),
      ...amounts('Allocated', '.status.allocated', 'of it that tasks hold, on all agents'),
      wide(text('Agent', '.spec.agent', 'The one agent the reservation names.')),
      wide(text('Principal', '.spec.principal', 'Who made the reservation.')),
      wide(text('Expires', '.status.expiresAt', 'When the reservation ends by itself.')),
      condition('Ready'),
      reason('Ready'),
      AGE,
    ],
  },
  {
    ref: SERVICE_JOBS,
    singular: 'servicejob',
    shortName: 'sj',
    schema: ServiceJob,
    selectableFields: ['.spec.role', '.spec.tier'],
    scale: {
      specReplicasPath: '.spec.instances',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
    columns: [
      text('Role', '.spec.role', 'Role that pays for the job.'),
      text('Tier', '.spec.tier', 'Tier of the job.'),
      count('Desired', '.spec.instances', 'Instances asked for.'),
      count('Running', '.status.counts.running', 'Instances running.'),
      count('Pending', '.status.counts.pending', 'Instances waiting for an offer.'),
      count('Updated', '.status.counts.updated', 'Instances of the newest template.'),
      condition('Ready'),
      reason('Ready'),
      wide(count('Priority', '.spec.priority', 'Priority within the role.')),
      wide(text('Update', '.status.update.state', 'State of the current or last update.')),
      wide(text('Image', '.spec.template.image', 'Container image of the task.')),
      wide(text('Why pending', '.status.pending.summary', 'Why instances are pending.')),
      AGE,
    ],
  },
  {
    ref: CRON_JOBS,
    singular: 'mezzocronjob',
    shortName: 'mcron',
    schema: CronJob,
    selectableFields: ['.spec.jobTemplate.spec.role', '.spec.suspend'],
    columns: [
      text('Schedule', '.spec.schedule', 'When runs start.'),
      text('Time zone', '.spec.timeZone', 'Time zone of the schedule.'),
      flag('Suspend', '.spec.suspend', 'True while no run is started.'),
      text('Active', '.status.active', 'Runs under way.'),
      date('Last run', '.status.lastScheduleTime', 'Time since the last scheduled start.'),
      text('Next run', '.status.nextScheduleTime', 'The next scheduled start.'),
      wide(date('Last success', '.status.lastSuccessfulTime', 'Time since a run last succeeded.')),
      wide(count('Missed', '.status.missed', 'Scheduled starts that never happened.')),
      wide(text('Role', '.spec.jobTemplate.spec.role', 'Role that pays for the runs.')),
      condition('Ready'),
      AGE,
    ],
  },
  {
    ref: ADHOC_JOBS,
    singular: 'adhocjob',
    shortName: 'aj',
    schema: AdhocJob,
    selectableFields: ['.spec.role', '.spec.tier'],
    columns: [
      text('Role', '.spec.role', 'Role that pays for the job.'),
      text('Tier', '.spec.tier', 'Tier of the job.'),
      count('Desired', '.spec.instances', 'Instances that must finish.'),
      count('Running', '.status.counts.running', 'Instances running.'),
      count('Pending', '.status.counts.pending', 'Instances waiting for an offer.'),
      count('Finished', '.status.counts.finished', 'Instances that finished.'),
      count('Failures', '.status.failures', 'Failed attempts so far.'),
      condition('Succeeded'),
      reason('Succeeded'),
      wide(count('Priority', '.spec.priority', 'Priority within the role.')),
      wide(text('Image', '.spec.template.image', 'Container image of the task.')),
      wide(text('Why pending', '.status.pending.summary', 'Why instances are pending.')),
      AGE,
    ],
  },
  {
    ref: FRAMEWORKS,
    singular: 'framework',
    shortName: 'mfw',
    schema: Framework,
    selectableFields: ['.spec.principal', '.status.id'],
    columns: [
      text('Roles', '.spec.roles', 'Roles the framework is subscribed to.'),
      flag('Connected', '.status.connected', 'True while its scheduler is connected.'),
      count('Offers', '.status.offers.outstanding', 'Offers in its hands now.'),
      count('Running', '.status.tasks.TASK_RUNNING', 'Its running tasks.'),
      wide(text('Principal', '.spec.principal', 'Identity it subscribed with.')),
      wide(text('Id', '.status.id', 'Framework id.')),
      wide(count('Accepted', '.status.offers.accepted', 'Offers accepted so far.')),
      wide(count('Declined', '.status.offers.declined', 'Offers declined so far.')),
      condition('Ready'),
      AGE,
    ],
  },
  {
    ref: AGENTS,
    singular: 'agent',
    shortName: 'magent',
    schema: Agent,
    selectableFields: ['.spec.mode'],
    columns: [
      text('Mode', '.spec.mode', 'Shared with other Pods, or dedicated to Mezzo.'),
      flag('Frozen', '.spec.freeze', 'True while nothing new is placed here.'),
      ...amounts('Capacity', '.status.capacity', 'Mezzo may give out here'),
      ...amounts('Allocated', '.status.allocated', 'allocated to tasks here'),
      count('Tasks', '.status.tasks', 'Live tasks here.'),
      wide(count('Revocable mCPU', '.status.revocable.cpuMillis', 'Milli-CPUs that may be lent.')),
      wide(text('CPU model', '.status.hardware.cpu.model', 'Model of the CPU.')),
      wide(text('Kernel', '.status.hardware.kernel.release', 'Release of the kernel.')),
      condition('Ready'),
      AGE,
    ],
  },
  {
    ref: MAINTENANCE_WINDOWS,
    singular: 'maintenancewindow',
    shortName: 'mmw',
    schema: MaintenanceWindow,
    selectableFields: ['.spec.mode'],
    columns: [
      text('Mode', '.spec.mode', 'Freeze keeps tasks, Drain moves them.'),
      text('Start', '.spec.start', 'When the window opens.'),
      count('Seconds', '.spec.durationSeconds', 'How long it stays open.'),
      text('Phase', '.status.phase', 'Scheduled, Active or Done.'),
      wide(text('Agents', '.spec.agents', 'Agents named in the window.')),
      condition('Ready'),
      AGE,
    ],
  },
] as const satisfies readonly KindEntry[];
