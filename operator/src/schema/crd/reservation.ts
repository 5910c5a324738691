import { z } from 'zod';
import { ResourceAmounts, RolePathField, StatusBase } from './common.ts';

export const ReservationSpec = z.object({
  role: RolePathField,
  resources: ResourceAmounts,
  agent: z.string().max(253).optional(),
  selector: z.record(z.string().max(317), z.string().max(63)).optional(),
  count: z.int().min(1).max(10000).optional(),
  labels: z.record(z.string().max(317), z.string().max(63)).optional(),
  principal: z.string().max(253).optional(),
  ttlSeconds: z.int().min(1).max(31_536_000).optional(),
  parent: z.string().max(253).optional(),
});

export const ReservationStatus = StatusBase.extend({
  agents: z.array(z.string().max(253)).max(10000).optional(),
  boundCount: z.int().min(0).optional(),
  allocated: ResourceAmounts.optional(),
  expiresAt: z.string().max(64).optional(),
});

export const Reservation = z.object({
  spec: ReservationSpec,
  status: ReservationStatus.optional(),
});
