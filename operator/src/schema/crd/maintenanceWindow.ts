import { z } from 'zod';
import { StatusBase } from './common.ts';

export const MaintenanceWindowSpec = z.object({
  agents: z.array(z.string().max(253)).max(10000).optional(),
  selector: z.record(z.string().max(317), z.string().max(63)).optional(),
  start: z.string().max(64),
  durationSeconds: z.int().min(1).max(31_536_000),
  mode: z.enum(['Freeze', 'Drain']).optional(),
  slaPolicy: z.enum(['Honour', 'Ignore']).optional(),
  concurrency: z.int().min(1).max(10000).optional(),
  deadlineSeconds: z.int().min(1).max(31_536_000).optional(),
});

export const MaintenanceWindowStatus = StatusBase.extend({
  phase: z.enum(['Scheduled', 'Active', 'Done']).optional(),
  agents: z
    .array(
      z.object({
        name: z.string().max(253),
        state: z.enum(['Waiting', 'Frozen', 'Draining', 'Drained', 'Released']),
        tasksLeft: z.int().min(0),
      }),
    )
    .max(1000)
    .optional(),
});

export const MaintenanceWindow = z.object({
  spec: MaintenanceWindowSpec,
  status: MaintenanceWindowStatus.optional(),
});
