import { z } from 'zod';
import { RequestedQuantity, ResourceAmounts, reservedAmounts } from './amounts.ts';
import { bornUnobserved, StatusBase } from './common.ts';
import {
  count,
  labels,
  objectName,
  patterned,
  RolePathField,
  roleIsImmutable,
  seconds,
  text,
  time,
} from './fields.ts';
import { kube } from './kubeMeta.ts';

/** Disk of a reservation that has been made a persistent volume. Source: Mesos `docs/persistent-volume.md`. */
const VolumeSpec = z
  .object({
    id: patterned(
      {
        maxLength: 255,
        pattern: /^[^/\\]+$/,
        must: 'must be a persistence id: some text without slashes and backslashes',
      },
      'Persistence id, unique among the volumes of the role on the agent.',
    ),
    principal: text(253, 'Who made the volume.').optional(),
    containerPath: text(4096, 'Where tasks find the volume unless they say otherwise.'),
    shared: z
      .boolean()
      .optional()
      .describe('Whether many tasks may use it at once; no when left out.'),
    from: z
      .array(
        z.object({
          reservation: objectName('Reservation some of the disk is part of.'),
          disk: RequestedQuantity.describe('How much of it.'),
        }),
      )
      .min(1)
      .max(64)
      .meta(
        kube({
          description: 'Reservations the disk is taken out of, and goes back to.',
          list: 'atomic',
        }),
      ),
  })
  .meta(
    kube({
      description:
        'Set for a persistent volume: its data stay on the agent until the volume is destroyed.',
    }),
  );

export const ReservationSpec = z
  .object({
    role: RolePathField.meta(
      kube({
        description: 'Role the resources are kept for; roles below it are offered them too.',
        rules: [
          ...roleIsImmutable(
            'role',
            'create another Reservation for the other role and delete this one',
          ),
          {
            rule: "self != '*'",
            message: 'may not be *; resources of the default role are those nobody reserved',
          },
        ],
      }),
    ),
    resources: reservedAmounts('What is reserved on each agent.'),
    agent: objectName('The agent to reserve on.').optional(),
    selector: labels(16, 'Attributes the agents to reserve on must have.').optional(),
    count: z
      .int()
      .min(1)
      .max(10000)
      .optional()
      .describe('On how many of the selected agents; one when left out.'),
    labels: labels(16, 'Labels frameworks see on the reserved resources.').optional(),
    principal: text(253, 'Who may release the reservation besides administrators.').optional(),
    ttlSeconds: seconds(
      1,
      31_536_000,
      'The reservation ends by itself after this time; never when left out.',
    ).optional(),
    parent: objectName('Reservation this one refines: a part of it, for a role below.').optional(),
    volume: VolumeSpec.optional(),
  })
  .meta(
    kube({
      description: 'What is kept, for whom, and where.',
      rules: [
        {
          rule: 'has(self.agent) != has(self.selector)',
          message: 'must have exactly one of agent and selector',
        },
        {
          rule: 'has(self.selector) || !has(self.count)',
          message: 'may be set only together with selector',
          fieldPath: '.count',
        },
        {
          rule: "!has(self.volume) || (has(self.agent) && self.resources.all(k, k == 'disk'))",
          message: 'may be set only with agent, and resources of disk alone',
          fieldPath: '.volume',
        },
        {
          rule: 'has(self.volume) == has(oldSelf.volume) && (!has(self.volume) || (self.volume.id == oldSelf.volume.id && self.agent == oldSelf.agent))',
          message: 'may not become another volume; destroy it and create the other',
          fieldPath: '.volume',
        },
      ],
    }),
  );

export const ReservationStatus = StatusBase.extend({
  agents: z
    .array(text(253, 'Name of an agent.'))
    .max(10000)
    .optional()
    .meta(kube({ description: 'Agents the reservation is bound on.', list: 'atomic' })),
  missing: z
    .array(
      z.object({
        name: text(253, 'Name of the agent.'),
        since: time('Since when it is gone.'),
      }),
    )
    .max(1000)
    .optional()
    .meta(
      kube({
        description: 'Agents it is bound on that are gone; their place is kept for ten minutes.',
        list: 'atomic',
      }),
    ),
  resources: ResourceAmounts.optional().describe(
    'What is bound on each agent. Differs from the spec while a change does not fit; Ready tells why.',
  ),
  wanted: count('On how many agents it is to be bound.').optional(),
  boundCount: count('How many agents that is.').optional(),
  allocated: ResourceAmounts.optional().describe('Part of the reserved resources that tasks hold.'),
  expiresAt: time('When the reservation ends by itself.').optional(),
});

export const Reservation = z
  .object({ spec: ReservationSpec, status: bornUnobserved(ReservationStatus) })
  .describe('Keeps resources on chosen agents for a role, whether it uses them or not.');
