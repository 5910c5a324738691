import { z } from 'zod';
import { Double, IdValue, listOf, optionalEnum } from './lenient.ts';
import { MesosResource } from './resource.ts';
import { ExecutorInfo, TaskInfo } from './task.ts';

/** What an ACCEPT may ask for. Source: Mesos `include/mesos/v1/mesos.proto`, `Offer.Operation`. */

const OPERATION_TYPES = [
  'LAUNCH',
  'LAUNCH_GROUP',
  'RESERVE',
  'UNRESERVE',
  'CREATE',
  'DESTROY',
  'GROW_VOLUME',
  'SHRINK_VOLUME',
  'CREATE_DISK',
  'DESTROY_DISK',
] as const;

export const OfferOperation = z.object({
  type: optionalEnum(OPERATION_TYPES),
  id: IdValue.optional(),
  launch: z.object({ task_infos: listOf(TaskInfo) }).optional(),
  launch_group: z
    .object({ executor: ExecutorInfo, task_group: z.object({ tasks: listOf(TaskInfo) }) })
    .optional(),
  reserve: z.object({ source: listOf(MesosResource), resources: listOf(MesosResource) }).optional(),
  unreserve: z.object({ resources: listOf(MesosResource) }).optional(),
  create: z.object({ volumes: listOf(MesosResource) }).optional(),
  destroy: z.object({ volumes: listOf(MesosResource) }).optional(),
  grow_volume: z.object({ volume: MesosResource, addition: MesosResource }).optional(),
  shrink_volume: z
    .object({ volume: MesosResource, subtract: z.object({ value: Double }) })
    .optional(),
  create_disk: z.object({ source: MesosResource }).optional(),
  destroy_disk: z.object({ source: MesosResource }).optional(),
});
export type OfferOperation = z.infer<typeof OfferOperation>;
