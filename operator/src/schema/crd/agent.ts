import { z } from 'zod';
import { ResourceAmounts } from './amounts.ts';
import { bornUnobserved, StatusBase } from './common.ts';
import { count, time } from './fields.ts';
import { HardwareInventory } from './hardwareInventory.ts';
import { kube } from './kubeMeta.ts';

const Overcommit = z.object({
  enabled: z
    .boolean()
    .optional()
    .meta(kube({ description: 'True lends what tasks hold but do not use.', default: true })),
  maxRevocableCpuPercent: z
    .int()
    .min(0)
    .max(100)
    .optional()
    .meta(
      kube({
        description: "Most CPU that is lent, in percent of the agent's capacity.",
        default: 50,
      }),
    ),
  revocableMemory: z
    .boolean()
    .optional()
    .meta(
      kube({
        description:
          'True lends memory too; a borrower is then killed when its owner wants it back.',
        default: false,
      }),
    ),
});

export const AgentSpec = z
  .object({
    mode: z
      .enum(['Shared', 'Dedicated'])
      .optional()
      .meta(
        kube({
          description:
            'Shared leaves room for Pods that are not of Mezzo; Dedicated expects none but daemons.',
          default: 'Shared',
        }),
      ),
    freeze: z
      .boolean()
      .optional()
      .meta(
        kube({
          description: 'True offers nothing more of this agent; its tasks stay.',
          default: false,
        }),
      ),
    attributes: z
      .record(z.string().max(317), z.string().max(253).describe('Value of the attribute.'))
      .optional()
      .meta(
        kube({
          description: 'Attributes for constraints, besides the labels of the node.',
          maxProperties: 64,
        }),
      ),
    overcommit: Overcommit.optional().meta(
      kube({ description: 'How far unused capacity may be lent to revocable tasks.', default: {} }),
    ),
  })
  .describe('How Mezzo treats the node.');

export const AgentStatus = StatusBase.extend({
  hardware: HardwareInventory.optional(),
  capacity: ResourceAmounts.optional().describe(
    'What Mezzo may give out here: allocatable, less what is foreign.',
  ),
  foreign: ResourceAmounts.optional().describe('What Pods that are not of Mezzo take.'),
  allocated: ResourceAmounts.optional().describe('Allocated to tasks.'),
  offered: ResourceAmounts.optional().describe('In offers that are not answered yet.'),
  revocable: z
    .object({
      cpuMillis: count('Milli-CPUs that may be lent.'),
      memoryBytes: z.int().min(0).max(Number.MAX_SAFE_INTEGER).describe('Bytes that may be lent.'),
      observedAt: time('When this was estimated; too old an estimate counts as nothing.'),
    })
    .optional()
    .describe('Allocated but unused capacity, as the node agent estimates it.'),
  revocablePublished: ResourceAmounts.optional().describe(
    'Revocable capacity the node publishes: the estimate, or what is granted already if that is more.',
  ),
  agentHeartbeat: time('When the node agent last reported.').optional(),
  tasks: count('Live tasks on the agent.').optional(),
});

export const Agent = z
  .object({ spec: AgentSpec.optional(), status: bornUnobserved(AgentStatus) })
  .describe('A node under Mezzo; it has the name of the node.');
