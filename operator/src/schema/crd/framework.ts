import { z } from 'zod';
import { ResourceAmounts } from './amounts.ts';
import { bornUnobserved, StatusBase } from './common.ts';
import { count, objectName, patterned, RolePathField, seconds, text, time } from './fields.ts';
import { kube } from './kubeMeta.ts';

const Toleration = z
  .object({
    key: text(317, 'Key of the taint; any when left out.').optional(),
    operator: z
      .enum(['Exists', 'Equal'])
      .optional()
      .meta(kube({ description: 'Exists ignores value, Equal compares it.', default: 'Equal' })),
    value: text(253, 'Value of the taint.').optional(),
    effect: z
      .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
      .optional()
      .describe('Effect of the taint; any when left out.'),
  })
  .meta(
    kube({
      description: 'A taint of nodes that the tasks accept.',
      rules: [
        {
          rule: "has(self.key) || (has(self.operator) && self.operator == 'Exists')",
          message: 'must have a key, or operator Exists to tolerate every taint',
        },
        {
          rule: "!has(self.value) || self.value == '' || !has(self.operator) || self.operator != 'Exists'",
          message: 'value may not be set when operator is Exists',
        },
      ],
    }),
  );

const PodTemplate = z
  .object({
    image: patterned(
      {
        maxLength: 512,
        pattern: /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/,
        must: 'must be an image reference such as registry.example/team/app:1.0, without spaces',
      },
      'Image of tasks that name none.',
    ).optional(),
    serviceAccountName: objectName(
      'Service account the tasks run as; its token is not mounted.',
    ).optional(),
    imagePullPolicy: z
      .enum(['Always', 'IfNotPresent', 'Never'])
      .optional()
      .meta(kube({ description: 'When nodes fetch images.', default: 'IfNotPresent' })),
    tolerations: z
      .array(Toleration)
      .max(32)
      .optional()
      .meta(kube({ description: 'Taints of nodes that the tasks accept.', list: 'atomic' })),
  })
  .describe("What the framework's tasks take from here when they do not say it themselves.");

export const FrameworkSpec = z
  .object({
    principal: text(
      253,
      'Identity the scheduler subscribes with; nobody else may use this framework.',
    ).optional(),
    roles: z
      .array(RolePathField)
      .max(64)
      .optional()
      .meta(kube({ description: 'Roles the framework is offered resources for.', list: 'set' })),
    capabilities: z
      .array(text(64, 'Name of a capability, as in FrameworkInfo.'))
      .max(32)
      .optional()
      .meta(kube({ description: 'What the framework can deal with.', list: 'set' })),
    failoverTimeoutSeconds: seconds(
      0,
      31_536_000,
      'How long tasks outlive a lost connection; then the framework is removed with its tasks.',
    )
      .optional()
      .meta(kube({ default: 0 })),
    frameworkName: text(255, 'Name the framework gave itself.').optional(),
    frameworkId: text(255, 'Framework id, given when it first subscribed.').optional(),
    user: text(255, 'User of tasks that name none, as in FrameworkInfo.').optional(),
    hostname: text(255, 'Host its scheduler says it runs on, as in FrameworkInfo.').optional(),
    webuiUrl: text(2048, 'Address of its own web pages, as in FrameworkInfo.').optional(),
    podTemplate: PodTemplate.optional(),
  })
  .describe('Who the framework is and what it may ask for.');

export const FrameworkStatus = StatusBase.extend({
  id: text(255, 'Framework id.').optional(),
  connected: z.boolean().optional().describe('True while its scheduler is connected.'),
  disconnectedAt: time('When the connection was lost.').optional(),
  subscribedAt: time('When it last subscribed.').optional(),
  completed: z
    .boolean()
    .optional()
    .describe('True once it was torn down; its id is never accepted again.'),
  offers: z
    .object({
      sent: count('Offers sent so far.'),
      accepted: count('Offers accepted so far.'),
      declined: count('Offers declined so far.'),
      rescinded: count('Offers taken back so far.'),
      outstanding: count('Offers in its hands now.'),
    })
    .optional()
    .describe('What became of its offers.'),
  tasks: z
    .record(z.string().max(32), count('Tasks in this state.'))
    .optional()
    .meta(kube({ description: 'Its tasks by state, such as TASK_RUNNING.', maxProperties: 32 })),
  allocated: ResourceAmounts.optional().describe('What its tasks hold.'),
});

export const Framework = z
  .object({ spec: FrameworkSpec, status: bornUnobserved(FrameworkStatus) })
  .describe(
    'A program that is offered resources and decides what to run on them, speaking the Mesos v1 scheduler API.',
  );
