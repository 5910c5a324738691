import { z } from 'zod';
import { ResourceAmounts, RolePathField, StatusBase } from './common.ts';

export const FrameworkSpec = z.object({
  principal: z.string().max(253).optional(),
  roles: z.array(RolePathField).max(64).optional(),
  capabilities: z.array(z.string().max(64)).max(32).optional(),
  failoverTimeoutSeconds: z.int().min(0).max(31_536_000).optional(),
  frameworkName: z.string().max(255).optional(),
  frameworkId: z.string().max(255).optional(),
  user: z.string().max(255).optional(),
  podTemplate: z
    .object({
      image: z.string().max(512).optional(),
      serviceAccountName: z.string().max(253).optional(),
      imagePullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional(),
      tolerations: z
        .array(
          z.object({
            key: z.string().max(317).optional(),
            operator: z.enum(['Exists', 'Equal']).optional(),
            value: z.string().max(253).optional(),
            effect: z.enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute']).optional(),
          }),
        )
        .max(32)
        .optional(),
    })
    .optional(),
});

export const FrameworkStatus = StatusBase.extend({
  id: z.string().max(255).optional(),
  connected: z.boolean().optional(),
  disconnectedAt: z.string().max(64).optional(),
  subscribedAt: z.string().max(64).optional(),
  completed: z.boolean().optional(),
  offers: z
    .object({
      sent: z.int().min(0),
      accepted: z.int().min(0),
      declined: z.int().min(0),
      rescinded: z.int().min(0),
      outstanding: z.int().min(0),
    })
    .optional(),
  tasks: z.record(z.string().max(32), z.int().min(0)).optional(),
  allocated: ResourceAmounts.optional(),
});

export const Framework = z.object({ spec: FrameworkSpec, status: FrameworkStatus.optional() });
