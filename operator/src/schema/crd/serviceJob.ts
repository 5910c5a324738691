import { z } from 'zod';
import {
  bornUnobserved,
  Constraints,
  PendingExplanation,
  Preempted,
  Preemptions,
  StatusBase,
  TaskTemplate,
} from './common.ts';
import { count, jobName, RolePathField, roleIsImmutable, seconds, text, time } from './fields.ts';
import { instancePriority, jobTier, revocableRules } from './jobFields.ts';
import { kube } from './kubeMeta.ts';

const Update = z.object({
  batchSize: z
    .int()
    .min(1)
    .max(1000)
    .optional()
    .meta(kube({ description: 'Instances replaced at the same time.', default: 1 })),
  watchSeconds: seconds(
    0,
    86400,
    'Time a replaced instance must stay healthy before it counts as updated.',
  )
    .optional()
    .meta(kube({ default: 10 })),
  maxPerInstanceFailures: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .meta(kube({ description: 'Failures of one new instance that are forgiven.', default: 0 })),
  maxFailedInstances: z
    .int()
    .min(0)
    .max(10000)
    .optional()
    .meta(
      kube({ description: 'Failed instances the update survives; one more fails it.', default: 0 }),
    ),
  rollbackOnFailure: z
    .boolean()
    .optional()
    .meta(
      kube({ description: 'A failed update returns to the template before it.', default: true }),
    ),
  paused: z
    .boolean()
    .optional()
    .meta(
      kube({
        description: 'True stops the update where it is until set to false again.',
        default: false,
      }),
    ),
  progressDeadlineSeconds: seconds(1, 86400, 'An update without progress for this long has failed.')
    .optional()
    .meta(kube({ default: 600 })),
});

export const ServiceJobSpec = z
  .object({
    role: RolePathField.meta(
      kube({
        description: 'Role that pays for the job: its quota and share count.',
        rules: roleIsImmutable('role', 'create another job in the other role and delete this one'),
      }),
    ),
    instances: z
      .int()
      .min(0)
      .max(100_000)
      .optional()
      .meta(kube({ description: 'Instances to keep running.', default: 1 })),
    tier: jobTier,
    priority: instancePriority,
    template: TaskTemplate,
    constraints: Constraints,
    update: Update.optional().meta(
      kube({ description: 'How a changed template is rolled out.', default: {} }),
    ),
    sla: z
      .object({
        minAvailable: z
          .int()
          .min(0)
          .max(100_000)
          .describe('Instances that planned work, a drain or an update, leaves running.'),
      })
      .optional()
      .describe('What planned work must respect.'),
    discovery: z
      .object({
        enabled: z
          .boolean()
          .optional()
          .describe('True keeps a Service named like the job that lists its healthy instances.'),
        port: text(
          15,
          'Name of the port the Service offers; the first one when left out.',
        ).optional(),
      })
      .optional()
      .describe('How others find the instances.'),
  })
  .meta(
    kube({
      description: 'What should run.',
      rules: [
        ...revocableRules,
        {
          rule:
            '!has(self.discovery) || !has(self.discovery.port) || ' +
            '(has(self.template.ports) && self.template.ports.exists(p, p.name == self.discovery.port))',
          message: 'must be the name of one of the ports of the template',
          fieldPath: '.discovery.port',
        },
      ],
    }),
  );

/** Instances by state; never one entry per instance (an etcd object is bounded, a job is not). */
export const InstanceCounts = z
  .object({
    desired: count('Instances asked for.').optional(),
    pending: count('Instances that wait for an offer.').optional(),
    assigned: count('Instances placed on an agent that has not started them yet.').optional(),
    starting: count('Instances whose container is being started or not healthy yet.').optional(),
    running: count('Instances that run.').optional(),
    killing: count('Instances that are being stopped.').optional(),
    throttled: count('Instances that wait because they failed too often.').optional(),
    updated: count('Instances of the newest template.').optional(),
    failed: count('Instances that failed for good.').optional(),
    finished: count('Instances that ended well.').optional(),
  })
  .describe('Instances by state.');

export const UpdateStatus = z
  .object({
    state: z
      .enum([
        'ROLLING_FORWARD',
        'ROLLING_BACK',
        'ROLL_FORWARD_PAUSED',
        'ROLL_BACK_PAUSED',
        'ROLLED_FORWARD',
        'ROLLED_BACK',
        'ABORTED',
        'FAILED',
        'ERROR',
      ])
      .describe('State of the update, in the words of Aurora.'),
    targetHash: text(63, 'Hash of the template it leads to.'),
    previousHash: text(63, 'Hash of the template it came from.').optional(),
    updatedInstances: count('Instances that have arrived.'),
    startedAt: time('When it began.'),
    finishedAt: time('When it ended.').optional(),
    message: text(1024, 'Why it is in this state.').optional(),
  })
  .describe('The current update, or the last one.');

export const ServiceJobStatus = StatusBase.extend({
  /** Serialized label selector: `kubectl scale` and the autoscaler read it. */
  selector: text(1024, 'Label selector of the Pods of the job; autoscalers read it.').optional(),
  replicas: count('Live instances; autoscalers read it.').optional(),
  templateHash: text(63, 'Hash of the template instances are started from.').optional(),
  counts: InstanceCounts.optional(),
  update: UpdateStatus.optional(),
  preemptions: Preemptions,
  preempted: Preempted,
  pending: PendingExplanation.optional(),
});

export const ServiceJob = z
  .object({ spec: ServiceJobSpec, status: bornUnobserved(ServiceJobStatus) })
  .meta(
    kube({
      description:
        'Keeps a number of instances of one task running, replaces those that fail, and rolls out changes.',
      rules: [jobName(40, 'the names of its tasks and of its Service stay within 63 characters')],
    }),
  );
