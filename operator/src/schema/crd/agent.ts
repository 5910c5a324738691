import { z } from 'zod';
import { ResourceAmounts, StatusBase } from './common.ts';
import { HardwareInventory } from './hardwareInventory.ts';

export const AgentSpec = z.object({
  mode: z.enum(['Shared', 'Dedicated']).optional(),
  freeze: z.boolean().optional(),
  attributes: z.record(z.string().max(317), z.string().max(253)).optional(),
  overcommit: z
    .object({
      enabled: z.boolean().optional(),
      maxRevocableCpuPercent: z.int().min(0).max(100).optional(),
      revocableMemory: z.boolean().optional(),
    })
    .optional(),
});

export const AgentStatus = StatusBase.extend({
  hardware: HardwareInventory.optional(),
  capacity: ResourceAmounts.optional(),
  foreign: ResourceAmounts.optional(),
  allocated: ResourceAmounts.optional(),
  offered: ResourceAmounts.optional(),
  revocable: z
    .object({
      cpuMillis: z.int().min(0),
      memoryBytes: z.int().min(0),
      observedAt: z.string().max(64),
    })
    .optional(),
  revocablePublished: ResourceAmounts.optional(),
  agentHeartbeat: z.string().max(64).optional(),
  tasks: z.int().min(0).optional(),
});

export const Agent = z.object({ spec: AgentSpec.optional(), status: AgentStatus.optional() });
