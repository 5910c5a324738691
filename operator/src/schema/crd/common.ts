import { z } from 'zod';
import { agentAmounts, ResourceAmounts } from './amounts.ts';
import { count, labels, objectName, patterned, seconds, text, time } from './fields.ts';
import { type CelRule, kube } from './kubeMeta.ts';

/** Shapes that several kinds share. Field names are API: renaming one is a breaking change. */

export const Tier = z
  .enum(['production', 'preemptible', 'revocable'])
  .describe(
    'How firmly a task holds its place: production may preempt others, preemptible may be preempted, ' +
      'revocable runs on capacity that is allocated but unused and goes first.',
  );

export const Condition = z.object({
  type: text(316, 'What the condition is about, such as Ready.'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether the condition holds.'),
  observedGeneration: count('Generation of the object this was decided for.').optional(),
  lastTransitionTime: time('When the status last changed.'),
  reason: z.string().min(1).max(1024).describe('Why, as one CamelCase word for programs.'),
  message: text(32768, 'Why, in a sentence for people, with the remedy where there is one.'),
});

export const StatusBase = z.object({
  observedGeneration: z
    .int()
    .min(-1)
    .max(Number.MAX_SAFE_INTEGER)
    .optional()
    .describe(
      'Generation of the spec this status answers; -1 until the operator has seen the object.',
    ),
  conditions: z
    .array(Condition)
    .max(32)
    .optional()
    .meta(
      kube({
        description: 'What holds for the object now, one entry per type.',
        list: { keys: ['type'] },
      }),
    ),
});

/** A kind's status, born with an impossible generation so that no tool takes a new object for a finished one. */
export const bornUnobserved = <T extends z.ZodType>(status: T) =>
  status.optional().meta(
    kube({
      description: 'What the operator observed; written by the operator only.',
      default: { observedGeneration: -1 },
    }),
  );

export const EnvVar = z.object({
  name: patterned(
    {
      maxLength: 256,
      pattern: /^[A-Za-z_][A-Za-z0-9_.-]*$/,
      must: 'must be letters, digits, _ . and -, not starting with a digit',
    },
    'Name of the variable; names that start with MEZZO_ are set by Mezzo.',
  ),
  value: text(32768, 'Value of the variable, taken as it is.'),
});

export const TaskPort = z.object({
  name: patterned(
    {
      maxLength: 15,
      pattern: /^([0-9]+-?)*[a-z]([-a-z0-9]*[a-z0-9])?$/,
      must: 'must be lower-case letters, digits and -, with at least one letter, such as http',
    },
    'Name by which health checks and discovery refer to the port.',
  ),
  containerPort: z.int().min(1).max(65535).describe('Port the program listens on.'),
});

const portName = z.string().min(1).max(15).describe('Name of one of the ports of the template.');

export const HealthCheck = z
  .object({
    http: z
      .object({
        path: patterned(
          { maxLength: 1024, pattern: /^\/\S*$/, must: 'must start with / and hold no space' },
          'Path to ask for.',
        ),
        port: portName,
      })
      .optional()
      .describe('Healthy while GET answers with a status from 200 to 399.'),
    tcp: z
      .object({ port: portName })
      .optional()
      .describe('Healthy while the port accepts connections.'),
    command: z
      .array(text(4096, 'One word of the command.'))
      .min(1)
      .max(64)
      .optional()
      .meta(
        kube({
          description: 'Healthy while the command, run in the container, exits with 0.',
          list: 'atomic',
        }),
      ),
    initialDelaySeconds: seconds(0, 86400, 'Wait after the start before the first check.')
      .optional()
      .meta(kube({ default: 15 })),
    intervalSeconds: seconds(1, 3600, 'Time between two checks.')
      .optional()
      .meta(kube({ default: 10 })),
    timeoutSeconds: seconds(1, 600, 'A check that takes longer has failed.')
      .optional()
      .meta(kube({ default: 1 })),
    maxConsecutiveFailures: z
      .int()
      .min(0)
      .max(100)
      .optional()
      .meta(
        kube({
          description: 'Failures in a row that are forgiven; the next one kills the task.',
          default: 0,
        }),
      ),
  })
  .meta(
    kube({
      description: 'How to tell that a running task works.',
      rules: [
        {
          rule: '[has(self.http), has(self.tcp), has(self.command)].filter(x, x).size() == 1',
          message: 'must have exactly one of http, tcp and command',
        },
      ],
    }),
  );

/** A check must name a port that exists; a number would need a port of its own beside the named ones. */
const healthPortRule = (check: 'http' | 'tcp'): CelRule => ({
  rule:
    `!has(self.health) || !has(self.health.${check}) || ` +
    `(has(self.ports) && self.ports.exists(p, p.name == self.health.${check}.port))`,
  message: 'must be the name of one of the ports of the template',
  fieldPath: `.health.${check}.port`,
});

const words = (description: string) =>
  z
    .array(text(32768, 'One word, taken as it is.'))
    .max(256)
    .optional()
    .meta(kube({ description, list: 'atomic' }));

/** What one task runs and needs. The first version runs one container; processes and pod templates follow. */
export const TaskTemplate = z
  .object({
    image: patterned(
      {
        maxLength: 512,
        pattern: /^[A-Za-z0-9][A-Za-z0-9._:@/-]*$/,
        must: 'must be an image reference such as registry.example/team/app:1.0, without spaces',
      },
      'Container image.',
    ),
    command: words("Program and first arguments; the image's entry point when left out."),
    args: words('Arguments after the command.'),
    env: z
      .array(EnvVar)
      .max(256)
      .optional()
      .meta(
        kube({
          description: 'Environment of the program, besides MEZZO_INSTANCE and MEZZO_JOB.',
          list: { keys: ['name'] },
          rules: [
            {
              rule: "!self.exists(e, e.name.startsWith('MEZZO_'))",
              message: 'names that start with MEZZO_ are set by Mezzo; choose another name',
            },
          ],
        }),
      ),
    ports: z
      .array(TaskPort)
      .max(64)
      .optional()
      .meta(kube({ description: 'Ports the program listens on.', list: { keys: ['name'] } })),
    resources: agentAmounts('What one task takes on its agent; requests and limits alike.'),
    labels: labels(32, 'Labels of the Pods of the job.').optional(),
    health: HealthCheck.optional(),
    serviceAccountName: objectName(
      'Service account the Pods run as; its token is not mounted.',
    ).optional(),
    runAsUser: z
      .int()
      .min(1)
      .max(2_147_483_647)
      .optional()
      .describe('Numeric user the program runs as, never root; 65534 (nobody) when left out.'),
    imagePullPolicy: z
      .enum(['Always', 'IfNotPresent', 'Never'])
      .optional()
      .meta(kube({ description: 'When the node fetches the image.', default: 'IfNotPresent' })),
    killGraceSeconds: seconds(
      0,
      3600,
      'Time between the polite and the hard signal when a task is killed.',
    )
      .optional()
      .meta(kube({ default: 30 })),
  })
  .meta(
    kube({
      description: 'What one task runs and needs.',
      rules: [
        healthPortRule('http'),
        healthPortRule('tcp'),
        {
          rule: "!has(self.labels) || !self.labels.exists(k, k.startsWith('mezzo.dev/'))",
          message: 'labels of mezzo.dev are set by Mezzo; choose another prefix',
          fieldPath: '.labels',
        },
      ],
    }),
  );

/** A hard placement rule on agents. */
export const Constraint = z
  .object({
    attribute: z
      .string()
      .min(1)
      .max(317)
      .describe(
        'Attribute of the agent or label of its node, such as topology.kubernetes.io/zone; hostname is its name.',
      ),
    operator: z
      .enum(['In', 'NotIn', 'Exists', 'DoesNotExist', 'MaxPerValue'])
      .describe(
        'In and NotIn compare with values; MaxPerValue places at most limit instances per value.',
      ),
    values: z
      .array(text(253, 'One value of the attribute.'))
      .max(64)
      .optional()
      .meta(kube({ description: 'Values for In and NotIn.', list: 'set' })),
    limit: z
      .int()
      .min(1)
      .max(10000)
      .optional()
      .describe('Most instances of the job on agents that share a value, for MaxPerValue.'),
  })
  .meta(
    kube({
      description: 'A rule every agent must meet to be given an instance.',
      rules: [
        {
          rule: "!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)",
          message: 'values must name at least one value when operator is In or NotIn',
        },
        {
          rule: "self.operator in ['In', 'NotIn'] || !has(self.values) || self.values.size() == 0",
          message: 'values may be set only when operator is In or NotIn',
        },
        {
          rule: "(self.operator == 'MaxPerValue') == has(self.limit)",
          message: 'limit must be set when operator is MaxPerValue, and only then',
        },
      ],
    }),
  );

/** The constraints of a job. */
export const Constraints = z
  .array(Constraint)
  .max(32)
  .optional()
  .meta(kube({ description: 'Rules on where instances may run; all must hold.', list: 'atomic' }));

export const PreemptionRecord = z.object({
  id: text(253, 'Id of the preemption; the victims carry it as an annotation.'),
  phase: z
    .enum(['Intended', 'Evicting', 'Held', 'Completed', 'Abandoned'])
    .describe(
      'How far it got; Intended is written before any Pod is touched, Held keeps the freed capacity.',
    ),
  preemptor: text(512, 'Job that gains: kind/namespace/name.'),
  instance: count('Instance of the job that will run on the freed capacity.'),
  rule: text(128, 'Rule that allowed it.'),
  agent: text(253, 'Agent it happens on.'),
  victims: z
    .array(
      z.object({
        pod: text(512, 'Pod that is evicted: namespace/name.'),
        uid: text(64, 'Uid of that Pod.'),
        job: text(512, 'Job that loses it: kind/namespace/name.'),
        role: text(253, 'Role of that job.'),
      }),
    )
    .max(16)
    .meta(kube({ description: 'Who makes room.', list: 'atomic' })),
  resources: ResourceAmounts.describe('Capacity that is freed and held.'),
  graceDeadline: time('When the last victim is gone at the latest.'),
  startedAt: time('When it was decided.'),
  finishedAt: time('When it was completed or abandoned.').optional(),
  shareBefore: text(32, "Dominant share of the preemptor's role before.").optional(),
  shareAfter: text(32, "Dominant share of the preemptor's role after.").optional(),
  message: text(1024, 'Anything else worth telling.').optional(),
});

export const PreemptedRecord = z.object({
  id: text(253, 'Id of the preemption, as in the status of the job that gained.'),
  pod: text(512, 'Pod that was evicted: namespace/name.'),
  by: text(512, 'Job that gained: kind/namespace/name.'),
  rule: text(128, 'Rule that allowed it.'),
  at: time('When the Pod was evicted.'),
});

/** The newest preemptions from both ends; older ones are in the history. */
export const Preemptions = z
  .array(PreemptionRecord)
  .max(10)
  .optional()
  .meta(kube({ description: 'The newest preemptions for this job.', list: 'atomic' }));
export const Preempted = z
  .array(PreemptedRecord)
  .max(10)
  .optional()
  .meta(kube({ description: 'The newest preemptions of tasks of this job.', list: 'atomic' }));

export const PendingExplanation = z
  .object({
    instances: count('Instances that wait.'),
    since: time('How long the oldest of them has waited.').optional(),
    summary: text(2048, 'Why they wait and what would help, in a sentence.'),
    heldBack: z
      .array(
        z.object({
          check: text(64, 'Check that held agents back.'),
          agents: count('Agents it held back.'),
          nearestAgent: text(253, 'The agent that came nearest.').optional(),
          shortfall: ResourceAmounts.optional().describe('What that agent lacked.'),
        }),
      )
      .max(16)
      .optional()
      .meta(
        kube({
          description: 'Agents held back, by check, in the order of the checks.',
          list: 'atomic',
        }),
      ),
  })
  .describe('Why instances are not running yet.');
